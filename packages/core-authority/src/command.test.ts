import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { commandAllowed, commandDigests, resolveChain, type Authority } from "./chain.ts";
import { exactArgument, isCommandRule, type Command, type CommandRule } from "./command.ts";
import { AuthorityError } from "./errors.ts";
import { decodeGrant, encodeGrant, type Grant } from "./grant.ts";
import { counting, grantFrom, Member, START_MS, trustIn } from "./testing/fixture.ts";

const operator = new Member(1, ["admin"]);
const agent = new Member(2, []);
const helper = new Member(3, []);
const trust = trustIn([operator, agent, helper]);

const AWS: CommandRule = {
  path: "/usr/bin/aws",
  sha256: null,
  args: ["s3", "ls", "s3://logs/*"],
  directory: null,
  plain: false,
};
const LIST: Command = {
  path: "/usr/bin/aws",
  args: ["s3", "ls", "s3://logs/today"],
  directory: "/home/me",
  plain: false,
};
const digest = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

/** What a chain gives whose links, from the root on, have these rules. */
function authorityOf(...rules: readonly Grant["commands"][]): Authority {
  const random = counting();
  const chain = [];
  let parent: string | null = null;
  for (const [i, commands] of rules.entries()) {
    const [from, to] = i === 0 ? [operator, agent] : [agent, helper];
    const grant: Grant = grantFrom(random, from, to, { parent, commands });
    chain.unshift(from.sign(grant));
    parent = grant.id;
  }
  const verdict = resolveChain(chain, trust, START_MS);
  assert.ok(verdict.allowed);
  return verdict;
}

function allows(rule: Partial<CommandRule>, command: Partial<Command> = {}): boolean {
  const authority = authorityOf([{ ...AWS, ...rule }]);
  return commandDigests(authority, { ...LIST, ...command }) !== null;
}

test("[AUTH-36] a command is admitted by path, directory and each argument", () => {
  // SECURITY: an agent would run another program, or the right one against another server, with
  // secrets that it cannot read.
  assert.ok(allows({}));
  assert.ok(!allows({}, { path: "/tmp/aws" }));
  assert.ok(!allows({}, { args: ["s3", "ls"] }));
  assert.ok(!allows({}, { args: [...LIST.args, "--debug"] }));
  assert.ok(!allows({}, { args: ["s3", "rm", "s3://logs/today"] }));
  assert.ok(!allows({}, { args: ["s3 ls", "s3://logs/today"] }), "nothing is split");
  assert.ok(!allows({ directory: "/srv" }));
  assert.ok(allows({ directory: "/home/me" }));
  assert.ok(allows({ args: ["s3", "**"] }), "any further arguments");
  assert.ok(allows({ args: ["s3", "**"] }, { args: ["s3"] }));
  assert.ok(!allows({ args: ["s3", "**"] }, { args: [] }));
});

test("[AUTH-36] a wildcard at the beginning takes no option", () => {
  // SECURITY: `--endpoint-url=…` in the place of a file name sends the secrets elsewhere.
  const args = ["get", "*"];
  assert.ok(allows({ args }, { args: ["get", "file"] }));
  assert.ok(allows({ args }, { args: ["get", ""] }));
  assert.ok(!allows({ args }, { args: ["get", "--endpoint-url=http://evil"] }));
  assert.ok(!allows({ args: ["get", "*x*"] }, { args: ["get", "-x"] }));
  assert.ok(allows({ args: ["get", "--file=*"] }, { args: ["get", "--file=-x"] }));
});

test("[AUTH-36] `*` is any run, a backslash takes a star for itself", () => {
  const takes = (pattern: string, argument: string): boolean =>
    allows({ args: [pattern] }, { args: [argument] });
  assert.ok(takes("a*b*c", "abc"));
  assert.ok(takes("a*b*c", "a/b\nbbc"));
  assert.ok(!takes("a*b*c", "abcd"));
  assert.ok(takes("\\*", "*"));
  assert.ok(!takes("\\*", "x"));
  assert.ok(takes("\\\\*", "\\x"));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (argument, other) => {
      const pattern = exactArgument(argument);
      assert.ok(isCommandRule({ ...AWS, args: [pattern] }) || argument.includes("\0"));
      if (!argument.includes("\0") && Buffer.byteLength(pattern) <= 512 && argument.isWellFormed())
        assert.equal(takes(pattern, other), other === argument);
    }),
    { numRuns: 60 },
  );
});

