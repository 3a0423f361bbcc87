import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { jsonLog } from "./log.ts";

test("a line of the daemons' log does nothing to the terminal that shows it", (t) => {
  // SECURITY: whoever has its words logged would hide lines, or type into the terminal of whoever
  // looks for what it did: JSON leaves C1 controls and marks of direction as they are.
  const folder = mkdtempSync(join(tmpdir(), "sesame-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "log");
  const fd = openSync(path, "w");
  const words = "a\u009b2Jb\u202ec\u0007d\ne";
  jsonLog("daemon-test", fd)("warn", words, { words });
  closeSync(fd);
  const line = readFileSync(path, "utf8");
  assert.match(line, /^[\u0020-\u007e]+\n$/);
  const { event, words: field } = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual([event, field], [words, words]);
});
