import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { FACE, firstLine, startNode, temporaryFolder } from "./child.test-helper.ts";
import { allocSecure, freeSecure, protectSecure, secureMemory } from "./index.ts";

const ROOT = process.getuid?.() === 0;
const STRANGER = 4242;
const AS_STRANGER = ["setpriv", `--reuid=${STRANGER}`, `--regid=${STRANGER}`, "--clear-groups"];

test("memory of every size is zeroed, writable to its last byte, and gone once freed", () => {
  const before = secureMemory();
  for (const length of [1, 15, 16, 17, 32, 64, 100, 256, 1000, 1024, 1025, 4080, 4096, 1 << 20]) {
    const secret = allocSecure(length);
    assert.equal(secret.length, length);
    assert.equal(secret.buffer.byteLength, length);
    assert.ok(secret.every((byte) => byte === 0));
    secret.fill(0xa5);
    freeSecure(secret);
    assert.equal(secret.length, 0);
    freeSecure(secret);
    const again = allocSecure(length);
    assert.ok(again.every((byte) => byte === 0));
    freeSecure(again);
  }
  assert.deepEqual(secureMemory(), before);
});

test("a freed secret cannot be reached through any view", () => {
  // SECURITY: a stale view would read the secret that the memory is lent to next.
  const secret = allocSecure(32);
  const part = secret.subarray(4, 8);
  const view = new DataView(secret.buffer);
  freeSecure(secret);
  assert.equal(part.length, 0);
  assert.throws(() => view.getUint8(0), TypeError);
  const next = allocSecure(32).fill(1);
  part[0] = 9;
  assert.deepEqual(
    [...next],
    Array.from({ length: 32 }, () => 1),
  );
  freeSecure(next);
});

test("what is not the whole of an allocation is not freed", () => {
  const code = "ERR_INVALID_ARG_VALUE";
  const secret = allocSecure(40);
  for (const other of [secret.subarray(1), secret.subarray(0, 39), secret.subarray(3, 3)]) {
    assert.throws(() => freeSecure(other), { code });
  }
  for (const other of [new Uint8Array(8), Buffer.from("pool"), new Uint8Array(100)]) {
    assert.throws(() => freeSecure(other), { code });
    assert.throws(() => protectSecure(other, "ro"), { code });
  }
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  assert.throws(() => freeSecure(shared), { code });
  for (const length of [-1, 0.5, NaN, 2 ** 30 + 1, "8", 8n, null, undefined, {}]) {
    assert.throws(() => allocSecure(length as number), { code });
  }
  assert.equal(secret.length, 40);
  freeSecure(secret);
  assert.equal(allocSecure(0).length, 0);
  freeSecure(allocSecure(0));
});

test("secrets cannot be posted, and what transfer() moved away is freed once", async () => {
  const before = secureMemory().allocations;
  const secret = allocSecure(32);
  const buffer = secret.buffer as ArrayBuffer;
  assert.throws(() => structuredClone(buffer, { transfer: [buffer] }), { code: 25 });
  buffer.transfer();
  freeSecure(secret);
  await collected(before);
  freeSecure(secret);
  assert.throws(() => protectSecure(secret, "ro"), { code: "ERR_INVALID_ARG_VALUE" });
});

test("only an allocation with pages of its own can be protected", () => {
  const small = allocSecure(1024);
  assert.throws(() => protectSecure(small, "ro"), { code: "EINVAL" });
  freeSecure(small);
  const large = allocSecure(1025).fill(3);
  for (const access of ["ro", "none", "rw"] as const) protectSecure(large, access);
  assert.equal(large[1024], 3);
  protectSecure(large, "none");
  freeSecure(large);
});

for (const [access, use] of [
  ["none", "secret[0]"],
  ["ro", "secret[0] = 1"],
] as const) {
  test(`a forbidden access under "${access}" ends the process`, async () => {
    // SECURITY: keys at rest would be open to any read or write gone astray.
    const child = startNode(`
      import { allocSecure, protectSecure } from ${FACE};
      const secret = allocSecure(2000);
      protectSecure(secret, "${access}");
      ${use};
    `);
    assert.deepEqual(await once(child, "exit"), [null, "SIGSEGV"]);
  });
}

/** Garbage collection until no more than `allocations` are left; fails after 100 rounds. */
async function collected(allocations: number): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 100 && secureMemory().allocations > allocations; round++) {
    collect();
    await nextTurn();
  }
  assert.equal(secureMemory().allocations, allocations);
}

test("forgotten secrets are freed by the garbage collector", async () => {
  const before = secureMemory().allocations;
  for (let i = 0; i < 200; i++) allocSecure(i + 1);
  await collected(before);
});

test("the secrets of a worker end with it", async () => {
  const before = secureMemory();
  const worker = new Worker(
    `import(${FACE}).then((face) => {
      globalThis.kept = [face.allocSecure(32), face.allocSecure(5000)];
      require("node:worker_threads").parentPort.postMessage(face.secureMemory().allocations);
      setInterval(() => undefined, 1000);
    })`,
    { eval: true },
  );
  assert.deepEqual(await once(worker, "message"), [before.allocations + 2]);
  await worker.terminate();
  assert.deepEqual(secureMemory(), before);
});

