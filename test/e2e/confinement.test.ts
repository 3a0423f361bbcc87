import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { landlockAbi } from "@sesame/native";
import type { Outcomes, Places } from "../helpers/confined-probe.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { keyFileOf } from "@sesame/core-ipc/daemon";
import { Home } from "../helpers/home.ts";
import { Probe } from "../helpers/probe.ts";
import { procFile } from "../helpers/processes.ts";
import { ROOT } from "../helpers/sources.ts";

const DAEMONS = ["daemon-profile", "daemon-secrets"] as const;
type Daemon = (typeof DAEMONS)[number];

const NO_LANDLOCK = landlockAbi() === 0 && "this kernel has no Landlock";
// The environment and the mappings of a process that is not dumpable are root's to see.
const NOT_ROOT = process.getuid?.() !== 0 && "only root may look into the daemons";

/** What the kernel says of each thread of a process. proc_pid_status(5) */
function threadsOf(pid: number): { name: string; noNewPrivs: string; filters: number }[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
    const field = (name: string): string =>
      new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
    return {
      name: field("Name"),
      noNewPrivs: field("NoNewPrivs"),
      filters: Number(field("Seccomp_filters")),
    };
  });
}

/** Filters that a container put around the tests, which prove nothing. */
const SURROUNDING = threadsOf(process.pid)[0]?.filters ?? 0;

function assertConfined(pid: number): void {
  const threads = threadsOf(pid);
  // At least the main thread and the engine's own.
  assert.ok(threads.length > 4, `only ${threads.length} threads`);
  for (const { name, noNewPrivs, filters } of threads) {
    assert.equal(noNewPrivs, "1", name);
    assert.ok(filters >= SURROUNDING + 2, `${name} has ${filters} filters`);
  }
}

/** Runs the bundle of a daemon as it is, and waits for its end. */
function runDirectly(home: Home, daemon: Daemon, env: object, before: readonly string[] = []) {
  const bundle = join(ROOT, `packages/cli/dist/${daemon}.mjs`);
  const [file = "", ...args] = [...before, process.execPath, "--disable-sigusr1", bundle];
  const { status, stdout, stderr } = spawnSync(file, args, {
    env: { ...home.env, ...env },
    cwd: "/",
    encoding: "utf8",
    timeout: 60_000,
  });
  return { exit: status, said: stdout + stderr };
}

test("every thread of both daemons has both filters", { skip: NO_LANDLOCK }, async () => {
  // SECURITY: file operations run on pool threads; one that is left out opens any file.
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "value");
  home.must(["secret", "get", "a"]);
  for (const daemon of DAEMONS) assertConfined(home.pidOf(daemon));
});

async function listening(server: Server): Promise<Server> {
  await once(server, "listening");
  return server;
}

/** A home without daemons, and what somebody else holds beside it. */
async function probed(as: "bus" | "vault" | "nobody"): Promise<Outcomes[]> {
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "value");
  home.must(["daemon", "stop"]);
  const { paths, path } = home;
  const socket = join(path, "foreign.sock");
  const unix = await listening(createServer((peer) => peer.destroy()).listen(socket));
  const tcp = await listening(createServer((peer) => peer.destroy()).listen(0, "127.0.0.1"));
  const places: Places = {
    files: {
      "/etc/passwd": "/etc/passwd",
      "the operator's key": join(paths.keys, "operator.key"),
      "the root key": join(paths.keys, "root.box"),
      "the bus's key": keyFileOf(paths, "daemon-profile"),
      "the owner's key": keyFileOf(paths, "daemon-secrets"),
      "a vault": join(paths.vaults, "default.db"),
      "the profiles": paths.profiles,
      "the installation": paths.installation,
      "the supervisor's log": paths.log,
    },
    directories: {
      "/": "/",
      home: path,
      keys: paths.keys,
      vaults: paths.vaults,
      audit: paths.audit,
      profiles: dirname(paths.profiles),
      runtime: paths.runtime,
    },
    socket,
    port: (tcp.address() as AddressInfo).port,
    pid: process.pid,
  };
  try {
    using probe = await Probe.build();
    const { main, early, late } = await probe.run(as, home, places);
    return [main, early, late];
  } finally {
    unix.close();
    tcp.close();
  }
}

/** What worked. */
function allowed(outcomes: Outcomes): string[] {
  return Object.keys(outcomes).filter((what) => outcomes[what] === "ok");
}

function reads(name: string): string[] {
  return [`read ${name}`, `read ${name}, pool`];
}

function lists(name: string): string[] {
  return [`list ${name}`, `list ${name}, pool`];
}

const owns = (name: string): string[] => [...lists(name), `create in ${name}`];
const ownsFile = (name: string): string[] => [...reads(name), `write ${name}`];

test("without the sandbox everything that the probe tries works", { skip: NOT_ROOT }, async () => {
  for (const outcomes of await probed("nobody")) {
    assert.deepEqual(allowed(outcomes), Object.keys(outcomes));
    assert.ok(Object.keys(outcomes).length > 50);
  }
});

test(
  "a bus host that is taken over reaches its own files alone, on no thread more",
  { skip: NO_LANDLOCK },
  async () => {
    // SECURITY: the bus host reads what strangers send; it would read the vaults and the
    // operator's key, start programs, or send what it knows away.
    const own = [
      ...ownsFile("the bus's key"),
      ...ownsFile("the profiles"),
      ...reads("the installation"),
      ...["audit", "profiles", "runtime"].flatMap(owns),
    ];
    for (const outcomes of await probed("bus"))
      assert.deepEqual(allowed(outcomes).sort(), own.sort());
  },
);

