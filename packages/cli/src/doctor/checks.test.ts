import assert from "node:assert/strict";
import { test } from "node:test";
import type { Posture } from "@sesame/core-types";
import { judge, type Check, type Facts, type Seen, type Verdict } from "./checks.ts";
import { countSwaps } from "./facts.ts";

const UID = 1_000;

const POSTURE: Posture = {
  release: "1.2.3",
  landlockAbi: 6,
  filesConfined: true,
  threads: 11,
  threadsConfined: 11,
  filters: 2,
  dumpable: false,
  coreLimit: 0,
  secureMemory: "memfd_secret",
  lockedBytes: 16_384,
  memlockLimit: 8 * 1024 * 1024,
};

const PRIVATE = { path: "/home/u/.config/pds", mode: 0o700, uid: UID, directory: true };

const seen = <T>(value: T): Seen<T> => ({ value });

const HEALTHY: Facts = {
  release: "1.2.3",
  uid: UID,
  postures: { "daemon-profile": seen(POSTURE), "daemon-secrets": seen(POSTURE) },
  launcher: seen(POSTURE),
  kernel: seen("6.12.0"),
  swaps: seen(0),
  ptraceScope: seen(1),
  files: seen([PRIVATE]),
  suite: null,
  badKeys: seen([]),
  oldKeys: seen([]),
  installation: seen("id"),
  auditWritable: seen(true),
  grantsIntact: seen(true),
  policyMissing: seen([]),
  panic: seen(false),
  clockBehindMs: seen(0),
  manager: seen("systemd units"),
};

function verdicts(facts: Facts, verdict: Verdict): Check[] {
  return judge(facts).filter((check) => check.verdict === verdict);
}

function names(checks: readonly Check[]): string[] {
  return checks.map(({ name }) => name);
}

test("all is well where all is well, and nothing is to be done", () => {
  const checks = judge(HEALTHY);
  assert.deepEqual(new Set(checks.map(({ verdict }) => verdict)), new Set(["ok"]));
  for (const { remedy } of checks) assert.equal(remedy, "");
});

test("[RUN-18] that the launcher is not confined is said by name", () => {
  const found = judge(HEALTHY).find(({ name }) => name === "daemon-launcher: confinement");
  assert.match(found?.found ?? "", /none by design/);
  const [missing] = verdicts({ ...HEALTHY, launcher: null }, "warning");
  assert.match(missing?.remedy ?? "", /sesame init/);
});

test("the folder of daemons that the system runs has to be closed", () => {
  // SECURITY: a folder that opened again gives the user's programs every key.
  const closed = { path: "/f", mode: 0o700, uid: 991, expected: 991, entered: false };
  assert.deepEqual(verdicts({ ...HEALTHY, suite: seen(closed) }, "failed"), []);
  for (const wrong of [{ mode: 0o701 }, { mode: 0o750 }, { uid: UID }, { entered: true }]) {
    const suite = seen({ ...closed, ...wrong });
    assert.deepEqual(names(verdicts({ ...HEALTHY, suite }, "failed")), ["suite's folder"]);
  }
});

test("what could not be looked at is never well", () => {
  // SECURITY: a doctor that passes what it has not seen hides what somebody has switched off.
  const unseen = { unseen: "no permission" };
  const none: Facts = {
    ...HEALTHY,
    postures: { "daemon-profile": unseen, "daemon-secrets": unseen },
    launcher: unseen,
    kernel: unseen,
    swaps: unseen,
    ptraceScope: unseen,
    files: unseen,
    badKeys: unseen,
    oldKeys: unseen,
    installation: unseen,
    auditWritable: unseen,
    grantsIntact: unseen,
    policyMissing: unseen,
    panic: unseen,
    clockBehindMs: unseen,
    manager: unseen,
  };
  const checks = judge(none);
  assert.deepEqual(names(checks), names(judge(HEALTHY)));
  for (const { name, verdict, found, remedy } of checks) {
    assert.equal(verdict, "unknown", name);
    assert.equal(found, "no permission", name);
    assert.notEqual(remedy, "", name);
  }
});

