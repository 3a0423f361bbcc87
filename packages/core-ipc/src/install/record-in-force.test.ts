import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Denial, limits, type Certified, type Identity } from "@sesame/core-types";
import {
  accepted,
  admission,
  INSTALLATION,
  keysOf,
  NOW_MS,
  rotation,
  tokenOf,
} from "../testing/certificates.ts";
import { identity } from "../testing/pair.ts";
import { saveInstallation, type Installation } from "./installation.ts";
import { RecordInForce } from "./record-in-force.ts";

const ROOT = new Uint8Array(new ArrayBuffer(32)).fill(9);
const OWN = "daemon-secrets";
const RECORD: Installation = {
  id: "00000000-0000-7000-8000-000000000001",
  rootKey: suite.ed25519PublicKey(ROOT),
  serial: 0,
  identities: [identity(OWN, { kind: "daemon" }), identity("ci")],
  tokens: [],
};

type Place = {
  readonly path: string;
  readonly mark: string;
  /** Signs a record, at a time in milliseconds; its bytes. */
  readonly sign: (at: number, change?: Partial<Installation>, seed?: Uint8Array) => Buffer;
  readonly open: () => RecordInForce;
};

function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), "sesame-record-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "installation.toml");
  const mark = join(directory, "record.mark");
  return {
    path,
    mark,
    sign: (at, change = {}, seed = ROOT) => {
      saveInstallation(suite, path, { ...RECORD, ...change }, seed, at);
      return readFileSync(path);
    },
    open: () => new RecordInForce({ suite, path, mark, own: OWN }),
  };
}

const without = (name: string): readonly Identity[] =>
  RECORD.identities.filter((one) => one.name !== name);
const refused =
  (detail: string) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === "record-refused" && cause.detail.includes(detail);

test("[ENROL-13] an older record is refused while the daemon runs, and when it starts again", (t) => {
  // SECURITY: an old record that is put back would bring a revoked identity back to life.
  const { path, sign, open } = place(t);
  const old = sign(1_000);
  const record = open();
  sign(2_000, { identities: without("ci") });
  assert.equal(record.adopt(record.reread()), true);
  writeFileSync(path, old);
  assert.throws(() => record.reread(), refused("older"));
  assert.equal(record.installation.serial, 2_000);
  assert.throws(open, { exit: "integrity", hint: /sesame record renew/ });
  // Signed anew, the same members are the latest.
  sign(3_000);
  assert.equal(open().installation.serial, 3_000);
});

test("[ENROL-13] a record that came while the daemon did not run counts from its start on", (t) => {
  // SECURITY: whoever keeps the daemon from reloading would have the old record back afterwards.
  const { path, sign, open } = place(t);
  const old = sign(1_000);
  open();
  sign(2_000, { identities: without("ci") });
  open();
  writeFileSync(path, old);
  assert.throws(open, { exit: "integrity" });
});

test("[ENROL-13] of two reloads at once the later record stays in force", (t) => {
  // SECURITY: the record from before a revocation would be put in force after it.
  const { sign, open } = place(t);
  sign(1_000);
  const record = open();
  sign(2_000);
  const first = record.reread();
  sign(3_000, { identities: without("ci") });
  const second = record.reread();
  assert.equal(record.adopt(second), true);
  assert.equal(record.adopt(first), false);
  assert.equal(record.installation.serial, 3_000);
});

test("[ENROL-13] another installation's record is refused, also at a start", (t) => {
  // SECURITY: a record signed by a root key of one's own would make everybody an operator.
  const { path, mark, sign, open } = place(t);
  const good = sign(1_000);
  const record = open();
  const seed = suite.randomBytes(32);
  sign(2_000, { rootKey: suite.ed25519PublicKey(seed) }, seed);
  assert.throws(() => record.reread(), refused("another"));
  assert.throws(open, { exit: "integrity" });
  sign(2_000, { id: "00000000-0000-7000-8000-000000000002" });
  assert.throws(open, (cause: Error & { hint: string }) => cause.hint.includes(mark));
  writeFileSync(path, good);
  open();
});

test("[ENROL-13] a damaged mark is no missing one", (t) => {
  // SECURITY: a flipped bit, or an empty file after a crash, would let every old record in.
  const { mark, sign, open } = place(t);
  sign(1_000);
  open();
  const good = readFileSync(mark);
  for (let at = 0; at < good.length; at++) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 0x80;
    writeFileSync(mark, damaged);
    assert.throws(open, { name: "Fault", exit: "integrity" }, `${at}`);
  }
  for (const length of [0, 1, good.length - 1]) {
    writeFileSync(mark, good.subarray(0, length));
    assert.throws(open, { name: "Fault", exit: "integrity" });
  }
  writeFileSync(mark, good);
  open();
});

