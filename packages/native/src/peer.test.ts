import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, openSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { killAndReap, openDescriptors, startNode, temporaryFolder } from "./child.test-helper.ts";
import { peerCredentials, peerPidfd, type Pidfd } from "./index.ts";

const PIDFD = /pidfd/;
const CLOEXEC = 0o2000000;

/** Undocumented, and there in every Node since 0.10: the descriptor behind a socket. */
function descriptor(handle: object): number {
  return (handle as { _handle: { fd: number } })._handle.fd;
}

async function listen(t: TestContext): Promise<{ server: net.Server; path: string }> {
  const folder = temporaryFolder(t);
  const path = join(folder, "s");
  const server = net.createServer();
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  // Another user's process must get in.
  chmodSync(folder, 0o755);
  chmodSync(path, 0o777);
  return { server, path };
}

/** A process that connects, as the user it turns itself into, and stays until it is killed. */
async function connectedChild(
  t: TestContext,
  become = "",
): Promise<{ child: ChildProcess; fd: number }> {
  const { server, path } = await listen(t);
  const connection = once(server, "connection");
  const script = `import net from "node:net"; ${become}; net.connect(process.argv[1]);`;
  const child = startNode(script, path);
  const [socket] = (await connection) as [net.Socket];
  t.after(() => {
    child.kill("SIGKILL");
    socket.destroy();
  });
  return { child, fd: descriptor(socket) };
}

function pidfdOf(fd: number, t: TestContext): Pidfd | null {
  const pidfd = peerPidfd(fd);
  if (pidfd === null) t.skip("this kernel has no SO_PEERPIDFD (Linux 6.5)");
  return pidfd;
}

test("credentials are those of the process that connected", async (t) => {
  const { child, fd } = await connectedChild(t);
  const own = { uid: process.getuid?.(), gid: process.getgid?.() };
  assert.deepEqual(peerCredentials(fd), { pid: child.pid, ...own });
});

test(
  "another user's process is seen as that user",
  { skip: process.getuid?.() !== 0 && "only root can become another user" },
  async (t) => {
    // SECURITY: a peer taken for the daemon's own user could talk to somebody else's vaults.
    const become = "process.setgroups([]); process.setgid(4343); process.setuid(4242)";
    const { child, fd } = await connectedChild(t, become);
    assert.deepEqual(peerCredentials(fd), { pid: child.pid, uid: 4242, gid: 4343 });
  },
);

test("a pidfd says alive, and dead once the peer is killed and reaped", async (t) => {
  // SECURITY: with the bare pid an attacker who gets it again would be taken for the dead peer.
  const { child, fd } = await connectedChild(t);
  const pidfd = pidfdOf(fd, t);
  if (pidfd === null) return;
  assert.equal(pidfd.alive(), true);
  await killAndReap(child);
  assert.equal(pidfd.alive(), false);
  pidfd.close();
});

test("a pidfd is close-on-exec, and closed once however often close() is called", async (t) => {
  const { fd } = await connectedChild(t);
  const before = openDescriptors(PIDFD).length;
  const pidfd = pidfdOf(fd, t);
  if (pidfd === null) return;
  const open = openDescriptors(PIDFD);
  assert.equal(open.length, before + 1);
  for (const { flags } of open) assert.equal(flags & CLOEXEC, CLOEXEC);
  pidfd.close();
  assert.equal(openDescriptors(PIDFD).length, before);
  const reused = openSync("/dev/null", "r");
  pidfd.close();
  assert.throws(() => pidfd.alive(), { code: "EBADF" });
  closeSync(reused); // would throw EBADF, had the second close() hit the reused number
});

test("forgotten pidfds are closed by the garbage collector", async (t) => {
  const { fd } = await connectedChild(t);
  if (pidfdOf(fd, t) === null) return;
  for (let i = 0; i < 50; i++) peerPidfd(fd);
  const before = openDescriptors(PIDFD).length;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  await nextTurn();
  await nextTurn();
  assert.ok(openDescriptors(PIDFD).length < before);
});

test("what has no peer is refused", async (t) => {
  const { server } = await listen(t);
  const file = openSync("/dev/null", "r");
  const tcp = net.createServer().listen(0, "127.0.0.1");
  await once(tcp, "listening");
  t.after(() => {
    closeSync(file);
    tcp.close();
  });
  // SECURITY: a listening socket's "peer" is its own daemon, a TCP socket's is made up.
  for (const peer of [peerCredentials, peerPidfd]) {
    assert.throws(() => peer(descriptor(server)), { code: "ENOTCONN" });
    assert.throws(() => peer(descriptor(tcp)), { code: "EAFNOSUPPORT" });
    assert.throws(() => peer(file), { code: "ENOTSOCK" });
    assert.throws(() => peer(2 ** 31 - 1), { code: "EBADF" });
  }
});

test("arguments that are no descriptor throw", () => {
  const hostile = [-1, 0.5, NaN, Infinity, 2 ** 31, 2 ** 53, "0", 0n, null, undefined, {}, []];
  for (const value of [...hostile, Symbol("fd"), () => 0, new Proxy({}, {})]) {
    for (const peer of [peerCredentials, peerPidfd]) {
      assert.throws(() => peer(value as number), { code: "ERR_INVALID_ARG_VALUE" });
    }
  }
});
