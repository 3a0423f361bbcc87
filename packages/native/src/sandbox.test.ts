import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FACE, firstLine, startNode, temporaryFolder, wholeOutput } from "./child.test-helper.ts";
import { startConfined, type Confined } from "./confined.test-helper.ts";
import { landlockAbi, nodeRules, sandboxEnvironment, sandboxExec } from "./index.ts";

const ROOT = process.getuid?.() === 0;
const STRANGER = 4242;
const NO_LANDLOCK = landlockAbi() === 0 && "this kernel has no Landlock";

/**
 * One attempt at each thing that a compromised daemon would try; answers the error code of each,
 * "ok" for those that worked. Runs on the main thread and in workers. Pool threads: more reads
 * at once than there are threads.
 */
const ATTEMPTS = `async function attempts(folder, outside, tcpPort) {
  const fs = require("node:fs");
  const net = require("node:net");
  const dgram = require("node:dgram");
  const { spawnSync } = require("node:child_process");
  const results = {};
  async function attempt(name, f) {
    try { await f(); results[name] = "ok"; } catch (cause) { results[name] = cause.code; }
  }
  const event = (emitter, good) => new Promise((resolve, reject) => {
    emitter.once(good, resolve);
    emitter.once("error", reject);
  });
  async function connected(options) {
    const socket = net.connect(options);
    try { await event(socket, "connect"); } finally { socket.destroy(); }
  }
  const file = outside + "/file";
  await attempt("read", () => fs.readFileSync(file));
  await attempt("pool", async () => {
    const reads = Array.from({ length: 16 }, () => fs.promises.readFile(file));
    const [first, ...others] = await Promise.allSettled(reads);
    if (others.some((other) => other.status !== first.status)) throw { code: "MIXED" };
    if (first.status === "rejected") throw first.reason;
  });
  await attempt("through a link", () => fs.readFileSync(folder + "/link"));
  await attempt("list", () => fs.readdirSync(outside));
  await attempt("write", () => fs.writeFileSync(outside + "/new", ""));
  await attempt("rename", () => {
    fs.renameSync(file, file + ".moved");
    fs.renameSync(file + ".moved", file);
  });
  await attempt("chmod", () => fs.chmodSync(file, 0o644));
  await attempt("link", () => fs.symlinkSync("/", outside + "/symlink-" + Math.random()));
  await attempt("socket", () => connected({ path: outside + "/socket" }));
  await attempt("tcp", () => connected({ port: tcpPort, host: "127.0.0.1" }));
  await attempt("udp", async () => {
    const socket = dgram.createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await event(socket, "listening");
    socket.close();
  });
  await attempt("exec", () => {
    const { error } = spawnSync("/bin/true");
    if (error) throw error;
  });
  await attempt("signal", () => process.kill(process.ppid, 0));
  await attempt("own", async () => {
    fs.writeFileSync(folder + "/own-" + Math.random(), "x");
    await fs.promises.readFile("/proc/self/status");
  });
  return results;
}`;

const PROBE = `
  import { Worker } from "node:worker_threads";
  import { createRequire } from "node:module";
  const require = createRequire("/");
  const [outside, tcpPort, profile] = args;
  ${ATTEMPTS}
  function worker() {
    const script = ${JSON.stringify(ATTEMPTS)} + \`
      const { parentPort } = require("node:worker_threads");
      parentPort.on("message", async (args) => parentPort.postMessage(await attempts(...args)));
      parentPort.postMessage("ready");\`;
    const thread = new Worker(script, { eval: true, execArgv: [] });
    const message = () => new Promise((resolve) => thread.once("message", resolve));
    return { ready: message(), ask: (...args) => (thread.postMessage(args), message()), thread };
  }
  const early = worker();
  await early.ready;
  if (profile !== "none") face.restrictSyscalls(profile);
  const late = worker();
  await late.ready;
  const where = [folder, outside, Number(tcpPort)];
  const results = {
    main: await attempts(...where),
    early: await early.ask(...where),
    late: await late.ask(...where),
    threads: face.threadStates(),
  };
  console.log(JSON.stringify(results));
  process.exit();
`;

