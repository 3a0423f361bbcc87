// Changes the decision and verification code in one small way after another, and counts the
// changes that no test notices. docs/MUTATION.md has the scores. `npm run mutation -- WORD…` takes
// only the files whose path has one of the words.
import { Stryker } from "@stryker-mutator/core";
import { TARGETS } from "./targets.mjs";

const words = process.argv.slice(2);
const chosen = Object.entries(TARGETS).filter(
  ([file]) => words.length === 0 || words.some((word) => file.includes(word)),
);
const NOTICED = new Set(["Killed", "Timeout"]);
const UNNOTICED = new Set(["Survived", "NoCoverage"]);

/** One file at a time, since each has its own tests. */
async function mutate(file, tests) {
  const command = tests.map((test) => `${process.execPath} ${test}`).join(" && ");
  const results = await new Stryker({
    mutate: [file],
    testRunner: "command",
    commandRunner: { command },
    concurrency: 1,
    timeoutMS: 10_000,
    reporters: ["progress-append-only"],
    plugins: [],
    checkers: [],
    // Stryker rewrites it through an interface that TypeScript 7 does not have; Node reads none.
    tsconfigFile: "none",
    ignorePatterns: ["/results", "/systemd", "dist", "/packages/native/c"],
    allowConsoleColors: false,
    logLevel: "warn",
  }).runMutationTest();
  return results.sort((a, b) => a.location.start.line - b.location.start.line);
}

const rows = [];
for (const [file, tests] of chosen) {
  const results = await mutate(file, tests);
  const noticed = results.filter(({ status }) => NOTICED.has(status)).length;
  const survivors = results.filter(({ status }) => UNNOTICED.has(status));
  const others = results.length - noticed - survivors.length;
  const all = noticed + survivors.length;
  const score = ((100 * noticed) / Math.max(1, all)).toFixed(1);
  rows.push(`| \`${file}\` | ${all} | ${survivors.length} | ${score} % |`);
  for (const { location, mutatorName, replacement } of survivors)
    console.log(
      `${file}:${location.start.line}:${location.start.column} ${mutatorName} -> ${replacement}`,
    );
  console.log(`${file}: ${score} % of ${all}; ${others} could not be tried`);
}
console.log(
  ["| file | changes | unnoticed | score |", "| --- | --- | --- | --- |", ...rows].join("\n"),
);
