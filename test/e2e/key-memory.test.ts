import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { keyFileOf, loadKeyFile } from "@sesame/core-ipc/daemon";
import { secureMemory } from "@sesame/native";
import { unwrapWithPassword } from "../../packages/daemon-secrets/src/vault/factors.ts";
import { parseHeader } from "../../packages/daemon-secrets/src/vault/header.ts";
import { deriveKey, type KeyPurpose } from "../../packages/daemon-secrets/src/vault/keys.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";
import { OrdinaryUser } from "../helpers/ordinary-user.ts";
import { memoryContains } from "../helpers/process-memory.ts";
import { procFile } from "../helpers/processes.ts";
import { ROOT } from "../helpers/sources.ts";

const DAEMONS = ["daemon-profile", "daemon-secrets"] as const;
const MASTER_DERIVED = ["entry", "state", "header", "pseudonym"] as const;
const ROUNDS = 20;

// ptrace(2): a process that is not dumpable is root's alone to read.
const NOT_ROOT = process.getuid?.() !== 0 && "only root may read the daemons' memory";
const NO_SECRETMEM = secureMemory().kind !== "memfd_secret" && "this kernel has no memfd_secret";

/** Secrets by their names. */
class Needles {
  readonly #byName = new Map<string, Buffer>();

  add(name: string, bytes: Uint8Array): this {
    this.#byName.set(name, Buffer.from(bytes));
    return this;
  }

  /** As bytes, and as a string of the JavaScript engine may lie in memory. */
  addText(name: string, text: string): this {
    return this.add(name, Buffer.from(text)).add(`${name}, text`, Buffer.from(text, "utf16le"));
  }

  addIdentity(home: Home, name: string): this {
    const keys = loadKeyFile(suite, keyFileOf(home.paths, name));
    assert.ok(keys);
    return this.add(`${name}: noise`, keys.noise.secretKey)
      .add(`${name}: sealing`, keys.sealing.secretKey)
      .add(`${name}: signing`, keys.signingSeed);
  }