interface Outcome {
  main: Record<string, string>;
  early: Record<string, string>;
  late: Record<string, string>;
  threads: { name: string; noNewPrivs: boolean; filters: number }[];
}

/** Files, a Unix socket and a TCP port of somebody else; writable, were there no sandbox. */
async function surroundings(
  t: TestContext,
  uid: number,
): Promise<{ folder: string; outside: string; port: number }> {
  const base = temporaryFolder(t);
  const [folder, outside] = [join(base, "own"), join(base, "outside")];
  for (const path of [folder, outside]) mkdirSync(path);
  writeFileSync(join(outside, "file"), "secret");
  symlinkSync(join(outside, "file"), join(folder, "link"));
  const tcp = net.createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  const unix = net.createServer((socket) => socket.destroy()).listen(join(outside, "socket"));
  await Promise.all([once(tcp, "listening"), once(unix, "listening")]);
  t.after(() => [tcp, unix].map((server) => server.close()));
  chmodSync(base, 0o755);
  chmodSync(join(outside, "socket"), 0o777);
  if (ROOT) for (const path of [folder, outside, join(outside, "file")]) chownSync(path, uid, uid);
  return { folder, outside, port: (tcp.address() as AddressInfo).port };
}

async function probe(
  t: TestContext,
  profile: "bus" | "vault" | "none",
  options: Pick<Confined, "uid" | "sandbox">,
): Promise<Outcome> {
  const own = options.uid ?? process.getuid?.() ?? 0;
  const { folder, outside, port } = await surroundings(t, own);
  const child = startConfined({
    script: PROBE,
    folder,
    args: [outside, String(port), profile],
    ...options,
  });
  if (child.stderr) child.stderr.pipe(process.stderr);
  return JSON.parse(await wholeOutput(child)) as Outcome;
}

const WORKED = {
  read: "ok",
  pool: "ok",
  "through a link": "ok",
  list: "ok",
  write: "ok",
  rename: "ok",
  chmod: "ok",
  link: "ok",
  socket: "ok",
  tcp: "ok",
  udp: "ok",
  exec: "ok",
  signal: "ok",
  own: "ok",
};

/** By Landlock and the first stage alone. */
const CONFINED = {
  ...WORKED,
  read: "EACCES",
  pool: "EACCES",
  "through a link": "EACCES",
  list: "EACCES",
  write: "EACCES",
  rename: "EACCES",
  link: "EACCES",
  tcp: "EAFNOSUPPORT",
  udp: "EAFNOSUPPORT",
  exec: "EACCES",
  signal: landlockAbi() >= 6 ? "EPERM" : "ok",
};

/** With the second stage. */
const RESTRICTED = { ...CONFINED, chmod: "EPERM", link: "EPERM", exec: "EPERM", signal: "EPERM" };

test("without a sandbox every attempt works", async (t) => {
  const { main, early, late } = await probe(t, "none", { sandbox: "no" });
  for (const results of [main, early, late]) assert.deepEqual(results, WORKED);
});

test("after sandboxExec() every thread is confined", { skip: NO_LANDLOCK }, async (t) => {
  // SECURITY: file operations run on pool threads, which Landlock does not reach from within.
  const { main, early, late, threads } = await probe(t, "none", {});
  for (const results of [main, early, late]) assert.deepEqual(results, CONFINED);
  for (const { noNewPrivs, filters } of threads) assert.ok(noNewPrivs && filters === 1);
});

for (const [profile, socket] of [
  ["bus", "EPERM"],
  ["vault", "ok"],
] as const) {
  for (const uid of ROOT ? [0, STRANGER] : [undefined]) {
    const who = uid === undefined ? "" : uid === 0 ? " as root" : " as an ordinary user";
    test(`profile ${profile}${who}: refused on all threads`, { skip: NO_LANDLOCK }, async (t) => {
      // SECURITY: a daemon taken over by a hostile message would read the home directory, start
      // programs, or send what it knows away.
      const { main, early, late, threads } = await probe(
        t,
        profile,
        uid === undefined ? {} : { uid },
      );
      for (const results of [main, early, late]) {
        assert.deepEqual(results, { ...RESTRICTED, socket });
      }
      const names = threads.map(({ name }) => name);
      assert.ok(names.length >= 10, `only ${names.join()}`);
      for (const { name, noNewPrivs, filters } of threads) {
        assert.ok(noNewPrivs && filters === 2, name);
      }
    });
  }
}

