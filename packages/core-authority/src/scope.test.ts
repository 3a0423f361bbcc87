import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AuthorityError } from "./errors.ts";
import { MAX_CHAIN, MAX_ENTRIES, MAX_PATTERNS, MAX_SCOPE_CHARACTERS } from "./limits.ts";
import { areDisjoint, implies, isPattern, matches } from "./pattern.ts";
import {
  covers,
  coversSome,
  enrolledScope,
  handOn,
  join,
  meet,
  NOTHING,
  parseScope,
  printScope,
  scopeOf,
  within,
  type Entry,
  type Scope,
  type Verb,
} from "./scope.ts";

// Every name of up to three segments of up to two letters of {a, b}: small enough to try them all,
// rich enough to tell patterns over the same letters apart.
const WORDS = ["a", "b", "aa", "ab", "ba", "bb"];
const NAMES: readonly string[] = [1, 2, 3].flatMap((length) => paths(length));
const TRIED: readonly Verb[] = ["admin", "secret-use", "secret-read", "unlock"];
const DEPTHS = [0, 1, 2];

function paths(length: number): string[] {
  if (length === 0) return [""];
  const shorter = paths(length - 1);
  return shorter.flatMap((path) => WORDS.map((word) => (path === "" ? word : `${path}/${word}`)));
}

/** What a pattern means, said once more: as a regular expression. */
function oracle(pattern: string): RegExp {
  const body = pattern
    .split("/")
    .map((segment) => (segment === "**" ? "[^/]+(/[^/]+)*" : segment.replaceAll("*", "[^/]*")));
  return new RegExp(`^${body.join("/")}$`);
}

const segment = fc
  .array(fc.constantFrom("a", "b", "*"), { minLength: 1, maxLength: 3 })
  .map((letters) => letters.join("").replace(/\*+/g, "*"));

const pattern = fc
  .tuple(fc.array(segment, { minLength: 0, maxLength: 2 }), fc.boolean(), segment)
  .map(([head, open, last]) => [...head, open ? "**" : last].join("/"));

const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 1, arbitrary: plainEntry("admin") },
  { weight: 1, arbitrary: plainEntry("unlock") },
  {
    weight: 6,
    arbitrary: fc.record({
      capability: fc.constantFrom<Verb>("secret-use", "secret-read"),
      patterns: fc.array(pattern, { maxLength: 2 }),
      depth: fc.constantFrom(...DEPTHS),
    }),
  },
);

function plainEntry(capability: Verb): fc.Arbitrary<Entry> {
  return fc.constantFrom(...DEPTHS).map((depth) => ({ capability, patterns: [], depth }));
}

const scope: fc.Arbitrary<Scope> = fc.array(entry, { maxLength: 4 }).map(scopeOf);

/** Runs a law where the scopes that come up stay within the limits. */
function whereItFits(law: () => void): void {
  try {
    law();
  } catch (cause) {
    if (cause instanceof AuthorityError && cause.code === "scope-too-large") fc.pre(false);
    throw cause;
  }
}

function everyPoint(
  holds: (capability: Verb, name: string | null, depth: number) => boolean,
): boolean {
  return TRIED.every((capability) =>
    DEPTHS.every((depth) => [null, ...NAMES].every((name) => holds(capability, name, depth))),
  );
}

function assertEquivalent(a: Scope, b: Scope): void {
  assert.ok(within(a, b) && within(b, a), `${printScope(a)} is not ${printScope(b)}`);
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (cause) {
    if (cause instanceof AuthorityError) return cause.code;
    throw cause;
  }
  return "none";
}

test("[AUTH-1] patterns are segments of name characters and `*`, with `**` only as the last", () => {
  for (const good of ["a", "*", "**", "ci/*", "ci/**", "*-key", "a*b*c/d.e_f-g", "..."])
    assert.ok(isPattern(good), good);
  for (const bad of ["", "/", "a/", "/a", "a//b", "**/a", "a**", "***", "a/.", "..", "a b", "ä"])
    assert.ok(!isPattern(bad), bad);
  assert.ok(isPattern("a".repeat(256)));
  assert.ok(!isPattern("a".repeat(257)));
});

