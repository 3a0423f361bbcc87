import assert from "node:assert/strict";
import { closeSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { jsonLog } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { logSize, openLog, openRotatedLog, readSince } from "./log-file.ts";

function statePaths(t: TestContext): { state: string; log: string } {
  const folder = mkdtempSync(join(tmpdir(), "sesame-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const state = join(folder, "state");
  return { state, log: join(state, "daemons.log") };
}

test("the log is private, also where it was not, and is only appended to", (t) => {
  // SECURITY: other users would read names of secrets and profiles in it.
  const paths = statePaths(t);
  closeSync(openLog(paths));
  assert.equal(statSync(paths.log).mode & 0o777, 0o600);
  writeFileSync(paths.log, "before\n");
  rmSync(paths.log);
  writeFileSync(paths.log, "before\n", { mode: 0o644 });
  const fd = openLog(paths);
  t.after(() => closeSync(fd));
  jsonLog("supervisor", fd)("info", "started", { pid: 7 });
  assert.equal(statSync(paths.log).mode & 0o777, 0o600);
  const [first, second = ""] = readFileSync(paths.log, "utf8").split("\n");
  assert.equal(first, "before");
  const { time, ...rest } = JSON.parse(second) as Record<string, unknown>;
  assert.equal(typeof time, "string");
  assert.deepEqual(rest, { level: "info", daemon: "supervisor", event: "started", pid: 7 });
});

test("a log beyond 1 MiB makes way, and one old log is kept", (t) => {
  const paths = statePaths(t);
  closeSync(openLog(paths));
  truncateSync(paths.log, 1024 * 1024);
  closeSync(openRotatedLog(paths));
  assert.equal(existsSync(`${paths.log}.1`), false);
  truncateSync(paths.log, 1024 * 1024 + 1);
  writeFileSync(`${paths.log}.1`, "older");
  closeSync(openRotatedLog(paths));
  assert.equal(statSync(`${paths.log}.1`).size, 1024 * 1024 + 1);
  assert.equal(statSync(paths.log).size, 0);
  assert.equal(statSync(paths.log).mode & 0o777, 0o600);
});

test("what was written since is read back, at most its end", (t) => {
  const paths = statePaths(t);
  const fd = openLog(paths);
  t.after(() => closeSync(fd));
  writeFileSync(fd, "earlier");
  const from = logSize(fd);
  writeFileSync(fd, "later words");
  assert.equal(readSince(fd, from, 1_000), "later words");
  assert.equal(readSince(fd, from, 5), "words");
  assert.equal(readSince(fd, logSize(fd) + 10, 5), "");
});

test("a log that is a link, or whose folder is a file, is refused with a hint", (t) => {
  // SECURITY: a planted link would let the daemons append to any file of the user.
  const paths = statePaths(t);
  closeSync(openLog(paths));
  rmSync(paths.log);
  symlinkSync("/dev/null", paths.log);
  const isFault = (error: unknown): boolean => error instanceof Fault && error.hint !== "";
  assert.throws(() => openLog(paths), isFault);
  rmSync(paths.state, { recursive: true });
  writeFileSync(paths.state, "");
  assert.throws(() => openLog(paths), isFault);
});
