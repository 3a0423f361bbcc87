import assert from "node:assert/strict";
import { test } from "node:test";
import { identity } from "../testing/pair.ts";
import { Registry } from "./registry.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

test("[HANDSHAKE-4] an identity is found by its key and by its name, and nobody else", () => {
  const one = identity("one", { noiseKey: key(1) });
  const registry = new Registry([one, identity("two", { noiseKey: key(2) })], Date.now);
  assert.equal(registry.byKey(key(1)), one);
  assert.equal(registry.byName("one"), one);
  assert.equal(registry.byKey(key(3)), null);
  assert.equal(registry.byName("One"), null);
  assert.equal(registry.byName("__proto__"), null);
});

test("[ENROL-15] a suspended identity is nobody, and its name and key stay taken", () => {
  // SECURITY: an identity whose rights are held back would have them.
  const held = identity("held", { noiseKey: key(1), state: "suspended" });
  const registry = new Registry([held], Date.now);
  assert.equal(registry.byKey(key(1)), null);
  assert.equal(registry.byName("held"), null);
  assert.throws(
    () => new Registry([held, identity("other", { noiseKey: key(1) })], Date.now),
    RangeError,
  );
  assert.throws(
    () => new Registry([identity("held", { noiseKey: key(2) }), held], Date.now),
    RangeError,
  );
});

test("[HANDSHAKE-4] a key or a name that occurs twice is refused", () => {
  // SECURITY: of two identities with one key, the wrong one's clearance could be given.
  const one = identity("one", { noiseKey: key(1) });
  assert.throws(
    () => new Registry([one, identity("two", { noiseKey: key(1) })], Date.now),
    RangeError,
  );
  assert.throws(
    () => new Registry([one, identity("one", { noiseKey: key(2) })], Date.now),
    RangeError,
  );
});

test("[ENROL-10] what the registry knows is exchanged as a whole, or stays", () => {
  // SECURITY: an identity that was removed would keep its rights.
  const [one, two] = [identity("one", { noiseKey: key(1) }), identity("two", { noiseKey: key(2) })];
  const registry = new Registry([one], Date.now);
  registry.replace([two]);
  assert.equal(registry.byKey(key(1)), null);
  assert.equal(registry.byName("one"), null);
  assert.equal(registry.byKey(key(2)), two);
  assert.throws(() => registry.replace([one, one]), RangeError);
  assert.equal(registry.byName("two"), two);
});

test("[ENROL-17] a former key is its identity's until its date, and nobody's from then on", () => {
  // SECURITY: a key that was replaced because others may know it would let them in for ever.
  const keys = { sealingKey: key(9), signingKey: key(9) };
  const one = identity("one", {
    noiseKey: key(1),
    former: [
      { ...keys, noiseKey: key(2), untilMs: 2_000 },
      { ...keys, noiseKey: key(3), untilMs: 3_000 },
    ],
  });
  let nowMs = 1_000;
  const registry = new Registry([one], () => nowMs);
  const holders = (): unknown[] => [1, 2, 3].map((byte) => registry.byKey(key(byte))?.name ?? null);
  assert.deepEqual(holders(), ["one", "one", "one"]);
  assert.equal(registry.lapsed(), false);
  nowMs = 1_999;
  assert.deepEqual(holders(), ["one", "one", "one"]);
  nowMs = 2_000;
  assert.equal(registry.lapsed(), true);
  assert.equal(registry.lapsed(), false);
  assert.deepEqual(holders(), ["one", null, "one"]);
  // A clock that is set back gives no key more time.
  nowMs = 1_000;
  assert.deepEqual(holders(), ["one", null, "one"]);
  nowMs = 10_000;
  assert.equal(registry.lapsed(), true);
  assert.deepEqual(holders(), ["one", null, null]);
  assert.equal(registry.lapsed(), false);
  registry.replace([{ ...one, state: "suspended" }]);
  assert.deepEqual(holders(), [null, null, null]);
  assert.throws(() => registry.replace([one, identity("two", { noiseKey: key(3) })]), RangeError);
});
