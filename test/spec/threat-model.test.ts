import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = readFileSync(root("docs/THREAT_MODEL.md"), "utf8");
const rows = [...text.matchAll(/^\|\s*P(\d+)\s*\|([^\n]*)\|$/gm)].map(([, number, rest]) => {
  const [promise = "", state = "", shown = ""] = (rest ?? "").split("|").map((cell) => cell.trim());
  return { number: Number(number), promise, state, shown };
});

test("the threat model has a row for each promise, P1 to P14", () => {
  assert.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: 14 }, (_, i) => i + 1),
  );
});

test("a promise that holds names tests that are there, and one that does not names none", () => {
  for (const { number, state, shown } of rows) {
    const files = [...shown.matchAll(/`([^`]+)`((?: "[^"]+",?)*)/g)];
    assert.equal(files.length > 0, state.startsWith("holds"), `P${number}`);
    for (const [, file = "", titles = ""] of files) {
      assert.ok(existsSync(root(file)), `P${number}: ${file}`);
      const source = readFileSync(root(file), "utf8");
      for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g))
        assert.ok(source.includes(title), `P${number}: ${file} has no test "${title}"`);
    }
  }
});