test("[AUTH-2] a pattern matches what its regular expression matches, and only names", () => {
  fc.assert(
    fc.property(pattern, (text) => {
      const expected = oracle(text);
      for (const name of NAMES) assert.equal(matches(text, name), expected.test(name), name);
    }),
  );
  // SECURITY: a name that is not one would slip through a wide pattern to some other file.
  for (const hostile of ["", "../x", "a//b", "a/..", "a/*", "**", "a\0b", "a/"])
    assert.ok(!matches("**", hostile), JSON.stringify(hostile));
  assert.ok(!matches("*", "a/b"));
  assert.ok(!matches("a/**", "a"));
  assert.ok(matches("a/**", "a/b/c"));
});

test("implication and disjointness of patterns are never claimed wrongly", () => {
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      const both = NAMES.filter((name) => matches(a, name) && matches(b, name));
      if (implies(a, b)) assert.equal(both.length, NAMES.filter((name) => matches(a, name)).length);
      if (areDisjoint(a, b)) assert.deepEqual(both, []);
      assert.equal(areDisjoint(a, b), areDisjoint(b, a));
    }),
    { numRuns: 2_000 },
  );
  // Of patterns with the same meaning there is one; so each scope has one form.
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      assert.equal(implies(a, b) && implies(b, a), a === b);
    }),
    { numRuns: 2_000 },
  );
  // And not for want of claims.
  assert.ok(implies("ci/a*b", "ci/*") && implies("ci/*", "ci/**") && implies("ci/**", "**"));
  assert.ok(areDisjoint("ci/a*", "ci/b*") && areDisjoint("*a", "*b") && areDisjoint("a/b", "a"));
});

test("[AUTH-3] a scope covers what one of its entries covers; admin covers everything", () => {
  const some = parseScope("secret-use:ci/*&*/deploy secret-list unlock+1");
  assert.ok(covers(some, "secret-use", "ci/deploy"));
  assert.ok(!covers(some, "secret-use", "ci/test"));
  assert.ok(!covers(some, "secret-use", null), "a pattern is about names");
  assert.ok(!covers(some, "secret-read", "ci/deploy"), "use is not read");
  assert.ok(covers(some, "secret-list", null) && covers(some, "secret-list", "x"));
  assert.ok(covers(some, "unlock", null, 1) && !covers(some, "unlock", null, 2));
  assert.ok(coversSome(some, "secret-use") && !coversSome(some, "secret-write"));
  assert.ok(coversSome(parseScope("admin"), "secret-write"));
  assert.ok(everyPoint((capability, name) => covers(parseScope("admin"), capability, name)));
  assert.ok(everyPoint((...point) => !covers(NOTHING, ...point)));
});

test("[AUTH-4] the meet covers exactly what both cover, whatever is asked", () => {
  // SECURITY: a meet that covers more hands a delegatee rights that its delegator never had.
  fc.assert(
    fc.property(scope, scope, (a, b) =>
      whereItFits(() => {
        const both = meet(a, b);
        assert.ok(
          everyPoint((...x) => covers(both, ...x) === (covers(a, ...x) && covers(b, ...x))),
          `${printScope(a)} ∧ ${printScope(b)} = ${printScope(both)}`,
        );
      }),
    ),
    { numRuns: 300 },
  );
});

test("[AUTH-4] a capability without pattern meets the same with a pattern in that pattern", () => {
  const examples = [
    ["secret-use", "secret-use:ci/*", "secret-use:ci/*"],
    ["admin", "secret-use:ci/* unlock", "secret-use:ci/* unlock"],
    ["secret-use:**", "secret-use:ci/*", "secret-use:ci/*"],
    ["secret-use:a*", "secret-use:*b", "secret-use:*b&a*"],
    ["secret-use:a/**", "secret-use:b/**", ""],
    ["secret-use", "secret-read", ""],
    ["admin+3", "secret-use:ci/*+1", "secret-use:ci/*+1"],
    ["secret-use:a secret-use:b", "secret-use:b secret-use:c", "secret-use:b"],
  ];
  for (const [a = "", b = "", expected = ""] of examples)
    assert.equal(printScope(meet(parseScope(a), parseScope(b))), expected, `${a} ∧ ${b}`);
});