test("[ENROL-13] a record whose mark cannot be written is not in force", (t) => {
  // SECURITY: a full disk would make the next start forget that there was a revocation.
  const { mark, sign, open } = place(t);
  sign(1_000);
  const record = open();
  sign(2_000);
  const found = record.reread();
  rmSync(dirname(mark), { recursive: true });

  assert.throws(
    () => record.adopt(found),
    (cause) => cause instanceof Denial && cause.code === "storage-failed",
  );
  assert.equal(record.installation.serial, 1_000);
});

const T = 100;

/** A record with a token for two, and an owner that goes by it. */
function withToken(t: TestContext): Place {
  const made = place(t);
  const members = { id: INSTALLATION, tokens: [tokenOf(T, { uses: 2 })] };
  return { ...made, sign: (at, change = {}) => made.sign(at, { ...members, ...change }) };
}

const names = ({ installation }: RecordInForce): string[] =>
  installation.identities.map(({ name }) => name);

/** What an owner does with a certificate that it is shown. */
function show(record: RecordInForce, certificate: Uint8Array, atMs = NOW_MS): string {
  const verdict = record.judge(certificate, atMs);
  if (verdict.is === "good") return record.accept(verdict.one) ? "in" : "void";
  return verdict.is === "known" ? "known" : verdict.reason;
}

test("[ENROL-22] what was accepted is there after a restart, and counted once", (t) => {
  // SECURITY: an owner that forgets what it let in would let in more than the token says.
  const { sign, open } = withToken(t);
  sign(1_000);
  const first = open();
  assert.equal(show(first, admission(T, 1)), "in");
  assert.equal(show(first, admission(T, 1)), "known");
  const again = open();
  assert.deepEqual(names(again), [OWN, "ci", "ci-1"]);
  assert.equal(show(again, admission(T, 1)), "known");
  assert.equal(show(again, admission(T, 2)), "in");
  assert.equal(show(again, admission(T, 3)), "token-spent");
  assert.equal(show(open(), admission(T, 3)), "token-spent");
});

test("[ENROL-22] what cannot be written is not in force", (t) => {
  // SECURITY: it would be counted again after the next start.
  const { path, sign, open } = withToken(t);
  sign(1_000);
  const record = open();
  rmSync(dirname(path), { recursive: true });
  assert.throws(() => show(record, admission(T, 1)), denialOf("storage-failed"));
  assert.deepEqual(names(record), [OWN, "ci"]);
});

test("[ENROL-23] damaged certificates are no missing ones", (t) => {
  // SECURITY: whoever damages the file would bring back keys that were given up.
  const { path, sign, open } = withToken(t);
  sign(1_000);
  assert.equal(show(open(), admission(T, 1)), "in");
  const file = join(dirname(path), "certificates.state");
  const good = readFileSync(file);
  for (let at = 0; at < good.length; at += 7) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(file, bad);
    assert.throws(open, { name: "Fault", exit: "integrity" }, `byte ${at}`);
  }
  writeFileSync(file, good.subarray(0, -1));
  assert.throws(open, { name: "Fault", exit: "integrity" });
  writeFileSync(file, good);
  assert.deepEqual(names(open()), [OWN, "ci", "ci-1"]);
});

test("[ENROL-21] [ENROL-29] a new record takes certificates over, or ends them for good", (t) => {
  // SECURITY: what the operator has thrown out would come back with the next start.
  const { sign, open } = withToken(t);
  sign(1_000);
  const record = open();
  assert.equal(show(record, admission(T, 1)), "in");
  assert.equal(show(record, admission(T, 2)), "in");
  const { identities, tokens } = record.installation;
  const left = identities.filter(({ name }) => name !== "ci-2");
  sign(2_000, { identities: left, tokens });
  assert.equal(record.adopt(record.reread()), true);
  assert.deepEqual(names(record), [OWN, "ci", "ci-1"]);
  assert.deepEqual(record.certificates.certificates, []);
  for (const one of [record, open()]) {
    assert.equal(show(one, admission(T, 2)), "token-used");
    assert.equal(show(one, admission(T, 3)), "token-spent");
  }
  // A token that was revoked ends what was not signed yet, also if it is signed again.
  sign(3_000, { tokens: [tokenOf(T)] });
  const other = open();
  assert.equal(show(other, admission(T, 5)), "in");
  sign(4_000, { tokens: [] });
  assert.equal(other.adopt(other.reread()), true);
  sign(5_000, { tokens: [tokenOf(T)] });
  assert.deepEqual(names(open()), [OWN, "ci"]);
});

