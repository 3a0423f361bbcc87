import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Denial, limits, type Clock } from "@sesame/core-types";
import { Witness } from "./witness.ts";

const sha256 = (text: string | Uint8Array): Buffer => createHash("sha256").update(text).digest();

/** A folder that looks like /proc with process 7, child of 3, which run the file `program`. */
function fakeProc(t: TestContext, clock: Partial<Clock> = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sesame-witness-")));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "program");
  writeFileSync(program, "one");
  for (const [pid, parent] of [
    [7, 3],
    [3, 0],
  ]) {
    mkdirSync(join(folder, String(pid)));
    writeFileSync(join(folder, `${pid}/stat`), `${pid} (a) b) S ${parent} 1 1`);
    symlinkSync(program, join(folder, `${pid}/exe`));
  }
  const later = { wallMs: () => Date.now() + 60_000, monotonicMs: () => 0, ...clock };
  return { folder, program, witness: new Witness(later, folder) };
}

test("[RUN-20] a real process is named with its program, the digest of that, and its parents", async () => {
  const clock = { wallMs: Date.now, monotonicMs: () => performance.now() };
  const found = await new Witness(clock).describe(process.pid);
  const [own, parent] = found.processes;
  const path = realpathSync(process.execPath);
  assert.deepEqual([own?.pid, own?.executable], [process.pid, path]);
  assert.equal(parent?.pid, process.ppid);
  assert.ok(found.processes.length <= limits.MAX_PARENTS + 1);
  assert.deepEqual(Buffer.from(found.sha256 ?? []), sha256(readFileSync(path)));
});

test("[RUN-20] what is not there, or no file, is not known", async (t) => {
  const { folder, witness } = fakeProc(t);
  assert.deepEqual(await witness.describe(8), { processes: [], sha256: null });
  rmSync(join(folder, "7/exe"));
  symlinkSync(folder, join(folder, "7/exe"));
  const { processes, sha256: digest } = await witness.describe(7);
  assert.deepEqual(processes, [
    { pid: 7, title: "a) b", executable: null },
    { pid: 3, title: "a) b", executable: join(folder, "program") },
  ]);
  assert.equal(digest, null);
});

test("[RUN-20] a digest is of the content that is there now, whatever was there before", async (t) => {
  // SECURITY: a program that was put in the place of another would go by the other's digest.
  const { folder, program, witness } = fakeProc(t);
  const now = async () => Buffer.from((await witness.describe(7)).sha256 ?? []);
  assert.deepEqual(await now(), sha256("one"));
  assert.deepEqual(await now(), sha256("one"), "kept");
  writeFileSync(join(folder, "new"), "two");
  utimesSync(join(folder, "new"), 1, 1);
  renameSync(join(folder, "new"), program);
  assert.deepEqual(await now(), sha256("two"), "another file");
  writeFileSync(program, "six");
  utimesSync(program, 1, 1);
  assert.deepEqual(await now(), sha256("six"), "the same file and size, with its date put back");
});

test("[RUN-20] what was changed a moment ago is read again", async (t) => {
  // SECURITY: two changes within one tick of the file system's clock look like one.
  const { program, witness } = fakeProc(t, { wallMs: Date.now });
  const kept = await witness.describe(7);
  const again = await witness.describe(7);
  assert.deepEqual(again.sha256, kept.sha256);
  assert.notEqual(again.sha256, kept.sha256, "not the one that was kept");
  assert.equal(again.processes[0]?.executable, program);
});

test("[RUN-20] what is too large or too slow has a path and no digest", async (t) => {
  const { program, witness } = fakeProc(t);
  truncateSync(program, limits.MAX_PROGRAM_BYTES + 1);
  const large = await witness.describe(7);
  assert.deepEqual([large.processes[0]?.executable, large.sha256], [program, null]);
  let nowMs = 0;
  const slow = fakeProc(t, { monotonicMs: () => (nowMs += limits.DESCRIBE_TIMEOUT_MS + 1) });
  assert.equal((await slow.witness.describe(7)).sha256, null);
});

test("[RUN-20] many that ask at once wait, up to a number", async (t) => {
  // SECURITY: whoever connects in a loop would fill the launcher's memory.
  const { witness } = fakeProc(t);
  const many = Array.from({ length: limits.MAX_DESCRIBES + 1 }, () => witness.describe(7));
  const results = await Promise.allSettled(many);
  const refused = results.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 1);
  await assert.rejects(
    () => Promise.reject(refused[0]?.status === "rejected" ? refused[0].reason : null),
    (cause) => cause instanceof Denial && cause.code === "busy",
  );
  assert.equal((await witness.describe(7)).processes.length, 2, "and then goes on");
});
