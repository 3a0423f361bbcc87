import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import { holderOf, takeLock } from "./lock-file.ts";
import { startDetached, type Started } from "./start.ts";
import { stopRunning, supervisorState } from "./stop.ts";
import { isAlive, sessionOf, until, World } from "./supervisor.test-helper.ts";

const LIMIT = { timeout: 20_000 };

function linkOf(pid: number, fd: number): string {
  return readlinkSync(`/proc/${pid}/fd/${fd}`);
}

/** The outcome of a start that must fail. */
async function faultOf(started: Promise<Started>): Promise<Fault> {
  const error = await started.then(
    () => null,
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof Fault, String(error));
  return error;
}

test("the first start starts, the next finds it, and stopping is idempotent", LIMIT, async (t) => {
  const world = new World(t);
  assert.deepEqual(supervisorState(world.paths), { running: null });
  assert.equal(await stopRunning(world.paths), null);

  const first = await startDetached(world.start());
  assert.equal(first.started, true);
  assert.deepEqual(world.pids("daemon-secrets", "ready").length, 1);
  assert.deepEqual(supervisorState(world.paths), { running: first.pid });
  assert.equal(statSync(world.paths.log).mode & 0o777, 0o600);
  assert.deepEqual(await startDetached(world.start()), { pid: first.pid, started: false });

  const stops = await Promise.all([stopRunning(world.paths), stopRunning(world.paths)]);
  assert.deepEqual(stops, [{ pid: first.pid }, { pid: first.pid }]);
  assert.equal(await stopRunning(world.paths), null);
  assert.deepEqual(world.story().slice(-2), ["daemon-profile term", "daemon-secrets term"]);
  assert.deepEqual(
    world.events().filter(({ pid }) => isAlive(pid)),
    [],
  );
});

test("starts at the same moment make one supervisor, and all wait for it", LIMIT, async (t) => {
  const world = new World(t);
  const starts = await Promise.all([1, 2, 3].map(() => startDetached(world.start())));
  assert.deepEqual(starts.map(({ started }) => started).sort(), [false, false, true]);
  assert.equal(new Set(starts.map(({ pid }) => pid)).size, 1);
  assert.equal(world.pids("daemon-profile", "start").length, 1);
  assert.equal(world.pids("daemon-secrets", "start").length, 1);
});

test("kill -9 of the supervisor ends the daemons, and a new one starts", LIMIT, async (t) => {
  // SECURITY: daemons without a supervisor would keep vaults open that nobody can stop.
  const world = new World(t);
  const first = await startDetached(world.start());
  const pids = world.events().map(({ pid }) => pid);
  process.kill(first.pid, "SIGKILL");
  await until(() => !pids.some(isAlive));
  assert.deepEqual(world.story().slice(-2).sort(), [
    "daemon-profile orphan",
    "daemon-secrets orphan",
  ]);

  // The files are still there, and the lock file's mark still says ready.
  assert.ok(existsSync(world.paths.socket) && existsSync(world.paths.supervisorLock));
  assert.match(readFileSync(world.paths.supervisorLock, "utf8"), /^READY=1\n/);
  assert.deepEqual(supervisorState(world.paths), { running: null });
  assert.equal(await stopRunning(world.paths), null);
  const second = await startDetached(world.start());
  assert.equal(second.started, true);
  assert.equal(world.pids("daemon-profile", "stale").length, 1);
  assert.deepEqual(await stopRunning(world.paths), { pid: second.pid });
});

test("a daemon that is not set up is heard by whoever started it", LIMIT, async (t) => {
  const world = new World(t);
  const { exit, message, hint } = await faultOf(
    startDetached(world.start(world.supervisor("unset", "serve"))),
  );
  const expected = ["config", "daemon-profile: not set up", "run `sesame init`"];
  assert.deepEqual([exit, message, hint], expected);
  await until(() => holderOf(world.paths) === null);
});

test("a daemon that keeps ending is named when the time is over", LIMIT, async (t) => {
  const world = new World(t);
  const args = world.supervisor("serve", "crash");
  const { exit, message, hint } = await faultOf(startDetached(world.start(args, 4_000)));
  assert.equal(exit, "unavailable");
  assert.match(message, /not ready within 4 s; .*daemon-secrets: no space on the moon$/);
  assert.ok(hint.includes(world.paths.log));
  // It goes on trying, so the next start waits for the same one.
  const pid = holderOf(world.paths);
  assert.notEqual(pid, null);
  assert.equal((await faultOf(startDetached(world.start(args, 50)))).exit, "unavailable");
  assert.equal(holderOf(world.paths), pid);
});