const RAW = `
import ctypes, errno, json, sys
libc = ctypes.CDLL(None, use_errno=True)
results = {}
for name, number in json.loads(sys.argv[1]).items():
    ctypes.set_errno(0)
    result = libc.syscall(number, 1, 0, 0, 0, 0, 0)
    results[name] = "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(json.dumps(results))
`;

test(
  "the first stage refuses what works around a sandbox, in any program",
  { skip: NO_LANDLOCK || (process.arch !== "x64" && "numbers are those of x86-64") },
  async () => {
    // SECURITY: io_uring does not ask filters, and ptrace lends another process' rights.
    const calls = {
      io_uring_setup: 425,
      ptrace: 101,
      process_vm_readv: 310,
      unshare: 272,
      bpf: 321,
    };
    const script = `
      import { sandboxExec, sandboxEnvironment, nodeRules } from ${FACE};
      const read = ["/usr", "/lib", "/lib64", "/etc"].map((path) =>
        ({ path, access: "read-exec", optional: true }));
      sandboxExec({ rules: [...nodeRules(), ...read], env: sandboxEnvironment(),
        argv: ["/usr/bin/python3", "-c", ...process.argv.slice(1)] });`;
    const child = startNode(script, RAW, JSON.stringify(calls));
    assert.deepEqual(JSON.parse(await wholeOutput(child)), {
      io_uring_setup: "ENOSYS",
      ptrace: "EPERM",
      process_vm_readv: "EPERM",
      unshare: "EPERM",
      bpf: "EPERM",
    });
  },
);

test("the program keeps pid, stdio and listed descriptors, and no others", async (t) => {
  if (NO_LANDLOCK !== false) return t.skip(NO_LANDLOCK);
  // SECURITY: an inherited descriptor is a way out that no list of paths can close.
  const folder = temporaryFolder(t);
  const listed = openSync(join(folder, "listed"), "w+");
  const other = openSync(join(folder, "other"), "w+");
  t.after(() => [listed, other].map((fd) => closeSync(fd)));
  const inside = `
    const fs = require("node:fs");
    const link = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch {} };
    const links = fs.readdirSync("/proc/self/fd").map(link);
    const files = links.filter((path) => /sesame-native/.test(path));
    fs.writeSync(3, String(process.pid));
    console.log(JSON.stringify([files, process.env.KEPT, process.env.NODE_OPTIONS]));`;
  const enter = `
    import { sandboxExec, sandboxEnvironment, nodeRules } from ${FACE};
    sandboxExec({ rules: nodeRules(), argv: [process.execPath, "-e", ${JSON.stringify(inside)}],
      env: sandboxEnvironment(), keepFds: [3] });`;
  // Node sets close-on-exec only up to the first unused number beyond 15.
  const high = "import os, sys; os.dup2(4, 63); os.execv(sys.argv[1], sys.argv[1:])";
  const node = [process.execPath, "--input-type=module", "-e", enter];
  const child = spawn("/usr/bin/python3", ["-c", high, ...node], {
    stdio: ["ignore", "pipe", "inherit", listed, other],
    env: { ...process.env, KEPT: "yes", NODE_OPTIONS: "--no-warnings" },
  });
  assert.deepEqual(JSON.parse(await wholeOutput(child)), [[join(folder, "listed")], "yes", null]);
  assert.equal(readFileSync(join(folder, "listed"), "utf8"), String(child.pid));
});

test("dangerous variables do not reach the program", () => {
  // SECURITY: NODE_OPTIONS=--require and LD_PRELOAD bring code into the daemon.
  const names = ["NODE_OPTIONS", "NODE_PATH", "LD_PRELOAD", "LD_AUDIT", "UV_USE_IO_URING"];
  const env = Object.fromEntries([...names, "OPENSSL_CONF", "HOME"].map((name) => [name, "/x"]));
  assert.deepEqual(sandboxEnvironment(env), { HOME: "/x", OPENSSL_CONF: "/dev/null" });
});

