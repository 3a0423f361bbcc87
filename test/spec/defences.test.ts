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

/** Kills at random moments: no single text defends. docs/DEFENCES.md, No row */
const WITHOUT = ["P11"];

test("each promise of the threat model has a defence that one of its tests misses", () => {
  const model = readFileSync(`${ROOT}docs/THREAT_MODEL.md`, "utf8");
  const promises = [...model.matchAll(/^\|\s*(P\d+)\s*\|[^|]*\|\s*holds[^|]*\|([^\n]*)\|$/gm)];
  assert.ok(promises.length > 10);
  const bare = promises.filter(([, , shown = ""]) => {
    const named = [...shown.matchAll(/`([^`]+)`((?: "[^"]+",?)*)/g)];
    return !rows.some(({ test: { file, title } }) =>
      named.some(([, path, titles = ""]) => {
        const parts = [...titles.matchAll(/"([^"]+)"/g)].map(([, part = ""]) => part);
        return path === file && (parts.length === 0 || parts.some((part) => title.endsWith(part)));
      }),
    );
  });
  assert.deepEqual(
    bare.map(([, promise]) => promise),
    WITHOUT,
  );
});