/** Output of a script under RLIMIT_MEMLOCK in bytes, as a user whom it binds. */
function underLimit(bytes: number, script: string): string {
  const user = ROOT ? AS_STRANGER : [];
  const limit = ["prlimit", `--memlock=${bytes}:${bytes}`];
  const node = [process.execPath, "--input-type=module", "-e", script];
  const [command = "", ...args] = [...user, ...limit, ...node];
  return execFileSync(command, args, { encoding: "utf8", cwd: "/" });
}

const UNTIL_FULL = `
  import { allocSecure, freeSecure, secureMemory } from ${FACE};
  const kept = [];
  let error = null;
  while (kept.length < 10_000 && error === null) {
    try { kept.push(allocSecure(32)); } catch (cause) { error = cause; }
  }
  const full = secureMemory();
  for (const secret of kept) freeSecure(secret);
  console.log(JSON.stringify({ count: kept.length, code: error?.code, message: error?.message,
    full, empty: secureMemory() }));
`;

test("10 000 keys fit into the 8 MiB of locked memory that users have by default", () => {
  const { count, full, empty } = JSON.parse(underLimit(8 << 20, UNTIL_FULL));
  assert.equal(count, 10_000);
  assert.equal(full.allocations, 10_000);
  assert.ok(full.bytes < 1 << 20);
  assert.deepEqual([empty.bytes, empty.allocations], [0, 0]);
});

test("when locked memory is used up, an error says so and names the setting", () => {
  // SECURITY: falling back to ordinary memory would put keys into swap and core dumps unnoticed.
  const some = JSON.parse(underLimit(64 << 10, UNTIL_FULL));
  assert.ok(some.count >= 100 && some.count < 10_000);
  const none = JSON.parse(underLimit(0, UNTIL_FULL));
  assert.equal(none.count, 0);
  assert.equal(none.full.kind, "none");
  for (const { code, message } of [some, none]) {
    assert.equal(code, "ERR_SESAME_LOCKED_MEMORY");
    assert.match(message, /LimitMEMLOCK/);
  }
});

/**
 * A process with one secret in secure memory and one beside it in an ordinary ArrayBuffer; the
 * bytes of both are computed, so that they are nowhere else. Prints the kind of memory.
 */
const VICTIM = `
  import { allocSecure, harden, secureMemory } from ${FACE};
  if (process.argv[1] === "hardened") harden();
  globalThis.secure = allocSecure(64);
  globalThis.plain = new Uint8Array(new ArrayBuffer(64));
  for (let i = 0; i < 64; i++) {
    secure[i] = (i * 73 + 41) & 255;
    plain[i] = (i * 91 + 17) & 255;
  }
  console.log(secureMemory().kind);
  setInterval(() => undefined, 1000);
`;

/** Runs a program without memfd_secret, as on a kernel that lacks it (ENOSYS). */
const WITHOUT_MEMFD_SECRET = `
import ctypes, os, struct, sys
# load the number; if it is 447: errno 38, else: allow
code = struct.pack("=" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 447, 6, 0, 0, 0x50026,
                   6, 0, 0, 0x7fff0000)
text = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(text)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
`;

const FALL_BACK = ["/usr/bin/python3", "-c", WITHOUT_MEMFD_SECRET];

/** Reads all memory of a process in two ways; says which secrets each of them found. */
const ATTACKER = `
import ctypes, errno, json, os, re, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
secrets = {"secure": bytes((i * 73 + 41) & 255 for i in range(64)),
           "plain": bytes((i * 91 + 17) & 255 for i in range(64))}
found = {"mem": [], "vm": []}
class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def search(way, data):
    for name, secret in secrets.items():
        if secret in data and name not in found[way]: found[way].append(name)
def attempt(way, f):
    try: f()
    except OSError as e: found[way] = errno.errorcode[e.errno]
def ranges():
    for line in open(f"/proc/{pid}/maps"):
        a, b, mode = re.match("([0-9a-f]+)-([0-9a-f]+) (\\\\S+)", line).groups()
        a, b = int(a, 16), int(b, 16)
        # Reserved address space, not memory.
        if mode[0] == "r" and b - a < 1 << 26: yield a, b
def mem():
    with open(f"/proc/{pid}/mem", "rb", 0) as f:
        for a, b in ranges():
            try: f.seek(a); search("mem", f.read(b - a))
            except (OSError, OverflowError): pass
def vm():
    targets = list(ranges())
    for a, b in targets:
        data = ctypes.create_string_buffer(b - a)
        local, remote = iovec(ctypes.addressof(data), b - a), iovec(a, b - a)
        n = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
        if n > 0: search("vm", data.raw[:n])
        elif ctypes.get_errno() == errno.EPERM: raise OSError(errno.EPERM, "")
attempt("mem", mem)
attempt("vm", vm)
print(json.dumps(found))
`;