/** What is wrong in a daemon, the check that says so, and what it finds. */
const POSTURES: readonly (readonly [Partial<Posture>, string, Verdict, RegExp])[] = [
  [{ release: "1.2.2" }, "release", "failed", /1\.2\.2.*1\.2\.3/],
  [{ filesConfined: false }, "files", "failed", /not confined/],
  [{ landlockAbi: 0 }, "files", "failed", /not confined/],
  [{ threadsConfined: 10 }, "system call filters", "failed", /10 of 11/],
  [{ filters: 1 }, "system call filters", "failed", /at least 1/],
  [{ dumpable: true }, "tracing and core dumps", "failed", /traceable/],
  [{ coreLimit: 4_096 }, "tracing and core dumps", "failed", /core dumps/],
  [{ secureMemory: "none" }, "key memory", "failed", /none/],
  [{ secureMemory: "mlock" }, "key memory", "warning", /readable by root/],
  [{ memlockLimit: 65_536 }, "memory lock limit", "warning", /65536/],
];

for (const daemon of ["daemon-profile", "daemon-secrets"] as const)
  for (const [wrong, name, verdict, found] of POSTURES)
    test(`${daemon}: ${JSON.stringify(wrong)} is ${verdict}`, () => {
      const postures = { ...HEALTHY.postures, [daemon]: seen({ ...POSTURE, ...wrong }) };
      const [check, ...others] = judge({ ...HEALTHY, postures }).filter(
        (one) => one.verdict !== "ok",
      );
      assert.deepEqual(others, []);
      assert.equal(check?.name, `${daemon}: ${name}`);
      assert.equal(check.verdict, verdict);
      assert.match(check.found, found);
      assert.notEqual(check.remedy, "");
    });

/** What is wrong around the daemons. */
const SURROUNDINGS: readonly (readonly [Partial<Facts>, string, Verdict, RegExp])[] = [
  [{ swaps: seen(2) }, "swap", "warning", /swapped/],
  [{ ptraceScope: seen(0) }, "ptrace scope", "warning", /ptrace_scope=1/],
  [{ ptraceScope: seen(null) }, "ptrace scope", "warning", /ptrace_scope=1/],
  [{ oldKeys: seen(["ci"]) }, "age of keys", "warning", /key rotate --if-older 365d/],
  [{ badKeys: seen(["a.key: damaged"]) }, "key files", "failed", /backup/],
  [{ auditWritable: seen(false) }, "audit log", "failed", /space/],
  [{ grantsIntact: seen(false) }, "grants", "failed", /remove/],
  [{ policyMissing: seen(["daemon-secrets"]) }, "policy", "failed", /policy install/],
  [{ clockBehindMs: seen(3_600_000) }, "clock", "failed", /set the clock/],
  [
    { files: seen([PRIVATE, { ...PRIVATE, mode: 0o710 }]) },
    "files and directories",
    "failed",
    /^chmod 700 \/home\/u\/\.config\/pds$/,
  ],
  [
    { files: seen([PRIVATE, { path: "/f", mode: 0o604, uid: UID, directory: false }]) },
    "files and directories",
    "failed",
    /^chmod 600 \/f$/,
  ],
  [
    { files: seen([{ ...PRIVATE, uid: UID + 1 }]) },
    "files and directories",
    "failed",
    /^chown 1000 \/home\/u\/\.config\/pds$/,
  ],
];

for (const [wrong, name, verdict, remedy] of SURROUNDINGS)
  test(`${JSON.stringify(wrong)} is ${verdict}`, () => {
    const facts = { ...HEALTHY, ...wrong };
    const bad = judge(facts).filter((check) => check.verdict !== "ok");
    assert.deepEqual(names(bad), [name]);
    assert.equal(bad[0]?.verdict, verdict);
    assert.match(bad[0].remedy, remedy);
  });

test("a clock that is behind by seconds is well", () => {
  assert.deepEqual(verdicts({ ...HEALTHY, clockBehindMs: seen(59_000) }, "failed"), []);
});

test("swap is counted unless it is compressed memory", () => {
  const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
  assert.equal(countSwaps(heading), 0);
  assert.equal(countSwaps(`${heading}/dev/zram0 partition 8388604 0 100\n`), 0);
  assert.equal(
    countSwaps(`${heading}/swapfile file 2097148 0 -2\n/dev/zram0 partition 1 0 5\n`),
    1,
  );
});
