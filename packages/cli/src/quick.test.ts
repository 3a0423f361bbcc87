import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COMMANDS } from "./commands.ts";
import { parse } from "./parse.ts";
import { quickParse, wordsOf } from "./quick.ts";

const SPELLINGS = (
  "-p work --profile --json -- a/b -x --prefix P -n 5 -f --yes -y - --count --format --help " +
  "-pwork --profile=work -yp"
).split(" ");
const words = fc.constantFrom("", ...SPELLINGS);

const lines = fc
  .tuple(
    fc.constantFrom(...COMMANDS),
    fc.oneof(fc.array(words, { maxLength: 6 }), fc.constant(["x"])),
  )
  .chain(([command, rest]) => {
    const own = (command.flags ?? []).map(([syntax]) => /--[a-z-]+/.exec(syntax)?.[0] ?? "");
    return fc
      .subarray(own)
      .map((flags) => [...wordsOf(command), ...flags.flatMap((flag) => [flag, "v"]), ...rest]);
  });

test("a command line that is read quickly means what commander reads", async () => {
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(lines, async (argv) => {
      const quick = quickParse(COMMANDS, argv);
      if (quick === null) return;
      answered++;
      const full = await parse(argv);
      assert.ok(full !== null);
      assert.equal(full.command.usage, quick.command.usage);
      assert.deepEqual([...full.words], [...quick.words]);
      assert.deepEqual({ ...full.flags, json: full.json }, { ...quick.flags, json: quick.json });
    }),
    { numRuns: 2_000 },
  );
  assert.ok(answered > 100);
});

test("the everyday command lines are read without commander", () => {
  for (const line of [
    "secret get -p work api/key",
    "secret set name",
    "env -p work --prefix APP -- aws s3 ls --json",
    "env printenv -p",
    "status --json",
    "unlock -p work,home",
    "audit tail -n 5 -f",
  ])
    assert.ok(quickParse(COMMANDS, line.split(" ")) !== null, line);
});

test("everything that is not plain is left to commander", () => {
  for (const line of ["", "secret", "secret get", "secret get a b", "lock --hlep", "env", "--json"])
    assert.equal(quickParse(COMMANDS, line.split(" ").filter(Boolean)), null, line);
});
