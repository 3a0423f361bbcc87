import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { liftStatement, type Lift } from "@sesame/core-ipc/daemon";
import { limits } from "@sesame/core-types";
import { RootProof } from "./root-proof.ts";

const seed = (fill: number): Uint8Array => new Uint8Array(new ArrayBuffer(32)).fill(fill);
const id = (fill: number): Uint8Array => new Uint8Array(16).fill(fill);
const [ROOT, OTHER] = [seed(1), seed(2)];
const [HERE, SESSION] = [id(1), id(2)];

function bench(): { proof: RootProof; turn: (ms: number) => void } {
  let now = 0;
  const proof = new RootProof({
    suite,
    clock: { monotonicMs: () => now },
    installation: HERE,
    rootKey: () => suite.ed25519PublicKey(ROOT),
  });
  return { proof, turn: (ms) => (now += ms) };
}

function signed(challenge: Uint8Array, change: Partial<Lift> = {}, key = ROOT): Uint8Array {
  const lift = { installation: HERE, session: SESSION, challenge, ...change };
  return suite.ed25519Sign(key, liftStatement(lift));
}

const refused = { code: "factor-rejected" };

test("[PANIC-7] the root key ends it by signing this challenge, on this session, here", () => {
  // SECURITY: a signature for another panic, session or installation would end this one.
  const { proof } = bench();
  for (const change of [{ session: id(3) }, { installation: id(3) }, { challenge: seed(3) }]) {
    const challenge = proof.challenge(SESSION);
    assert.throws(() => proof.expect(SESSION, signed(challenge, change)), refused);
  }
  assert.throws(() => proof.expect(SESSION, signed(proof.challenge(SESSION), {}, OTHER)), refused);
  assert.throws(() => proof.expect(id(3), signed(proof.challenge(SESSION))), refused);
  const elsewhere = signed(proof.challenge(SESSION), { session: id(3) });
  assert.throws(() => proof.expect(id(3), elsewhere), refused);
  proof.expect(SESSION, signed(proof.challenge(SESSION)));
});

test("[PANIC-7] a challenge is answered once, in its time, while its panic holds", () => {
  // SECURITY: an answer that was overheard would end the next panic, too.
  const { proof, turn } = bench();
  const first = signed(proof.challenge(SESSION));
  proof.expect(SESSION, first);
  assert.throws(() => proof.expect(SESSION, first), refused);
  const second = signed(proof.challenge(SESSION));
  assert.throws(() => proof.expect(SESSION, new Uint8Array(64)), refused);
  assert.throws(() => proof.expect(SESSION, second), refused, "a wrong try ends it");
  const third = signed(proof.challenge(SESSION));
  turn(limits.LIFT_CHALLENGE_MS);
  assert.throws(() => proof.expect(SESSION, third), refused);
  const fourth = signed(proof.challenge(SESSION));
  proof.forget();
  assert.throws(() => proof.expect(SESSION, fourth), refused);
});
