import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Denial, type Identity } from "@sesame/core-types";
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
