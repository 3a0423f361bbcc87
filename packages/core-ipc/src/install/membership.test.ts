import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial } from "@sesame/core-types";
import { identity } from "../testing/pair.ts";
import { admitted, changesOf, inState, ofKey, ofName, without } from "./membership.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const member = (name: string, byte: number) => ({
  ...identity(name, { noiseKey: key(byte) }),
  id: `00000000-0000-7000-8000-0000000000${String(byte).padStart(2, "0")}`,
  signingKey: key(100 + byte),
});
const [one, two] = [member("one", 1), member("two", 2)];

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
  assert.deepEqual(changesOf(all, suspended), ["suspended one"]);
  assert.deepEqual(changesOf(suspended, all), ["resumed one"]);
  assert.deepEqual(changesOf(all, without(all, "two")), ["removed two"]);
  assert.deepEqual(changesOf([one], all), ["added two"]);
  assert.deepEqual(changesOf(all, [one, { ...two, clearance: "open" }]), ["changed two"]);
  assert.deepEqual(changesOf(all, all), []);
  assert.deepEqual(inState(all, "nobody", "suspended"), all);
});

test("[ENROL-2] names are found whatever their case, keys exactly", () => {
  assert.equal(ofName([one, two], "TWO"), two);
  assert.equal(ofName([one, two], "three"), null);
  assert.equal(ofKey([one, two], key(1)), one);
  assert.equal(ofKey([one, two], key(3)), null);
});