test("Node's own list is short and holds nothing of the user", () => {
  const rules = nodeRules();
  const programs = rules.filter(({ access }) => access === "read-exec").map(({ path }) => path);
  assert.ok(programs.includes(process.execPath));
  assert.ok(programs.length <= 2, programs.join());
  const written = rules.filter(({ access }) => access.startsWith("read-write"));
  assert.deepEqual(written, [{ path: "/dev/null", access: "read-write" }]);
  assert.ok(rules.length < 20);
});

/** Tries to confine a process; answers the error's code and message. */
async function refusal(options: string): Promise<{ code: string; message: string }> {
  const script = `
    import { sandboxExec, nodeRules } from ${FACE};
    try {
      sandboxExec({ rules: nodeRules(), argv: [process.execPath, "-e", "0"], env: {}, ${options} });
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  return JSON.parse(await wholeOutput(startNode(script))) as { code: string; message: string };
}

test("a sandbox that cannot be made as asked is an error that says why", async (t) => {
  if (NO_LANDLOCK !== false) return t.skip(NO_LANDLOCK);
  // SECURITY: going on with less than was asked for would be a silent downgrade.
  const missing = await refusal(`rules: [{ path: "/nonexistent/x", access: "read" }]`);
  assert.equal(missing.code, "ENOENT");
  assert.match(missing.message, /\/nonexistent\/x/);
  const invalid = "ERR_INVALID_ARG_VALUE";
  for (const [options, code] of [
    [`minAbi: 99`, "ERR_SESAME_LANDLOCK"],
    [`rules: [{ path: "relative", access: "read" }]`, invalid],
    [`rules: [{ path: "/a\\0b", access: "read" }]`, invalid],
    [`rules: [{ path: "/", access: "everything" }]`, invalid],
    [`argv: []`, invalid],
    [`argv: ["/bin/a\\0b"]`, invalid],
    [`keepFds: [-1]`, invalid],
    [`keepFds: [1.5]`, invalid],
    [`keepFds: [999999]`, "EBADF"],
    [`keepFds: Array(65).fill(0)`, "E2BIG"],
    [`argv: Array(257).fill("x")`, "E2BIG"],
    [`rules: Array(129).fill({ path: "/", access: "read" })`, "E2BIG"],
    [`argv: ["/nonexistent"]`, "ENOENT"],
  ] as const) {
    assert.equal((await refusal(options)).code, code, options);
  }
  const absent = `{ path: "/nonexistent", access: "read", optional: true }`;
  const script = `import { sandboxExec, sandboxEnvironment, nodeRules } from ${FACE};
    sandboxExec({ argv: [process.execPath, "-p", "'started'"], env: sandboxEnvironment(),
      rules: [...nodeRules(), ${absent}] })`;
  assert.equal(await wholeOutput(startNode(script)), "started\n");
  assert.throws(
    () => sandboxExec({ rules: [], argv: ["/x"], env: {}, minAbi: 99 }),
    /ABI 99 is needed/,
  );
});

const workload = new URL("./workload.test-helper.ts", import.meta.url).pathname;

function startWorkload(folder: string, socket: string, profile: string): ChildProcess {
  const args = [workload, folder, socket, profile, "kill"];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
}

test(
  "a day's work of both daemons needs no call that is not listed",
  { skip: NO_LANDLOCK },
  async (t) => {
    // With "kill" in force, one missing call would end them.
    const base = temporaryFolder(t);
    const [busFolder, vaultFolder] = [join(base, "bus"), join(base, "vault")];
    for (const path of [busFolder, vaultFolder]) mkdirSync(path);
    const socket = join(busFolder, "socket");
    const bus = startWorkload(busFolder, socket, "bus");
    t.after(() => bus.kill("SIGKILL"));
    assert.equal(await firstLine(bus), "serving\n");
    const ended = once(bus, "exit");
    assert.equal(await wholeOutput(startWorkload(vaultFolder, socket, "vault")), "done\n");
    assert.deepEqual(await ended, [0, null]);
  },
);

test("the cores in C pass under the sanitizers", (t) => {
  if (spawnSync("gcc", ["--version"]).status !== 0) return t.skip("gcc is not installed");
  const build = new URL("../build.sh", import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(build, ["--asan"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "secure: ok\nrules: ok\nseccomp: ok\n");
});