test(
  "a vault daemon that is taken over reaches its own files alone, on no thread more",
  { skip: NO_LANDLOCK },
  async () => {
    // SECURITY: it would rewrite the audit log, become the operator, start programs, or send the
    // secrets away. Unix sockets by path are the exception: it has to connect to the bus.
    const own = [
      ...ownsFile("the owner's key"),
      ...ownsFile("a vault"),
      ...reads("the installation"),
      ...["vaults", "runtime"].flatMap(owns),
      "socket",
    ];
    for (const outcomes of await probed("vault"))
      assert.deepEqual(allowed(outcomes).sort(), own.sort());
  },
);

test("no daemon believes that it is confined", { skip: NO_LANDLOCK }, async () => {
  // SECURITY: one variable in the environment would switch the sandbox off.
  await using home = await Home.ready();
  home.must(["daemon", "stop"]);
  for (const daemon of DAEMONS) {
    const { exit, said } = runDirectly(home, daemon, { SESAME_CONFINED: "1" });
    assert.equal(exit, 78, said);
    assert.match(said, /started as confined, and is not/);
    assert.match(said, /unset SESAME_CONFINED/);
    assert.doesNotMatch(said, /"ready"/);
  }
  assert.equal(home.run(["daemon", "start"], "", { SESAME_CONFINED: "1" }).exit, 0);
  for (const daemon of DAEMONS) assertConfined(home.pidOf(daemon));
});

/** Runs a program under a kernel that answers ENOSYS to landlock_create_ruleset(2). seccomp(2) */
const WITHOUT_LANDLOCK = `
import ctypes, os, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
LANDLOCK_CREATE_RULESET, ENOSYS = 444, 38
step = lambda code, yes, no, k: struct.pack("HBBI", code, yes, no, k)
program = (step(LOAD, 0, 0, 0) + step(EQUAL, 0, 1, LANDLOCK_CREATE_RULESET)
    + step(RETURN, 0, 0, 0x00050000 | ENOSYS) + step(RETURN, 0, 0, 0x7fff0000))
steps = ctypes.create_string_buffer(program, len(program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
filter = Program(4, ctypes.addressof(steps))
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
SET_NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2
if prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(SET_SECCOMP, FILTER, ctypes.addressof(filter), 0, 0):
    sys.exit("no filter: errno %d" % ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
`;

test("a kernel without Landlock is fatal, and the remedy is named", async () => {
  // SECURITY: a daemon that runs on without its sandbox looks like one that has it.
  await using home = await Home.ready();
  home.must(["daemon", "stop"]);
  for (const daemon of DAEMONS) {
    const { exit, said } = runDirectly(home, daemon, {}, ["python3", "-c", WITHOUT_LANDLOCK]);
    assert.equal(exit, 78, said);
    assert.match(said, /cannot confine themselves: the kernel has no Landlock/);
    assert.match(said, /5\.13 or later with Landlock enabled/);
    assert.doesNotMatch(said, /"ready"/);
  }
});

/** Variables that bring code into a program, and a trace of where it ran. */
function poison(home: Home): { env: Record<string, string>; victims: () => string } {
  const [script, library] = [join(home.path, "evil.cjs"), join(home.path, "evil.so")];
  const trace = join(home.path, "victims");
  writeFileSync(trace, "");
  const note = `require("fs").appendFileSync(${JSON.stringify(trace)}, process.argv[1] + "\\n")`;
  writeFileSync(script, `try { ${note} } catch {}`);
  // Part of the C library, and needed by nobody: it is there because of the variable or not at all.
  const libraries =
    /\s(\/\S+\/)libm[-.]\S*$/m.exec(readFileSync("/proc/self/maps", "latin1"))?.[1] ?? "";
  copyFileSync(join(libraries, "libanl.so.1"), library);
  return {
    env: { NODE_OPTIONS: `--require=${script}`, LD_PRELOAD: library },
    victims: () => readFileSync(trace, "utf8"),
  };
}

function assertClean(pid: number): void {
  const environment = procFile(pid, "environ").toString("latin1");
  assert.match(environment, /HOME=/);
  assert.doesNotMatch(environment, /NODE_OPTIONS|LD_PRELOAD|evil/);
  assert.doesNotMatch(readFileSync(`/proc/${pid}/maps`, "latin1"), /evil/);
}

test(
  "NODE_OPTIONS and LD_PRELOAD of a shell do not reach the daemons",
  { skip: NO_LANDLOCK || NOT_ROOT },
  async () => {
    // SECURITY: one poisoned shell profile would load its code beside the keys.
    await using home = await Home.ready();
    home.must(["daemon", "stop"]);
    const { env, victims } = poison(home);
    assert.equal(home.run(["daemon", "start"], "", env).exit, 0);
    for (const daemon of DAEMONS) assertClean(home.pidOf(daemon));
    assert.notEqual(victims(), "", "the command itself had it, so the poison works");
    assert.doesNotMatch(victims(), /daemon-/);
  },
);

test(
  "a daemon that was started with them sheds them with its sandbox",
  { skip: NO_LANDLOCK || NOT_ROOT },
  async () => {
    // SECURITY: without a supervisor nobody else has cleaned the environment.
    await using home = await Home.ready();
    home.must(["daemon", "stop"]);
    const { env, victims } = poison(home);
    Object.assign(home.env, env);
    const bus = new DirectDaemon(home, "daemon-profile");
    assert.equal(await bus.start(), "ready");
    try {
      assertClean(home.pidOf("daemon-profile"));
      assert.equal(victims().match(/daemon-profile/g)?.length, 1, "before it was confined only");
    } finally {
      await bus.kill();
    }
  },
);
