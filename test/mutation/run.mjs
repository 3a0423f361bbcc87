// Changes the decision and verification code in one small way after another, and counts the
// changes that no test notices. docs/MUTATION.md has the scores. `npm run mutation -- WORD…` takes
// only the files whose path has one of the words, and with WORD:3,7-9 these lines of them.
import { Stryker } from "@stryker-mutator/core";
import { TARGETS } from "./targets.mjs";

const words = process.argv.slice(2);
const chosen = Object.entries(TARGETS).flatMap(([file, tests]) => {
  if (words.length === 0) return [{ file, tests, mutate: [file] }];
  const word = words.find((one) => file.includes(one.split(":")[0]));
  return word === undefined ? [] : [{ file, tests, mutate: ranges(file, word.split(":")[1]) }];
});
const NOTICED = new Set(["Killed", "Timeout"]);
const UNNOTICED = new Set(["Survived", "NoCoverage"]);

/** `3,7-9` in the words of Stryker: `FILE:3-3`, `FILE:7-9`. */
function ranges(file, lines) {
  if (lines === undefined) return [file];
  return lines
    .split(",")
    .map((range) => `${file}:${range.includes("-") ? range : `${range}-${range}`}`);
}

/** One file at a time, since each has its own tests. */
async function resultsOf(mutate, tests) {
  const command = tests.map((test) => `${process.execPath} ${test}`).join(" && ");
  const results = await new Stryker({
    mutate,
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
for (const { file, tests, mutate } of chosen) {
  const results = await resultsOf(mutate, tests);
  const noticed = results.filter(({ status }) => NOTICED.has(status)).length;
  const survivors = results.filter(({ status }) => UNNOTICED.has(status));
  const others = results.length - noticed - survivors.length;
  const all = noticed + survivors.length;
  const score = ((100 * noticed) / Math.max(1, all)).toFixed(1);
  rows.push(`| \`${file}\` | ${all} | ${survivors.length} | ${score} % |`);
  // What ran out of time is listed, too: on a busy machine it may be one that nobody noticed.
  for (const { location, mutatorName, replacement, status } of results)
    if (UNNOTICED.has(status) || status === "Timeout")
      console.log(
        `${file}:${location.start.line}:${location.start.column} ${status}: ` +
          `${mutatorName} -> ${replacement}`,
      );
  console.log(`${file}: ${score} % of ${all}; ${others} could not be tried`);
}
console.log(
  ["| file | changes | unnoticed | score |", "| --- | --- | --- | --- |", ...rows].join("\n"),
);
