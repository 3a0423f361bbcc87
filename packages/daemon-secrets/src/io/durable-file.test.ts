import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { type Bench, makeBench } from "../testing/fixture.ts";
import { createFile, readBounded, replaceFile } from "./durable-file.ts";

let bench: Bench;
let path: string;
beforeEach(() => {
  bench = makeBench();
  path = bench.path("file");
});
afterEach(() => bench.remove());

test("[VAULT-2] a file is created once and never overwritten", () => {
  createFile(path, "first");
  assert.throws(() => createFile(path, "second"), { code: "EEXIST" });
  assert.equal(readFileSync(path, "utf8"), "first");
  assert.deepEqual(readdirSync(bench.directory), ["file"], "nothing is left beside it");
});

test("[VAULT-1] a replaced file is private, whatever lay in its way", () => {
  writeFileSync(path, "old");
  writeFileSync(`${path}.tmp`, "left by a crash, longer than the new text");
  chmodSync(`${path}.tmp`, 0o666);
  replaceFile(path, "new");
  assert.equal(readFileSync(path, "utf8"), "new");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(bench.directory), ["file"]);
});

test("reading is bounded, and absence is not an error", () => {
  assert.equal(readBounded(path, 10), undefined);
  writeFileSync(path, "0123456789");
  assert.equal(readBounded(path, 10), "0123456789");
  assert.equal(readBounded(path, 9), null);
  writeFileSync(path, "");
  assert.equal(readBounded(path, 0), "");
});