test("[AUTH-36] star patterns fit what the same regular expression does", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  fc.assert(
    fc.property(
      letters,
      fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 }),
      (glob, text) => {
        const pattern = glob.replaceAll(/\*+/g, "*");
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`, "s").test(text);
        assert.equal(allows({ args: [pattern] }, { args: [text] }), expected, pattern);
      },
    ),
  );
});

test("[AUTH-37] every grant that limits commands has to admit the command", () => {
  // SECURITY: P6. An agent would hand on more commands than it was given.
  const wide = [{ ...AWS, args: ["**"] }];
  const other = [{ ...AWS, path: "/usr/bin/sh", args: ["**"] }];
  const admits = (...rules: readonly Grant["commands"][]): boolean =>
    commandDigests(authorityOf(...rules), LIST) !== null;
  assert.ok(admits(null, null));
  assert.ok(admits(null, [AWS]));
  assert.ok(admits([AWS], null));
  assert.ok(admits([AWS], wide));
  assert.ok(!admits([AWS], other));
  assert.ok(!admits(other, [AWS]));
  assert.ok(!admits([], wide), "no rule admits nothing");
  assert.ok(!admits(wide, []));
});

test("[AUTH-37] the chain admits exactly what each of its grants admits", () => {
  const word = fc.constantFrom("a", "b", "a*", "*", "**");
  const args = fc
    .array(word, { maxLength: 3 })
    .map((list) => list.filter((pattern, i) => pattern !== "**" || i === list.length - 1));
  const rules = fc.array(
    fc.record({
      path: fc.constantFrom("/bin/x", "/bin/y"),
      sha256: fc.constantFrom(null, digest(1), digest(2)),
      args,
      directory: fc.constantFrom(null, "/d"),
      plain: fc.boolean(),
    }),
    { maxLength: 3 },
  );
  const limit = fc.option(rules, { freq: 3 });
  const command = fc.record({
    path: fc.constantFrom("/bin/x", "/bin/y"),
    args: fc.array(fc.constantFrom("a", "b", "ab", "-a"), { maxLength: 3 }),
    directory: fc.constantFrom("/d", "/e"),
    plain: fc.boolean(),
  });
  fc.assert(
    fc.property(limit, limit, command, fc.constantFrom(1, 2, 3), (above, below, asked, byte) => {
      const alone = (one: Grant["commands"]): boolean =>
        commandAllowed(authorityOf(one), asked, digest(byte));
      assert.equal(
        commandAllowed(authorityOf(above, below), asked, digest(byte)),
        alone(above) && alone(below),
      );
    }),
    { numRuns: 120 },
  );
});

test("[AUTH-37] the program has to have a digest that the rules demand", () => {
  const pinned = { ...AWS, sha256: digest(1) };
  const has = (rules: readonly CommandRule[], byte: number): boolean =>
    commandAllowed(authorityOf(rules), LIST, digest(byte));
  assert.ok(has([pinned], 1));
  assert.ok(!has([pinned], 2));
  assert.ok(has([pinned, { ...AWS, sha256: digest(2) }], 2));
  assert.ok(has([pinned, AWS], 9), "one rule demands none");
  assert.ok(
    !has([pinned, { ...AWS, path: "/bin/sh" }], 9),
    "a rule for another program counts not",
  );
});

test("[AUTH-38] unredacted output needs every grant to say so", () => {
  // SECURITY: an agent that hands a grant on would lift the redaction that it is under itself.
  const open = [{ ...AWS, plain: true }];
  const plain = (...rules: readonly Grant["commands"][]): boolean =>
    commandDigests(authorityOf(...rules), { ...LIST, plain: true }) !== null;
  assert.ok(plain(open));
  assert.ok(plain(open, open));
  assert.ok(!plain(null));
  assert.ok(!plain([AWS]));
  for (const silent of [null, [AWS]]) {
    assert.ok(!plain(silent, open));
    assert.ok(!plain(open, silent));
  }
});

test("[AUTH-12] rules of another form are neither signed nor read", () => {
  const bad: Partial<CommandRule>[] = [
    { path: "aws" },
    { path: "/" },
    { path: "" },
    { path: "/usr/bin/../sh" },
    { path: "/usr/./bin/sh" },
    { path: "/usr//bin/sh" },
    { path: "/usr/bin/" },
    { path: "/a\0b" },
    { path: `/${"x".repeat(1024)}` },
    { sha256: new Uint8Array(31) },
    { directory: "here" },
    { directory: "/a/.." },
    { args: ["**", "x"] },
    { args: ["a**"] },
    { args: ["a\\"] },
    { args: ["a\\b"] },
    { args: ["a\0"] },
    { args: ["x".repeat(513)] },
    { args: Array.from({ length: 65 }, () => "x") },
  ];
  const grant = (commands: Grant["commands"]): Grant =>
    grantFrom(counting(), operator, agent, { commands });
  for (const change of bad)
    assert.throws(() => operator.sign(grant([{ ...AWS, ...change }])), AuthorityError);
  const many = Array.from({ length: 17 }, () => AWS);
  assert.throws(() => operator.sign(grant(many)), AuthorityError);
  const good = [{ ...AWS, sha256: digest(3), directory: "/", args: ["*", "\\*", "", "**"] }];
  const signed = operator.sign(grant(good));
  assert.deepEqual(decodeGrant(encodeGrant(signed)), signed);
});

test("[AUTH-36] what stands for any further arguments stands for none that is named before it", () => {
  // SECURITY: a program would run without the argument that was to bind it.
  assert.ok(allows({ args: ["*", "**"] }, { args: ["a"] }));
  assert.ok(!allows({ args: ["*", "**"] }, { args: [] }));
  assert.ok(!allows({ args: ["a", "*", "**"] }, { args: ["a"] }));
});

test("[AUTH-36] a pattern that is made of an argument takes it and nothing else", () => {
  for (const argument of ["a*b", "*", "\\", "a\\*", "**", "plain"]) {
    const args = [exactArgument(argument)];
    assert.ok(allows({ args }, { args: [argument] }), argument);
    for (const other of [`${argument}x`, argument.replaceAll("*", "z"), "", "axb"])
      if (other !== argument)
        assert.ok(!allows({ args }, { args: [other] }), `${argument} ${other}`);
  }
});