test("[AUTH-5] the join covers exactly what either covers", () => {
  fc.assert(
    fc.property(scope, scope, (a, b) => {
      const either = join(a, b);
      assert.ok(
        everyPoint((...x) => covers(either, ...x) === (covers(a, ...x) || covers(b, ...x))),
      );
    }),
    { numRuns: 100 },
  );
});

test("[AUTH-5] meet and join obey the laws of a lattice", () => {
  fc.assert(
    fc.property(scope, scope, scope, (a, b, c) =>
      whereItFits(() => {
        assert.deepEqual(meet(a, b), meet(b, a));
        assert.deepEqual(join(a, b), join(b, a));
        assertEquivalent(meet(meet(a, b), c), meet(a, meet(b, c)));
        assertEquivalent(join(join(a, b), c), join(a, join(b, c)));
        assert.deepEqual(meet(a, a), a);
        assert.deepEqual(join(a, a), a);
        assertEquivalent(meet(a, join(a, b)), a);
        assertEquivalent(join(a, meet(a, b)), a);
        assert.deepEqual(meet(a, NOTHING), NOTHING);
        assertEquivalent(meet(a, parseScope("admin+8")), a);
      }),
    ),
    { numRuns: 1_000 },
  );
});

test("[AUTH-6] within is never claimed wrongly, holds for every meet, and the meet is monotone", () => {
  // SECURITY: a wrong claim would let a delegatee widen what it was given.
  fc.assert(
    fc.property(scope, scope, scope, (a, b, c) =>
      whereItFits(() => {
        const both = meet(a, b);
        assert.ok(within(both, a) && within(both, b) && within(a, join(a, b)));
        if (within(a, b)) {
          assert.ok(everyPoint((...x) => !covers(a, ...x) || covers(b, ...x)));
          assert.ok(within(meet(a, c), meet(b, c)));
          assertEquivalent(both, a);
        }
        if (within(a, b) && within(b, c)) assert.ok(within(a, c));
      }),
    ),
    { numRuns: 300 },
  );
});

test("[AUTH-7] scopes beyond the limits are refused, not cut", () => {
  const uses = (patterns: readonly string[]): Scope =>
    scopeOf(patterns.map((one) => ({ capability: "secret-use", patterns: [one], depth: 0 })));
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const starts = (count: number): string[] => numbers(count).map((i) => `s${i}.*`);
  const ends = (count: number): string[] => numbers(count).map((i) => `*.e${i}`);
  assert.equal(uses(starts(MAX_ENTRIES)).length, MAX_ENTRIES);
  assert.equal(
    code(() => uses(starts(MAX_ENTRIES + 1))),
    "scope-too-large",
  );
  assert.equal(meet(uses(starts(5)), uses(ends(6))).length, 30);
  assert.equal(
    code(() => meet(uses(starts(6)), uses(ends(6)))),
    "scope-too-large",
  );
  const letters = [..."abcdefghi"].map((letter) => `*${letter}*`);
  const together = (patterns: string[]): Scope =>
    scopeOf([{ capability: "secret-use", patterns, depth: 0 }]);
  assert.equal(together(letters.slice(0, MAX_PATTERNS))[0]?.patterns.length, MAX_PATTERNS);
  assert.equal(
    code(() => meet(together(letters.slice(0, 5)), together(letters.slice(4)))),
    "scope-too-large",
  );
  const length = MAX_SCOPE_CHARACTERS / 8;
  const long = starts(8).map((start) => start + "x".repeat(length - start.length));
  assert.equal(uses(long).length, 8, "as many characters as are allowed");
  assert.equal(
    code(() => uses([...long, "y"])),
    "scope-too-large",
  );
  const written = starts(MAX_ENTRIES).map((one) => `secret-use:${one}`);
  assert.equal(parseScope(written.join(" ")).length, MAX_ENTRIES);
});

test("[AUTH-7] whether a scope is too large does not depend on the order of its entries", () => {
  // SECURITY: whoever gives entries in another order would have a scope that others refuse.
  const entries = (...patterns: string[][]): Entry[] =>
    patterns.map((all) => ({ capability: "secret-use", patterns: all, depth: 0 }));
  const many = Array.from({ length: MAX_ENTRIES + 1 }, (_, i) => `z${i}`);
  for (const [wide, narrow] of [
    ["z*", many.map((one) => [one])],
    ["z*", many.map((one) => [`*${one}`, "z*"])],
  ] as const) {
    const all = entries(...narrow, [wide]);
    assert.equal(printScope(scopeOf(all)), `secret-use:${wide}`);
    assert.equal(printScope(scopeOf(all.toReversed())), `secret-use:${wide}`);
  }
});

