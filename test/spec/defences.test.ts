import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { changed, changesOf, placeOf } from "../defences/row.ts";
import { ROWS } from "../defences/rows.ts";
import { securityTests } from "../defences/security-tests.ts";
import { ROOT } from "../helpers/sources.ts";

// What `npm run defences` needs; it takes minutes itself.

const rows = Object.values(ROWS).flat();

test("each defence stands in its source exactly once, and another text takes it away", () => {
  const problems = rows.flatMap((row) => {
    const texts = new Map<string, string>();
    return changesOf(row).flatMap((change) => {
      const before = texts.get(change.file) ?? readFileSync(ROOT + change.file, "utf8");
      const place = placeOf(before, change);
      if (typeof place !== "number")
        return `${row.defence}: ${change.file} ${place}: ${change.from}`;
      texts.set(change.file, changed(before, change));
      return change.from === change.to ? `${row.defence}: nothing is taken away` : [];
    });
  });
  assert.deepEqual(problems, []);
});

test("each defence names a security test that is there", () => {
  const there = new Set(securityTests().map(({ file, title }) => `${file} "${title}"`));
  const named = rows.map(({ test: { file, title } }) => `${file} "${title}"`);
  assert.deepEqual(
    named.filter((one) => !there.has(one)),
    [],
  );
});

test("no defence is there twice", () => {
  const keys = rows.map((row) => JSON.stringify([row.test, changesOf(row)]));
  assert.equal(new Set(keys).size, keys.length);
});
