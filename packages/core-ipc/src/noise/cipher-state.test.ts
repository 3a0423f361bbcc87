import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite } from "@sesame/core-crypto/node";
import { nobleSuite } from "@sesame/core-crypto/noble";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { CipherState } from "./cipher-state.ts";

const EMPTY = new Uint8Array();
const suites = [nodeSuite, sodiumSuite, nobleSuite];
const key = (): Uint8Array => new Uint8Array(32).fill(3);

function seal(state: CipherState, text: string): Uint8Array {
  const plaintext = new TextEncoder().encode(text);
  const out = new Uint8Array(plaintext.length + 16);
  state.sealInto(out, EMPTY, plaintext);
  return out;
}

function open(state: CipherState, sealed: Uint8Array): string | null {
  const out = new Uint8Array(Math.max(sealed.length - 16, 0));
  return state.openInto(out, EMPTY, sealed) ? new TextDecoder().decode(out) : null;
}

for (const one of suites)
  for (const other of suites) {
    test(`[FRAME-2] messages open in their order only, ${one.name} to ${other.name}`, () => {
      // SECURITY: a message that opens twice, late or early is a replay.
      const sender = new CipherState(one, key());
      const receiver = new CipherState(other, key());
      const [a, b, c] = ["a", "b", "c"].map((text) => seal(sender, text)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      assert.equal(open(receiver, b), null);
      assert.equal(open(receiver, a), "a");
      assert.equal(open(receiver, a), null);
      assert.equal(open(receiver, c), null);
      assert.equal(open(receiver, b), "b");
      assert.equal(open(receiver, c), "c");
      assert.equal(receiver.count, 3);
      assert.equal(open(receiver, EMPTY), null);
    });

    test(`[FRAME-5] both sides rekey to the same key, ${one.name} to ${other.name}`, () => {
      const sender = new CipherState(one, key());
      const receiver = new CipherState(other, key());
      assert.equal(open(receiver, seal(sender, "before")), "before");
      sender.rekey();
      assert.equal(sender.count, 0);
      const after = seal(sender, "after");
      assert.equal(open(receiver, after), null);
      receiver.rekey();
      assert.equal(open(receiver, after), "after");
    });
  }

test("[FRAME-5] the new key is what Noise §4.2 says", () => {
  const state = new CipherState(nodeSuite, key());
  state.rekey();
  const nonce = new Uint8Array(12).fill(0xff, 4);
  const aead = nobleSuite.chacha20poly1305(key());
  const next = aead.seal(nonce, EMPTY, new Uint8Array(32)).slice(0, 32);
  const expected = nobleSuite.chacha20poly1305(next);
  assert.equal(
    Buffer.from(seal(state, "x")).toString("hex"),
    Buffer.from(expected.seal(new Uint8Array(12), EMPTY, new TextEncoder().encode("x"))).toString(
      "hex",
    ),
  );
});

test("a key that was handed in is wiped", () => {
  // SECURITY: a copy of a session key on the heap outlives its session.
  const given = key();
  assert.notEqual(new CipherState(nodeSuite, given).count, 1);
  assert.deepEqual(given, new Uint8Array(32));
});
