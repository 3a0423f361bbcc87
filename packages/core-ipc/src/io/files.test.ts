import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  createFile,
  fileFault,
  privateDirectory,
  readBounded,
  replaceFile,
  rootsOwn,
} from "./files.ts";

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "sesame-files-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("[TRANSPORT-1] a directory that others may enter is refused", (t) => {
  // SECURITY: whoever may enter the socket's directory can put another socket there.
  const path = join(place(t), "a", "pds");
  privateDirectory(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  privateDirectory(path);
  for (const mode of [0o755, 0o710, 0o701, 0o770]) {
    chmodSync(path, mode);
    assert.throws(() => privateDirectory(path), { name: "Fault", exit: "config" });
  }
});

test("[TRANSPORT-1] a link in the place of a directory is refused by name", (t) => {
  const path = join(place(t), "pds");
  const behind = mkdtempSync(join(tmpdir(), "sesame-behind-"));
  t.after(() => rmSync(behind, { recursive: true }));
  symlinkSync(behind, path);
  const link = { name: "Fault", exit: "config", message: `${path} is a symbolic link` };
  assert.throws(() => privateDirectory(path), link);
});

test("[TRANSPORT-1] a file in the place of a directory is a fault of the set-up", (t) => {
  const path = join(place(t), "pds");
  writeFileSync(path, "");
  assert.throws(() => privateDirectory(join(path, "deeper")), { name: "Fault", exit: "config" });
});

test("[TRANSPORT-1] what others than root may change is not root's", () => {
  // SECURITY: whoever may write the socket's directory can put another socket there.
  rootsOwn("/etc", "/etc/passwd");
  for (const path of ["/tmp", "/nonexistent"])
    assert.throws(() => rootsOwn(path), { name: "Fault", exit: "config" });
});

test("nothing but a file is read, and no pipe is waited for", (t) => {
  // SECURITY: whoever may put a pipe where the daemons look for a file would hold them up.
  const path = join(place(t), "pipe");
  spawnSync("mkfifo", [path]);
  for (const other of [path, "/dev/zero", "/"])
    assert.throws(() => readBounded(other, 100), { name: "Fault" });
});

test("a file has the mode that was asked for, whatever the umask", (t) => {
  const path = join(place(t), "file");
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  replaceFile(path, bytes("new"), 0o644);
  assert.equal(statSync(path).mode & 0o777, 0o644);
});

test("a file is replaced whole, private, and leaves nothing beside it", (t) => {
  const directory = place(t);
  const path = join(directory, "file");
  replaceFile(path, bytes("old"));
  replaceFile(path, bytes("new"));
  assert.equal(readFileSync(path, "utf8"), "new");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ["file"]);
});

test("a file that is there is not created", (t) => {
  const directory = place(t);
  const path = join(directory, "file");
  assert.equal(createFile(path, bytes("first")), true);
  assert.equal(createFile(path, bytes("second")), false);
  assert.equal(readFileSync(path, "utf8"), "first");
  assert.deepEqual(readdirSync(directory), ["file"]);
});

test("a failed write names the file and leaves nothing behind", (t) => {
  const directory = place(t);
  const path = join(directory, "taken");
  mkdirSync(join(path, "inside"), { recursive: true });
  assert.throws(() => replaceFile(path, bytes("x")), { name: "Fault", message: /taken/ });
  assert.deepEqual(readdirSync(directory), ["taken"]);
});

test("what is larger than its kind may be is not read", (t) => {
  const path = join(place(t), "file");
  assert.equal(readBounded(path, 3), null);
  writeFileSync(path, "abc");
  assert.equal(readBounded(path, 3)?.toString(), "abc");
  assert.throws(() => readBounded(path, 2), { name: "Fault", exit: "integrity" });
});

test("system errors become faults with the class of their remedy", () => {
  const exits = { ENOSPC: "io", EDQUOT: "io", EROFS: "io", EACCES: "io", ENOTDIR: "config" };
  for (const [code, exit] of Object.entries({ ...exits, EWEIRD: "fault" })) {
    const cause = Object.assign(new Error(code), { code });
    const fault = fileFault(cause, "/f");
    assert.deepEqual([fault.exit, fault.cause], [exit, cause]);
    assert.equal(fileFault(fault, "/g"), fault);
  }
});
