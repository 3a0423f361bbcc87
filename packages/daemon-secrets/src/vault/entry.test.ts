import assert from "node:assert/strict";
import { test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import fc from "fast-check";
import { openEntry, sealEntry } from "./entry.ts";

const CIPHER = sodiumSuite.xchacha20poly1305(new Uint8Array(32).fill(5));
const names = fc.stringMatching(/^[a-z0-9]{1,8}(\/[a-z0-9]{1,8}){0,2}$/);
const places = fc.record({
  vaultId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  profile: fc.stringMatching(/^[a-z0-9]{1,8}$/),
  name: names,
  version: fc.maxSafeNat(),
});

test("[VAULT-12] an entry opens in its own place", () => {
  fc.assert(
    fc.property(places, fc.uint8Array({ maxLength: 5_000 }), (place, value) => {
      const opened = openEntry(CIPHER, place, sealEntry(sodiumSuite, CIPHER, place, value));
      assert.deepEqual(Buffer.from(opened ?? [1]), Buffer.from(value));
    }),
  );
});

test("[VAULT-12] and in no other", () => {
  // SECURITY: whoever can exchange two ciphertexts would choose which secret a program gets.
  fc.assert(
    fc.property(places, places, (place, other) => {
      fc.pre(JSON.stringify(place) !== JSON.stringify(other));
      const entry = sealEntry(sodiumSuite, CIPHER, place, Uint8Array.of(1, 2, 3));
      assert.equal(openEntry(CIPHER, other, entry), null);
      const next = { ...place, version: (place.version + 1) % Number.MAX_SAFE_INTEGER };
      assert.equal(openEntry(CIPHER, next, entry), null);
    }),
  );
});

test("[VAULT-12] parts of another length are refused, not an error", () => {
  const place = { vaultId: new Uint8Array(16), profile: "p", name: "n", version: 1 };
  const entry = sealEntry(sodiumSuite, CIPHER, place, Uint8Array.of(1));
  assert.equal(openEntry(CIPHER, place, { ...entry, nonce: new Uint8Array(12) }), null);
  assert.equal(openEntry(CIPHER, place, { ...entry, tag: new Uint8Array(15) }), null);
  assert.equal(openEntry(CIPHER, place, { ...entry, ciphertext: new Uint8Array(0) }), null);
});
