import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Fault } from "@sesame/core-types";
import { PanicMark } from "./panic-mark.ts";

function place(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "sesame-panic-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, "panic");
}

test("[PANIC-3] it holds across restarts until it is lifted, and twice is once", (t) => {
  const path = place(t);
  const mark = new PanicMark(path);
  assert.equal(mark.held, false);
  for (let i = 0; i < 2; i++) {
    mark.hold(0);
    assert.ok(mark.held && new PanicMark(path).held);
  }
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (let i = 0; i < 2; i++) {
    mark.lift();
    assert.ok(!mark.held && !new PanicMark(path).held);
  }
});

test("[PANIC-3] whatever is there is a mark; what cannot be looked at is an error", (t) => {
  // SECURITY: a mark that reads as none because it is damaged would end a panic by a cut cable.
  const path = place(t);
  writeFileSync(path, "");
  assert.ok(new PanicMark(path).held);
  rmSync(path);
  symlinkSync("nowhere", path);
  assert.ok(new PanicMark(path).held);
  const loop = `${path}-loop`;
  symlinkSync(loop, loop);
  assert.throws(() => new PanicMark(join(loop, "below")), Fault);
});

test("[PANIC-2] it holds in memory even where it cannot be written", (t) => {
  const mark = new PanicMark(join(place(t), "no", "directory"));
  assert.throws(() => mark.hold(0), Fault);
  assert.ok(mark.held);
});
