import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Denial, type Identity, type PublicKeys } from "@sesame/core-types";
import { handClock, identity } from "../testing/pair.ts";
import { saveInstallation } from "./installation.ts";
import { addKeys } from "./key-directory.ts";
import { rotated, type Identities } from "./membership.ts";
import { openOwn, type OwnOptions } from "./own-keys.ts";

const ROOT = new Uint8Array(new ArrayBuffer(32)).fill(9);
const OWN = "daemon-secrets";

/** A daemon's record and keys, which the operator changes by hand. */
function place(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "sesame-own-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const keys = join(directory, OWN);
  mkdirSync(keys, { mode: 0o700 });
  const clock = handClock();
  const path = join(directory, "installation.toml");
  const fresh = (): PublicKeys => {
    const { noise, sealing, signingKey } = addKeys(suite, keys);
    return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
  };
  let identities: Identities = [{ ...identity(OWN, { kind: "daemon" }), ...fresh() }];
  const sign = (): void => {
    const members = { identities, tokens: [] };
    const record = { id: "00000000-0000-7000-8000-000000000001", serial: 0, ...members };
    clock.turn(1);
    const rootKey = suite.ed25519PublicKey(ROOT);
    saveInstallation(suite, path, { ...record, rootKey }, ROOT, clock.wallMs());
  };
  sign();
  const options: OwnOptions = {
    suite,
    path,
    mark: join(directory, "record.mark"),
    own: OWN,
    keys,
    title: "the daemon",
    clock,
    log: () => undefined,
  };
  return {
    clock,
    sign,
    fresh,
    open: () => openOwn(options),
    files: () => readdirSync(keys).length,
    own: () => identities[0] as Identity,
    rotate: (overlapMs: number, next = fresh()) => {
      const nowMs = clock.wallMs();
      identities = rotated(identities, OWN, next, { nowMs, untilMs: nowMs + overlapMs });
      sign();
      return next;
    },
  };
}

const publicKeys = ({ all }: { all: () => readonly { publicKey: Uint8Array }[] }): string[] =>
  all().map(({ publicKey }) => Buffer.from(publicKey).toString("hex"));
const hex = (key: Uint8Array): string => Buffer.from(key).toString("hex");

test("[KEYS-19] the present keys come first, former ones after them until their dates", (t) => {
  const { clock, open, rotate, own, files } = place(t);
  const first = own();
  const { inForce, keys } = open();
  const all = (): string[] => publicKeys({ all: () => keys.all() });
  rotate(10_000);
  assert.equal(inForce.adopt(inForce.reread()), true);
  const second = own();
  rotate(5_000);
  inForce.adopt(inForce.reread());
  const [a, b, c] = [first, second, own()].map(({ noiseKey }) => hex(noiseKey));
  assert.deepEqual(all(), [c, b, a]);
  assert.equal(files(), 3);
  clock.turn(5_000);
  assert.deepEqual(all(), [c, a]);
  clock.turn(5_000);
  assert.deepEqual(all(), [c]);
  // SECURITY: a clock that is set back would bring stolen keys back to life.
  clock.setBack(60_000);
  assert.deepEqual(all(), [c]);
  keys.lapse();
  assert.equal(files(), 1);
  keys.lapse();
  assert.equal(hex(keys.present.noise.publicKey), c);
});

test("[KEYS-21] former keys are erased at their date, also by the next start", (t) => {
  const { clock, open, rotate, files } = place(t);
  rotate(1_000);
  const { keys } = open();
  assert.equal(keys.all().length, 2);
  assert.equal(files(), 2);
  clock.turn(1_000);
  const again = open();
  assert.equal(again.keys.all().length, 1);
  assert.equal(files(), 1);
});

test("[KEYS-21] without overlap all keys before end at once, also where the daemon does not run", (t) => {
  const { open, rotate, files } = place(t);
  const { inForce, keys } = open();
  rotate(60_000);
  rotate(0);
  inForce.adopt(inForce.reread());
  assert.equal(keys.all().length, 1);
  assert.equal(files(), 1);
  for (let i = 0; i < 3; i++) rotate(60_000);
  rotate(0);
  assert.equal(open().keys.all().length, 1);
  assert.equal(files(), 1);
});

test("[KEYS-21] stolen keys end with former ones whose date had not come, also by the next start", (t) => {
  // SECURITY: the thief of a key that was rotated before would go on as the daemon until its date.
  for (const runs of [true, false]) {
    const { open, rotate, files } = place(t);
    rotate(60_000);
    const before = open();
    assert.equal(before.keys.all().length, 2);
    rotate(0);
    if (runs) before.inForce.adopt(before.inForce.reread());
    const { keys } = runs ? before : open();
    assert.equal(keys.all().length, 1);
    assert.equal(files(), 1);
  }
});

test("[KEYS-22] a record that nobody has told of is found, and only its keys are taken over", (t) => {
  const { open, rotate } = place(t);
  const { inForce, keys } = open();
  keys.refresh();
  assert.equal(keys.refresh(), false);
  const before = inForce.own;
  const next = rotate(1_000);
  assert.equal(keys.refresh(), true);
  assert.equal(keys.refresh(), false);
  assert.equal(hex(keys.present.noise.publicKey), hex(next.noiseKey));
  assert.equal(keys.all().length, 2);
  assert.equal(inForce.own, before);
  inForce.adopt(inForce.reread());
  assert.equal(hex(inForce.own.noiseKey), hex(next.noiseKey));
});

test("[ENROL-9] a record that names keys which the daemon does not have is refused", (t) => {
  // SECURITY: who makes the operator sign another's keys for the daemon's would become the daemon.
  const { open, rotate, own } = place(t);
  const { inForce, keys } = open();
  const before = hex(own().noiseKey);
  rotate(1_000, identity(OWN, { noiseKey: suite.randomBytes(32) }));
  assert.throws(
    () => inForce.reread(),
    (cause) => {
      return cause instanceof Denial && cause.code === "record-refused";
    },
  );
  assert.equal(keys.refresh(), false);
  assert.deepEqual(publicKeys({ all: () => keys.all() }), [before]);
  assert.throws(open, { name: "Fault", exit: "integrity" });
});

test("[KEYS-19] more former keys than may overlap are refused, with a remedy", (t) => {
  const { rotate } = place(t);
  for (let i = 0; i < 4; i++) rotate(60_000);
  assert.throws(() => rotate(60_000), { name: "Fault", exit: "try-later" });
});