test("a command whose start takes too long ends by itself", LIMIT, async (t) => {
  const world = new World(t);
  const start = world.start(world.supervisor("serve", "crash"), 700);
  const command = world.run(t, world.command(start));
  assert.ok(command.stdout);
  const [stdout] = await Promise.all([text(command.stdout), once(command, "close")]);
  assert.deepEqual(JSON.parse(stdout), { exit: "unavailable" });
});

test("a supervisor that dies at once, or is not there, is told", LIMIT, async (t) => {
  const world = new World(t);
  const script = ["-e", 'throw new Error("broken bundle")'];
  const broken = await faultOf(startDetached(world.start(script)));
  assert.match(broken.message, /ended before/);
  assert.match(readFileSync(world.paths.log, "utf8"), /broken bundle/);
  const command = "/no/such/program";
  const missing = await faultOf(startDetached({ ...world.start(), command }));
  assert.match(missing.message, /cannot start \/no\/such\/program: ENOENT/);
});

test("a command in a pipeline ends its pipes although the daemons go on", LIMIT, async (t) => {
  // SECURITY: daemons that hold a command's descriptors could read and write what it does.
  const world = new World(t);
  const other = join(world.folder, "other");
  // As a shell does for `7>other`, and for `>(tee other)` far up, behind unused numbers.
  const redirect = `exec 7>"${other}" 9>&1 40>"${other}" 63>&1; exec "$0" "$@"`;
  const args = ["-c", redirect, process.execPath, ...world.command()];
  const command = spawn("/bin/bash", args, { stdio: "pipe" });
  t.after(() => command.kill("SIGKILL"));
  const [stdout, stderr, [code]] = await Promise.all([
    text(command.stdout),
    text(command.stderr),
    once(command, "close"),
  ]);
  assert.equal(code, 0, stderr);
  const { pid } = JSON.parse(stdout) as Started;
  assert.equal(isAlive(pid), true);
  assert.equal(sessionOf(pid), pid);
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), "/");
  const { log } = world.paths;
  for (const process of [pid, ...world.events().map((event) => event.pid)]) {
    assert.deepEqual(
      [0, 1, 2].map((fd) => linkOf(process, fd)),
      ["/dev/null", log, log],
    );
    const open = readdirSync(`/proc/${process}/fd`).map((fd) => linkOf(process, Number(fd)));
    assert.ok(!open.includes(other), open.join(" "));
  }
});

test("a runtime directory that cannot be used is a fault with a hint", LIMIT, async (t) => {
  const world = new World(t);
  const { paths } = world;
  const base = dirname(paths.runtime);
  rmSync(base, { recursive: true });
  const missing = await faultOf(startDetached(world.start()));
  assert.equal(missing.exit, "config");
  assert.ok(missing.message.includes(base) && missing.hint.includes("XDG_RUNTIME_DIR"));

  const refused = (exit: string): void => {
    assert.throws(
      () => takeLock(paths),
      (e) => e instanceof Fault && e.exit === exit && !!e.hint,
    );
  };
  writeFileSync(base, "");
  refused("config");
  rmSync(base);
  mkdirSync(paths.runtime, { recursive: true, mode: 0o755 });
  refused("config");
  chmodSync(paths.runtime, 0o500);
  const { seteuid, geteuid } = process;
  const isRoot = geteuid?.() === 0;
  if (isRoot) chmodSync(world.folder, 0o755);
  if (isRoot) chmodSync(base, 0o755);
  // Root may write everywhere.
  const nobody = 65_534;
  if (isRoot) seteuid?.(nobody);
  t.after(() => isRoot && seteuid?.(0));
  try {
    refused("io");
  } finally {
    if (isRoot) seteuid?.(0);
  }
  chmodSync(paths.runtime, 0o700);
  takeLock(paths).release();
  assert.equal(existsSync(join(paths.runtime, "supervisor.lock")), true);
});

test("a mark that another supervisor left does not count", LIMIT, async (t) => {
  const world = new World(t);
  const { paths } = world;
  mkdirSync(paths.runtime, { mode: 0o700 });
  writeFileSync(paths.supervisorLock, "READY=1\nMAINPID=1\n");
  const native = JSON.stringify(new URL("../../../native/src/index.ts", import.meta.url).href);
  const script = `import { tryLock } from ${native}; import { openSync } from "node:fs";
    console.log(tryLock(openSync(process.argv[1], "r+"))); setInterval(() => {}, 1e6);`;
  const args = ["--input-type=module", "-e", script, "--", paths.supervisorLock];
  const holder = world.run(t, args);
  await until(() => holderOf(paths) === holder.pid);
  assert.equal((await faultOf(startDetached(world.start([], 60)))).exit, "unavailable");
  writeFileSync(paths.supervisorLock, `READY=1\nMAINPID=${holder.pid}\n`);
  const found = await startDetached(world.start([]));
  assert.deepEqual(found, { pid: holder.pid, started: false });
});
