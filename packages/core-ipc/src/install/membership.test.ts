import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial, limits, type Identity } from "@sesame/core-types";
import { identity } from "../testing/pair.ts";
import {
  admitted,
  changesOf,
  inState,
  ofKey,
  ofName,
  rotated,
  without,
  type Identities,
} from "./membership.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const member = (name: string, byte: number) => ({
  ...identity(name, { noiseKey: key(byte) }),
  id: `00000000-0000-7000-8000-0000000000${String(byte).padStart(2, "0")}`,
  signingKey: key(100 + byte),
});
const [one, two] = [member("one", 1), member("two", 2)];

const changes = (before: Identities, after: Identities): string[] =>
  changesOf({ identities: before, tokens: [] }, { identities: after, tokens: [] });

test("[ENROL-8] a name, a Noise key and a signing key are one identity's", () => {
  // SECURITY: two identities with one key have each other's rights.
  assert.deepEqual(admitted([one], two), [one, two]);
  for (const [other, code] of [
    [{ ...two, name: "ONE" }, "name-taken"],
    [{ ...two, noiseKey: key(1) }, "key-taken"],
    [{ ...two, signingKey: key(101) }, "key-taken"],
  ] as const)
    for (const state of ["active", "suspended"] as const)
      assert.throws(
        () => admitted([{ ...one, state }], other),
        (cause) => cause instanceof Denial && cause.code === code,
      );
});

test("changes concern one identity, and are told by its name", () => {
  const all = [one, two];
  const suspended = inState(all, "one", "suspended");
  assert.deepEqual(
    suspended.map(({ state }) => state),
    ["suspended", "active"],
  );
  assert.deepEqual(changes(all, suspended), ["suspended one"]);
  assert.deepEqual(changes(suspended, all), ["resumed one"]);
  assert.deepEqual(changes(all, without(all, "two")), ["removed two"]);
  assert.deepEqual(changes([one], all), ["added two"]);
  assert.deepEqual(changes(all, [one, { ...two, clearance: "open" }]), ["changed two"]);
  assert.deepEqual(changes(all, all), []);
  assert.deepEqual(inState(all, "nobody", "suspended"), all);
});

test("[ENROL-2] names are found whatever their case, keys exactly", () => {
  assert.equal(ofName([one, two], "TWO"), two);
  assert.equal(ofName([one, two], "three"), null);
  assert.equal(ofKey([one, two], key(1)), one);
  assert.equal(ofKey([one, two], key(3)), null);
});

test("[ENROL-17] former keys stay for their time, rotation upon rotation, and are nobody else's", () => {
  // SECURITY: a key that was given up would let its finder in, or be taken over by somebody else.
  const fresh = (byte: number) => ({
    noiseKey: key(byte),
    sealingKey: key(byte),
    signingKey: key(100 + byte),
  });
  const first = rotated([one, two], "one", fresh(3), { nowMs: 1_000, untilMs: 2_000 });
  const second = rotated(first, "one", fresh(4), { nowMs: 1_500, untilMs: 2_500 });
  assert.deepEqual(
    second[0]?.former.map(({ noiseKey, untilMs }) => [noiseKey[0], untilMs]),
    [
      [1, 2_000],
      [3, 2_500],
    ],
  );
  assert.deepEqual([second[0]?.noiseKey, second[0]?.keyedMs], [key(4), 1_500]);
  assert.equal(second[1], two);
  assert.equal(ofKey(second, key(1))?.name, "one");
  for (const byte of [1, 3, 4, 2]) {
    const again = fresh(byte);
    const taken = (cause: unknown): boolean =>
      cause instanceof Denial && cause.code === "key-taken";
    assert.throws(() => rotated(second, "two", again, { nowMs: 1_600, untilMs: 2_600 }), taken);
    assert.throws(() => admitted(second, { ...member("new", byte) }), taken);
  }
  const third = rotated(second, "one", fresh(5), { nowMs: 2_000, untilMs: 3_000 });
  assert.deepEqual(
    third[0]?.former.map(({ noiseKey }) => noiseKey[0]),
    [3, 4],
  );
  assert.deepEqual(changes(second, third), ["rotated one"]);
  let crowd = third;
  for (let i = 0; i < limits.MAX_FORMER_KEYS - 2; i++)
    crowd = rotated(crowd, "one", fresh(10 + i), { nowMs: 2_100, untilMs: 9_000 });
  assert.throws(() => rotated(crowd, "one", fresh(20), { nowMs: 2_100, untilMs: 9_000 }), {
    exit: "try-later",
  });
});

test("[KEYS-21] stolen keys end with all before them, whatever the clock says later", () => {
  // SECURITY: the thief of a key that was rotated before would go on until its date.
  const fresh = (byte: number) => ({
    noiseKey: key(byte),
    sealingKey: key(byte),
    signingKey: key(100 + byte),
  });
  let all = [one, two] as readonly Identity[];
  for (let i = 0; i < limits.MAX_FORMER_KEYS; i++)
    all = rotated(all, "one", fresh(10 + i), { nowMs: 1_000, untilMs: 9_000 });
  const after = rotated(all, "one", fresh(20), { nowMs: 2_000, untilMs: 2_000 });
  assert.deepEqual(after[0]?.noiseKey, key(20));
  assert.deepEqual(new Set(after[0]?.former.map(({ untilMs }) => untilMs)), new Set([0]));
  // That they were its own stays known, so that they become nobody else's and are erased.
  assert.equal(ofKey(after, key(13))?.name, "one");
  const next = rotated(after, "one", fresh(21), { nowMs: 2_100, untilMs: 9_000 });
  assert.deepEqual(
    next[0]?.former.map(({ noiseKey }) => noiseKey),
    [key(20)],
  );
});
