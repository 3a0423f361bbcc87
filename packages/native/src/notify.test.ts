import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { firstLine, temporaryFolder, wholeOutput } from "./child.test-helper.ts";
import { notify, sdNotify } from "./index.ts";

/**
 * Receives one datagram as a service manager does: with the sender's credentials. Prints
 * "bound", waits for its stdin to end, prints pid and text. Node has no datagram Unix sockets.
 */
const RECEIVER = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("bound", flush=True)
sys.stdin.read()
data, control, _, _ = s.recvmsg(65536, 1024)
print(struct.unpack("3i", control[0][2])[0], data.decode(), end="")
`;

async function receiver(t: TestContext, path: string): Promise<ChildProcess> {
  const stdio = ["pipe", "pipe", "inherit"] as const;
  const child = spawn("python3", ["-c", RECEIVER, path], { stdio: [...stdio] });
  t.after(() => child.kill("SIGKILL"));
  assert.equal(await firstLine(child), "bound\n");
  return child;
}

async function received(child: ChildProcess): Promise<string> {
  child.stdin?.end();
  return wholeOutput(child);
}

test("a message arrives under the sender's own pid", async (t) => {
  const path = join(temporaryFolder(t), "notify");
  const child = await receiver(t, path);
  notify(path, "READY=1\nSTATUS=grüezi");
  // NotifyAccess=main accepts nothing from another process.
  assert.equal(await received(child), `${process.pid} READY=1\nSTATUS=grüezi`);
});

test("a message arrives at an abstract socket", async (t) => {
  const path = `@sesame-native-${process.pid}`;
  const child = await receiver(t, path);
  assert.equal(sdNotify("WATCHDOG=1", { NOTIFY_SOCKET: path }), true);
  assert.equal(await received(child), `${process.pid} WATCHDOG=1`);
});

test("a receiver that does not read makes EAGAIN, never a wait", async (t) => {
  const path = join(temporaryFolder(t), "notify");
  await receiver(t, path);
  const flood = () => {
    for (let i = 0; i < 100_000; i++) notify(path, "WATCHDOG=1");
  };
  assert.throws(flood, { code: "EAGAIN" });
});

test("without a manager nothing is sent", () => {
  assert.equal(sdNotify("READY=1", {}), false);
  assert.equal(sdNotify("READY=1", { NOTIFY_SOCKET: "" }), false);
  assert.equal(sdNotify("READY=1", { NOTIFY_SOCKET: undefined }), false);
});

test("failures carry the kernel's name, and leave no descriptor open", (t) => {
  const folder = temporaryFolder(t);
  const before = readdirSync("/proc/self/fd").length;
  assert.throws(() => notify(join(folder, "absent"), "READY=1"), { code: "ENOENT" });
  assert.throws(() => notify("@sesame-native-absent", "READY=1"), { code: "ECONNREFUSED" });
  assert.throws(() => notify("/dev/null", "READY=1"), { code: "ECONNREFUSED" });
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("hostile arguments throw", () => {
  const invalid = { code: "ERR_INVALID_ARG_VALUE" };
  const text = "READY=1";
  for (const value of [undefined, null, 1, {}, [], Buffer.from("/x"), "", "/a\0b"] as string[]) {
    assert.throws(() => notify(value, text), invalid);
    assert.throws(() => notify("/x", value), invalid);
  }
  for (const path of ["relative", "./x", "vsock:2:1234", "\n"]) {
    assert.throws(() => notify(path, text), { code: "EAFNOSUPPORT" });
  }
  // sun_path has 108 bytes, the last for NUL; bytes count, not characters.
  assert.throws(() => notify(`/${"x".repeat(106)}`, text), { code: "ENOENT" });
  assert.throws(() => notify(`/${"x".repeat(107)}`, text), { code: "ENAMETOOLONG" });
  assert.throws(() => notify(`/${"é".repeat(54)}`, text), { code: "ENAMETOOLONG" });
  assert.throws(() => notify(`@${"x".repeat(1 << 20)}`, text), { code: "ENAMETOOLONG" });
  assert.throws(() => notify("/absent", "x".repeat(4096)), { code: "ENOENT" });
  assert.throws(() => notify("/absent", "x".repeat(4097)), { code: "ENAMETOOLONG" });
});
