import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { ROOT, sources } from "../helpers/sources.ts";

test("the generated blocks of the documents are what the code says", () => {
  const given = spawnSync(process.execPath, ["scripts/docs.mjs", "--check"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(given.stderr, "");
  assert.equal(given.status, 0);
});

test("links between the documents lead somewhere", () => {
  const documents = sources("*.md", "docs/**/*.md");
  const known = new Set(documents.map(({ path }) => path));
  for (const { path, text } of documents)
    for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+\.md)(?:#[^)]*)?\)/g)) {
      const full = new URL(target, `file:///${path}`).pathname.slice(1);
      assert.ok(known.has(full), `${path} links to ${target}`);
    }
});

test("every decision has a number of its own, without gaps", () => {
  const decisions = sources("docs/adr/*.md");
  const numbers = decisions.map(({ path }) => Number(/\/(\d{4})-/.exec(path)?.[1]));
  assert.deepEqual(
    numbers,
    decisions.map((_, i) => i + 1),
  );
  for (const [i, { path, text }] of decisions.entries())
    assert.ok(text.startsWith(`# ${i + 1}. `), path);
});
