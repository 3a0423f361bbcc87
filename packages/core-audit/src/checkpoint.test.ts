import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite } from "@sesame/core-crypto/node";
import {
  checkpointOf,
  isSignedCheckpoint,
  signerOf,
  statement,
  type LogOwner,
  type Reach,
} from "./checkpoint.ts";
import { OWNER, STRANGER } from "./testing/fixture.ts";

const SEEDS = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));
const [FIRST, SECOND, PRESENT] = SEEDS.map((seed) => nodeSuite.ed25519PublicKey(seed));
const { installationId } = OWNER;
const LOG: LogOwner = {
  installationId,
  publicKey: PRESENT as Uint8Array,
  formerKeys: [FIRST as Uint8Array, SECOND as Uint8Array],
};
const REACH: Reach = { sequence: 7, hash: "ab".repeat(32), timeMs: 1_763_000_000_000 };
const signed = (seed: Uint8Array = STRANGER, reach = REACH): Uint8Array =>
  nodeSuite.ed25519Sign(seed, statement(installationId, reach));

test("[AUDIT-38] a checkpoint counts under the present key, and for what it says", () => {
  // SECURITY: what is kept elsewhere would speak for a log that somebody else has written.
  const kept = checkpointOf(REACH, signed(SEEDS[2]));
  assert.ok(isSignedCheckpoint(nodeSuite, LOG, kept));
  for (const seed of [SEEDS[0], SEEDS[1], STRANGER])
    assert.ok(!isSignedCheckpoint(nodeSuite, LOG, checkpointOf(REACH, signed(seed))));
  for (const changed of [
    { ...kept, sequence: 8 },
    { ...kept, timeMs: kept.timeMs + 1 },
    { ...kept, hash: new Uint8Array(32) },
    { ...kept, signature: new Uint8Array(64) },
    { ...kept, signature: kept.signature.subarray(1) },
  ])
    assert.ok(!isSignedCheckpoint(nodeSuite, LOG, changed));
  const other = { ...LOG, installationId: new Uint8Array(16) };
  assert.ok(!isSignedCheckpoint(nodeSuite, other, kept));
});

test("[AUDIT-42] who signed is found among the keys of the log, in their order", () => {
  const found = SEEDS.map((seed) => signerOf(nodeSuite, LOG, REACH, signed(seed)));
  assert.deepEqual(found, [0, 1, 2]);
  assert.equal(signerOf(nodeSuite, LOG, REACH, signed()), null);
  const alone = { installationId, publicKey: LOG.publicKey };
  assert.equal(signerOf(nodeSuite, alone, REACH, signed(SEEDS[2])), 0);
  assert.equal(signerOf(nodeSuite, alone, REACH, signed(SEEDS[0])), null);
});

test("[AUDIT-11] a statement has 90 bytes, and no other installation's id in them", () => {
  assert.equal(statement(installationId, REACH).length, 90);
  for (const length of [0, 15, 17])
    assert.throws(() => statement(new Uint8Array(length), REACH), RangeError);
});