test("[ENROL-23] an owner that was away goes by what the first one goes by", (t) => {
  // SECURITY: an owner that lags would take a key that was given up.
  const { sign, open } = withToken(t);
  sign(1_000);
  const first = open();
  const later = withToken(t);
  later.sign(1_000);
  const second = later.open();
  assert.equal(show(first, admission(T, 1)), "in");
  assert.equal(show(first, rotation(1, 3, { madeMs: NOW_MS + 5 }), NOW_MS + 10), "in");
  assert.equal(second.follow(first.certificates), true);
  assert.equal(second.follow(first.certificates), false);
  assert.deepEqual(second.installation, first.installation);
  assert.deepEqual(later.open().installation, first.installation);
  // What is told it judges for itself.
  const forged = [accepted(admission(T, 4, {}, [4, 4])), accepted(admission(T + 1, 4))];
  const more = [2, 3, 4].map((n) => accepted(admission(T, n)));
  second.follow({ serial: first.certificates.serial, certificates: [...forged, ...more] });
  assert.deepEqual(names(second), [OWN, "ci", "ci-2", "ci-3"]);
  second.follow({ serial: first.certificates.serial, certificates: [] });
  assert.deepEqual(names(second), [OWN, "ci"]);
});

test("[ENROL-23] beside a record that it has not read yet, an owner keeps what it has", (t) => {
  const { sign, open } = withToken(t);
  sign(1_000);
  const record = open();
  assert.equal(show(record, admission(T, 1)), "in");
  const { serial } = record.certificates;
  const told = { serial: serial + 1, certificates: [accepted(admission(T, 2))] };
  assert.equal(record.follow(told), true);
  assert.deepEqual(names(record), [OWN, "ci", "ci-1", "ci-2"]);
});

test("[ENROL-23] an owner keeps so many certificates, and takes no more until the record is signed", (t) => {
  // SECURITY: who has keys and patience would fill the disk of every owner, and who has one key
  // alone would keep everybody else from coming in.
  const { sign, open } = withToken(t);
  const { MAX_CERTIFICATES, MAX_ROTATIONS } = limits;
  const rotators = Array.from({ length: MAX_CERTIFICATES / MAX_ROTATIONS }, (_, i) => ({
    ...identity(`rotator-${i}`, { kind: "ai" }),
    ...keysOf(i * (MAX_ROTATIONS + 3) + 1_000),
    keyedMs: 0,
  }));
  sign(1_000, { identities: [...without("ci"), ...rotators] });
  const record = open();
  const overlap = { madeMs: NOW_MS, untilMs: NOW_MS };
  const rotated = (by: number, times: number): Uint8Array => {
    const from = by * (MAX_ROTATIONS + 3) + 1_000 + times;
    return rotation(from, from + 1, overlap);
  };
  const all: Certified[] = [];
  for (const [by] of rotators.entries()) {
    for (let i = 0; i < MAX_ROTATIONS; i++) all.push(accepted(rotated(by, i)));
    record.follow({ serial: record.certificates.serial, certificates: all });
    assert.equal(record.certificates.certificates.length, all.length);
    assert.equal(show(record, rotated(by, MAX_ROTATIONS)), "too-often");
    if (by === 0) assert.equal(show(record, admission(T, 1)), "in");
  }
  assert.equal(show(record, admission(T, 2)), "full");
  sign(2_000, { identities: record.installation.identities });
  assert.equal(record.adopt(record.reread()), true);
  assert.equal(show(record, rotated(0, MAX_ROTATIONS)), "in");
});

test("[ENROL-25] a clock that is set back gives a token no more time", (t) => {
  // SECURITY: whoever turns the clock would use a token that has lapsed.
  const { sign, open } = withToken(t);
  sign(1_000, { tokens: [tokenOf(T, { uses: 3 }), tokenOf(T + 1, { untilMs: NOW_MS + 10 })] });
  const record = open();
  assert.equal(show(record, admission(T, 1), NOW_MS + 20), "in");
  assert.equal(show(record, admission(T + 1, 2), NOW_MS), "token-lapsed");
});

test("[ENROL-19] [ENROL-30] a rotation that is shown again is the same one", (t) => {
  const { sign, open } = withToken(t);
  const agent = { ...identity("ci", { kind: "ai" }), ...keysOf(1), keyedMs: 0 };
  sign(1_000, { identities: [...without("ci"), agent] });
  const record = open();
  const blocked = record.judge(rotation(1, 2), NOW_MS, ({ name }) => name === "ci");
  assert.ok(blocked.is === "refused" && blocked.reason === "blocked");
  assert.equal(show(record, rotation(1, 2)), "in");
  assert.equal(show(record, rotation(1, 2)), "known");
  assert.equal(show(record, rotation(1, 2, { madeMs: NOW_MS + 1 })), "known");
  assert.equal(show(record, rotation(2, 3)), "in");
  assert.equal(show(record, rotation(1, 2)), "key-unknown");
});

function denialOf(code: string) {
  return (cause: unknown): boolean => cause instanceof Denial && cause.code === code;
}