async function victim(
  t: TestContext,
  prefix: readonly string[],
  how: string,
): Promise<{ child: ChildProcess; kind: string }> {
  const node = [process.execPath, "--input-type=module", "-e", VICTIM, "--", how];
  const [command = "", ...args] = [...prefix, ...node];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
  t.after(() => child.kill("SIGKILL"));
  return { child, kind: (await firstLine(child)).trim() };
}

function attack(prefix: readonly string[], pid: number | undefined): Record<string, unknown> {
  const [command = "", ...args] = [...prefix, "/usr/bin/python3", "-c", ATTACKER, String(pid)];
  return JSON.parse(execFileSync(command, args, { encoding: "utf8", cwd: "/" }));
}

test("secrets in memfd_secret are not in /proc/PID/mem, nor for process_vm_readv", async (t) => {
  // SECURITY: whoever may trace the daemon would read its keys out of it, as root can here.
  const { child, kind } = await victim(t, [], "open");
  if (kind !== "memfd_secret") return t.skip("this kernel has no memfd_secret");
  const seen = attack([], child.pid);
  assert.deepEqual(seen, { mem: ["plain"], vm: ["plain"] });
});

/** Address ranges of the locked memory of a process, and what the kernel has noted of them. */
function lockedRanges(pid: number | undefined): { start: string; end: string; flags: string }[] {
  const maps = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-)/m);
  return maps.flatMap((map) => {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+)/.exec(map) ?? [];
    const flags = /^VmFlags: (.*)$/m.exec(map)?.[1] ?? "";
    return flags.split(" ").includes("lo") ? [{ start, end, flags }] : [];
  });
}

/** What a debugger makes of the locked memory of a process: its bytes, or its complaint. */
function debugged(t: TestContext, pid: number | undefined): Buffer | string {
  const [range] = lockedRanges(pid);
  const file = join(temporaryFolder(t), "memory");
  const dump = `dump binary memory ${file} 0x${range?.start} 0x${range?.end}`;
  const gdb = ["-batch", "-nx", "-p", String(pid), "-ex", dump];
  const { stderr } = spawnSync("gdb", gdb, { encoding: "utf8" });
  return existsSync(file) ? readFileSync(file) : stderr;
}

const SECRET = Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 73 + 41) & 255));

test("a debugger run by root cannot read the secrets", async (t) => {
  // SECURITY: attaching to the daemon would be enough to take its keys.
  if (spawnSync("gdb", ["--version"]).status !== 0) return t.skip("gdb is not installed");
  const { child, kind } = await victim(t, [], "open");
  if (kind !== "memfd_secret") return t.skip("this kernel has no memfd_secret");
  assert.match(String(debugged(t, child.pid)), /Cannot access memory/);
  // The same attack does work where the kind of memory says so.
  const weaker = await victim(t, FALL_BACK, "open");
  assert.ok(Buffer.from(debugged(t, weaker.child.pid)).includes(SECRET));
});

test(
  "a hardened process is closed to others of its user",
  { skip: !ROOT && "only root can become two processes of an ordinary user" },
  async (t) => {
    // SECURITY: every program that the user runs could read the daemon's memory.
    const open = await victim(t, AS_STRANGER, "open");
    const { mem } = attack(AS_STRANGER, open.child.pid);
    assert.ok((mem as string[]).includes("plain"));
    const hardened = await victim(t, AS_STRANGER, "hardened");
    const seen = attack(AS_STRANGER, hardened.child.pid);
    assert.deepEqual(seen, { mem: "EACCES", vm: "EACCES" });
    assert.throws(() => attackFiles(hardened.child.pid), /EACCES/);
  },
);

function attackFiles(pid: number | undefined): string {
  const script = `require("node:fs").readFileSync("/proc/${pid}/environ")`;
  const [command = "", ...args] = [...AS_STRANGER, process.execPath, "-e", script];
  return execFileSync(command, args, { encoding: "utf8", stdio: "pipe", cwd: "/" });
}

test("locked memory is neither dumped nor given to children, of either kind", async (t) => {
  // SECURITY: a core dump sent to a developer would carry the keys of its user.
  for (const prefix of [[], FALL_BACK]) {
    const { child, kind } = await victim(t, prefix, "open");
    if (prefix === FALL_BACK) assert.equal(kind, "mlock");
    const ranges = lockedRanges(child.pid);
    assert.equal(ranges.length, 1);
    // dd: not dumped, dc: not given to children (proc_pid_smaps(5)).
    for (const { flags } of ranges) assert.match(flags, /^(?=.*\bdd\b)(?=.*\bdc\b)/);
  }
});

test("no descriptor of the memory is left open", () => {
  const before = readdirSync("/proc/self/fd").length;
  const secret = allocSecure(32);
  assert.equal(readdirSync("/proc/self/fd").length, before);
  freeSecure(secret);
});