test("[AUTH-3] an entry that code makes is checked as one that was read", () => {
  // SECURITY: a scope with an entry that is none would be signed, and mean to each reader another.
  const plain: Entry = { capability: "secret-use", patterns: ["a"], depth: 0 };
  const cases: readonly (readonly [Partial<Record<keyof Entry, unknown>>, string])[] = [
    [{}, "none"],
    [{ capability: "delegate" }, "capability-invalid"],
    [{ capability: "secret-eat" }, "capability-invalid"],
    [{ capability: "unlock" }, "pattern-invalid"],
    [{ capability: "admin" }, "pattern-invalid"],
    [{ capability: "unlock", patterns: [] }, "none"],
    [{ patterns: ["a", "../b"] }, "pattern-invalid"],
    [{ depth: MAX_CHAIN }, "none"],
    [{ depth: MAX_CHAIN + 1 }, "depth-invalid"],
    [{ depth: -1 }, "depth-invalid"],
    [{ depth: 0.5 }, "depth-invalid"],
    [{ depth: Number.NaN }, "depth-invalid"],
  ];
  for (const [changes, expected] of cases)
    assert.equal(
      code(() => scopeOf([plain, { ...plain, ...changes } as Entry])),
      expected,
      JSON.stringify(changes),
    );
});

test("[AUTH-8] what is handed on has one depth less; enrolment hands on only with delegate", () => {
  assert.equal(
    printScope(handOn(parseScope("secret-use:a+2 secret-read+1 unlock"))),
    "secret-read secret-use:a+1",
  );
  assert.deepEqual(handOn(parseScope("secret-use unlock")), NOTHING);
  assert.equal(printScope(enrolledScope(["secret-use", "secret-list"])), "secret-list secret-use");
  assert.equal(printScope(enrolledScope(["secret-use", "delegate"])), `secret-use+${MAX_CHAIN}`);
  assert.equal(printScope(enrolledScope(["admin"])), `admin+${MAX_CHAIN}`);
  assert.deepEqual(enrolledScope(["delegate"]), NOTHING);
  fc.assert(
    fc.property(scope, (held) => {
      const handed = handOn(held);
      assert.ok(within(handed, held));
      assert.ok(
        everyPoint(
          (verb, name, depth) =>
            covers(handed, verb, name, depth) === covers(held, verb, name, depth + 1),
        ),
      );
    }),
    { numRuns: 100 },
  );
});

test("[AUTH-9] the text form is read back as the scope that was written", () => {
  fc.assert(fc.property(scope, (given) => assert.deepEqual(parseScope(printScope(given)), given)));
  assert.deepEqual(parseScope(" "), NOTHING);
  const written = parseScope("unlock  secret-use:*b&a* secret-use:*b&a*+1 secret-use:ab");
  assert.equal(printScope(written), "secret-use:*b&a*+1 unlock");
});

test("[AUTH-9] texts that are no scope are refused with the reason", () => {
  const cases = [
    ["secret-eat", "capability-invalid"],
    ["delegate", "capability-invalid"],
    ["Secret-Use", "capability-invalid"],
    ["!unlock", "capability-invalid"],
    ["unlock!", "capability-invalid"],
    ["secret-use+0", "capability-invalid"],
    ["secret-use+9", "depth-invalid"],
    ["secret-use:", "pattern-invalid"],
    ["secret-use:a&", "pattern-invalid"],
    ["secret-use:../a", "pattern-invalid"],
    ["secret-use:a&b", "pattern-invalid"],
    ["unlock:ci/*", "pattern-invalid"],
    ["admin:ci/*", "pattern-invalid"],
    [Array.from({ length: MAX_ENTRIES + 1 }, () => "unlock").join(" "), "scope-too-large"],
  ];
  for (const [given = "", expected] of cases)
    assert.equal(
      code(() => parseScope(given)),
      expected,
      given,
    );
});