  /** Names of those that lie in memory that can be read. */
  in(pid: number): string[] {
    const found = memoryContains(pid, [...this.#byName.values()]);
    return [...this.#byName.keys()].filter((_, i) => found.has(i));
  }
}

/** The keys of the default vault, as somebody who knows the password derives them. */
async function vaultKeys(home: Home): Promise<(purpose: KeyPurpose | "master") => Uint8Array> {
  const signed = parseHeader(readFileSync(join(home.paths.vaults, "default.vault"), "utf8"));
  assert.ok(signed !== null && signed !== "newer");
  const opened = await unwrapWithPassword(suite, signed.header, Buffer.from(PASSWORD));
  assert.ok(opened);
  const { master } = opened;
  return (purpose) =>
    purpose === "master" ? master : deriveKey(suite, purpose, "default", master);
}

test(
  "no value, password or key lies in memory of the vault daemon that can be read",
  { skip: NOT_ROOT || NO_SECRETMEM },
  async () => {
    // SECURITY: a core dump, a debugger or a swap partition would hold every secret.
    await using home = await Home.ready();
    const key = await vaultKeys(home);
    const [value, wrong] = ["value-77ab3e-61c5", "password-4c20d9-08aa"];
    const needles = new Needles()
      .addText("value", value)
      .addText("password", PASSWORD)
      .addText("wrong password", wrong)
      .add("master", key("master"))
      .addIdentity(home, "daemon-secrets")
      .addIdentity(home, "operator");
    for (const purpose of MASTER_DERIVED) needles.add(purpose, key(purpose));
    // SQLite works with it, in memory of its own, as long as the vault is open.
    needles.add("database", key("database"));
    const pid = home.pidOf("daemon-secrets");
    const profile = "default";
    const operator = await home.connect();

    for (let i = 0; i < ROUNDS; i++) {
      const name = `name-${i % 3}`;
      await operator.call("secret.set", { profile, name, value: Buffer.from(`${value} ${i}`) });
      await operator.call("secret.get", { profile, name });
      await operator.call("secret.fetch", { profile, names: null });
      await operator.call("secret.list", { profile });
    }
    assert.equal(home.must(["env", "--", "printenv", "NAME_1"]).startsWith(value), true);
    assert.deepEqual(needles.in(pid), ["database"], "unlocked; and the search works");

    await operator.call("vault.lock", { profile });
    assert.deepEqual(needles.in(pid), [], "locked");
    const rejected = operator.call("vault.unlock", { profile, password: Buffer.from(wrong) });
    await assert.rejects(rejected, /wrong password/);
    assert.deepEqual(needles.in(pid), [], "after a wrong password");
    await operator.close();
  },
);

test(
  "the bus's keys lie in no memory that can be read",
  { skip: NOT_ROOT || NO_SECRETMEM },
  async () => {
    // SECURITY: with the signing key the audit log can be forged.
    await using home = await Home.ready();
    home.must(["audit", "verify"]);
    const needles = new Needles().addIdentity(home, "daemon-profile").addText("bus", "bus.sock");
    assert.deepEqual(needles.in(home.pidOf("daemon-profile")), ["bus"], "the search works");
  },
);

/** What a process of the same user tries on others; one object of outcomes for each. */
const ATTACKER = `
import ctypes, errno, json, os, sys
uid, pids = int(sys.argv[1]), [int(pid) for pid in sys.argv[2:]]
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
if os.getuid() == 0:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
def code(act):
    try:
        act()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
def ptrace(request, pid):
    checked(libc.ptrace(request, pid, None, None))
    os.waitpid(pid, 0x40000000)
    libc.ptrace(PTRACE_DETACH, pid, None, None)
def readv(pid):
    try:
        start = int(open("/proc/%d/maps" % pid).readline().split("-")[0], 16)
    except OSError:
        start = 0x400000
    here = ctypes.create_string_buffer(4)
    to, at = Vector(ctypes.addressof(here), 4), Vector(start, 4)
    checked(libc.process_vm_readv(pid, ctypes.byref(to), 1, ctypes.byref(at), 1, 0))
def attempts(pid):
    return {
        "mem": code(lambda: open("/proc/%d/mem" % pid, "rb").close()),
        "environ": code(lambda: open("/proc/%d/environ" % pid, "rb").close()),
        "maps": code(lambda: open("/proc/%d/maps" % pid, "rb").close()),
        "descriptors": code(lambda: os.listdir("/proc/%d/fd" % pid)),
        "process_vm_readv": code(lambda: readv(pid)),
        "ptrace": code(lambda: ptrace(PTRACE_ATTACH, pid)),
    }
print(json.dumps([attempts(pid) for pid in pids]))
`;

test("another process of the same user reads and traces neither daemon", async () => {
  // SECURITY: whatever program the user runs, a browser's or an editor's extension, would read
  // the keys out of the daemons.
  await using home = new Home();
  const user = new OrdinaryUser(home);
  assert.equal(user.run(["init"], `${PASSWORD}\n`).exit, 0);
  const become = ["setpriv", "--reuid", `${user.uid}`, "--regid", `${user.uid}`, "--clear-groups"];
  const [file = "", ...args] = process.getuid?.() === 0 ? [...become, "sleep"] : ["sleep"];
  const open = spawn(file, [...args, "600"], { stdio: "ignore" });
  try {
    const pid = open.pid ?? 0;
    await eventually("sleep", () => procFile(pid, "cmdline").toString().startsWith("sleep"));
    const pids = [pid, ...DAEMONS.map((daemon) => home.pidOf(daemon))].map(String);
    const { stdout, stderr } = spawnSync("python3", ["-c", ATTACKER, `${user.uid}`, ...pids], {
      encoding: "utf8",
    });
    assert.equal(stderr, "");
    const [sleep, ...daemons] = JSON.parse(stdout) as Record<string, string>[];
    if (sleep?.["ptrace"] === "ok")
      assert.deepEqual(new Set(Object.values(sleep)), new Set(["ok"]));
    assert.equal(sleep?.["environ"], "ok", "the attacker is a process of this user");
    assert.equal(daemons.length, DAEMONS.length);
    for (const outcomes of daemons)
      assert.deepEqual(outcomes, {
        mem: "EACCES",
        environ: "EACCES",
        maps: "EACCES",
        descriptors: "EACCES",
        process_vm_readv: "EPERM",
        ptrace: "EPERM",
      });
  } finally {
    open.kill("SIGKILL");
  }
});

/** Starts a program where core dumps are allowed, ends it by a signal; whether it left a dump. */
const CRASH = `
import os, resource, signal, subprocess, sys
mark, number, directory, *argv = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
out, into = os.pipe()
child = subprocess.Popen(argv, cwd=directory, stdout=into, stderr=into)
os.close(into)
said = b""
while mark.encode() not in said:
    more = os.read(out, 65536)
    if not more:
        sys.exit("ended too early: %r" % said)
    said += more
os.kill(child.pid, int(number))
_, status = os.waitpid(child.pid, 0)
assert os.WTERMSIG(status) == int(number), status
print("dump" if os.WCOREDUMP(status) or os.listdir(directory) else "none")
`;

test("a daemon that crashes leaves no core dump", async (t) => {
  // SECURITY: a core file is a copy of the memory on disk, and may be sent to strangers.
  await using home = await Home.ready();
  for (const daemon of DAEMONS) {
    const limits = readFileSync(`/proc/${home.pidOf(daemon)}/limits`, "latin1");
    assert.match(limits, /^Max core file size\s+0\s+0\s/m);
  }
  home.must(["daemon", "stop"]);
  const directory = join(home.path, "cores");
  const crash = (mark: string, signal: number, argv: readonly string[]): string => {
    spawnSync("mkdir", ["-p", directory]);
    const args = ["-c", CRASH, mark, `${signal}`, directory, ...argv];
    const { stdout, stderr } = spawnSync("python3", args, { env: home.env, encoding: "utf8" });
    assert.equal(stderr, "");
    spawnSync("rm", ["-r", directory]);
    return stdout.trim();
  };
  const bundle = join(ROOT, "packages/cli/dist/daemon-profile.mjs");
  for (const signal of [6, 11]) {
    const ordinary = crash("up", signal, ["sh", "-c", "echo up; exec sleep 600"]);
    if (ordinary !== "dump") t.diagnostic("no program leaves core dumps here");
    assert.equal(crash('"ready"', signal, [process.execPath, bundle]), "none", `signal ${signal}`);
  }
});

/** Runs something with a soft limit of locked memory, which those that it starts inherit. */
function withMemlock<T>(bytes: number, work: () => T): T {
  const set = (limit: string): void => {
    const args = ["--pid", `${process.pid}`, `--memlock=${limit}:`];
    assert.equal(spawnSync("prlimit", args).status, 0);
  };
  const limits = readFileSync("/proc/self/limits", "latin1");
  const [, before = ""] = /^Max locked memory\s+(\S+)/m.exec(limits) ?? [];
  set(String(bytes));
  try {
    return work();
  } finally {
    set(before);
  }
}

test("where no memory can be locked the daemons refuse to start", async () => {
  // SECURITY: keys in memory that is swapped end up on disk, and nobody would know.
  await using home = new Home();
  const user = new OrdinaryUser(home);
  assert.equal(user.run(["init"], `${PASSWORD}\n`).exit, 0);
  assert.equal(user.run(["daemon", "stop"]).exit, 0);
  const { exit, err } = withMemlock(0, () => user.run(["daemon", "start"]));
  assert.equal(exit, 78, err);
  assert.match(err, /no memory can be locked for keys/);
  assert.match(err, /LimitMEMLOCK=|ulimit -l/);
  assert.equal(user.run(["daemon", "start"]).exit, 0, "and start again with the limit raised");
});

test("a daemon that runs out of locked memory says so, and goes on", async () => {
  await using home = new Home();
  const user = new OrdinaryUser(home);
  assert.equal(user.run(["init"], `${PASSWORD}\n`).exit, 0);
  assert.equal(user.run(["daemon", "stop"]).exit, 0);
  // Two pages: enough to start with, and not to answer.
  withMemlock(8_192, () => {
    assert.equal(user.run(["daemon", "start"]).exit, 0);
    const { exit, err } = user.run(["unlock"], `${PASSWORD}\n`);
    assert.equal(exit, 75, err);
    assert.match(err, /no locked memory is left.*\n.*LimitMEMLOCK=/);
    assert.equal(user.run(["lock"]).exit, 75);
  });
  assert.doesNotMatch(readFileSync(home.paths.log, "utf8"), /"code":(?!0)/);
});

test("little locked memory is enough for some secrets", async () => {
  await using home = new Home();
  const user = new OrdinaryUser(home);
  withMemlock(65_536, () => {
    assert.equal(user.run(["init"], `${PASSWORD}\n`).exit, 0);
    for (const name of ["a", "b", "c"])
      assert.equal(user.run(["secret", "set", name], `value of ${name}`).exit, 0);
    assert.equal(user.run(["secret", "get", "b"]).out.trim(), "value of b");
    const large = user.run(["secret", "set", "large"], "x".repeat(60_000));
    assert.equal(large.exit, 75, large.err);
    assert.equal(user.run(["secret", "get", "c"]).out.trim(), "value of c", "and goes on");
  });
});
