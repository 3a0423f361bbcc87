// Takes one defence away after another, in a copy of the repository, and expects the test that is
// named for it to fail. `npm run defences -- WORD…` takes the rows that have one of the words in
// their area, source file, test or sentence. docs/DEFENCES.md has the figures.
import { changesOf, type Row } from "./row.ts";
import { ROWS } from "./rows.ts";
import { Scratch } from "./scratch.ts";
import { verdicts, type Verdict } from "./verdict.ts";

// Users behind a company proxy have it set; it costs every Node process a tenth of a second.
delete process.env["NODE_EXTRA_CA_CERTS"];

const words = process.argv.slice(2);
const chosen = Object.entries(ROWS).flatMap(([area, rows]) =>
  rows.filter(({ file, test, defence }) => {
    const text = [area, file, test.file, test.title, defence].join("\n");
    return words.length === 0 || words.some((word) => text.includes(word));
  }),
);

/** Tests of several packages run what was built; those of one package run its sources. */
const runsBuilt = ({ test }: Row): boolean => test.file.startsWith("test/");

/** Titles of tests that pass as long as nothing is taken away, by file. */
async function soundTests(scratch: Scratch): Promise<Map<string, Set<string>>> {
  if (chosen.some(runsBuilt)) scratch.build();
  const sound = new Map<string, Set<string>>();
  for (const [file, rows = []] of Object.entries(Object.groupBy(chosen, (row) => row.test.file))) {
    const found = await verdicts(
      scratch.root,
      file,
      rows.map(({ test }) => test.title),
    );
    const passed = [...found].filter(([, { is }]) => is === "passed").map(([title]) => title);
    sound.set(file, new Set(passed));
  }
  return sound;
}

/** Null if the test failed as it should; else why that is not so. */
async function unnoticed(scratch: Scratch, row: Row): Promise<string | null> {
  const { file, title } = row.test;
  return scratch.without(changesOf(row), async () => {
    if (runsBuilt(row)) scratch.build();
    const found = await verdicts(scratch.root, file, [title]);
    return complaint(row, found.get(title));
  });
}

function complaint({ fails }: Row, verdict: Verdict | undefined): string | null {
  if (verdict === undefined) return "the test did not run";
  if (verdict.is === "passed") return "the test passes all the same";
  if (fails === undefined ? verdict.byAssertion : verdict.error.includes(fails)) return null;
  return `no assertion failed: ${verdict.error}`;
}

let noticed = 0;
using scratch = new Scratch();
const sound = await soundTests(scratch);
for (const row of chosen) {
  const { file, title } = row.test;
  const reason =
    sound.get(file)?.has(title) === true
      ? await unnoticed(scratch, row).catch((cause: unknown) => String(cause))
      : "the test fails, is skipped or is not there as it is";
  if (reason === null) noticed++;
  console.log(`${reason === null ? "noticed  " : "UNNOTICED"} ${row.file}: ${row.defence}`);
  if (reason !== null) console.log(`          ${file} "${title}": ${reason}`);
}
const tests = new Set(chosen.map(({ test }) => `${test.file} ${test.title}`)).size;
console.log(
  `\n${chosen.length} defences, ${tests} tests: ` +
    `${noticed} noticed, ${chosen.length - noticed} unnoticed`,
);
process.exitCode = noticed === chosen.length && noticed > 0 ? 0 : 1;
