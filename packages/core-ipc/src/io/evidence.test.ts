import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ancestry, introduce, isAlive, peerOf, unitIn } from "./evidence.ts";

test("[RUN-21] what was read under a pid is of the process only while that lives", async (t) => {
  // SECURITY: whoever gets the pid of a process that has ended would go by its program.
  const folder = mkdtempSync(join(tmpdir(), "sesame-evidence-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "socket");
  const server = createServer({ pauseOnConnect: true }).listen(path);
  t.after(() => server.close());
  await once(server, "listening");
  const script = `require("node:net").connect(${JSON.stringify(path)})`;
  const child = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
  const [socket] = (await once(server, "connection")) as [Socket];
  t.after(() => socket.destroy());
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;

  const peer = peerOf(fd);
  assert.equal(peer.pid, child.pid);
  assert.equal(peer.certain, true);
  assert.equal(isAlive(fd), true);
  assert.equal(introduce(peer).processes[0]?.pid, child.pid);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  assert.equal(isAlive(fd), false);
  assert.equal(isAlive(-1), false, "nor without a socket");
});

test("[APPROVE-7] the parents of a process are named, and there is an end to them", () => {
  const [own, parent, ...more] = ancestry(process.pid);
  assert.deepEqual([own?.pid, own?.executable, parent?.pid], [process.pid, null, process.ppid]);
  assert.ok(more.length <= 3);
  assert.deepEqual(ancestry(0), []);
});

test("the unit is the innermost one of the control group", () => {
  assert.equal(unitIn("0::/system.slice/job.service\n"), "job.service");
  const scope = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n";
  assert.equal(unitIn(scope), "run-r1.scope");
  assert.equal(unitIn("0::/system.slice/job.service/part\n"), "job.service");
  assert.equal(unitIn("4:memory:/\n0::/system.slice/a.service\n"), "a.service");
  for (const none of ["", "0::/\n", "0::/..\n", "0::/user.slice\n", "0::/a.services/b\n"])
    assert.equal(unitIn(none), null);
});
