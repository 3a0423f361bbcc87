import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CryptoError } from "./errors.ts";
import { nobleSuite } from "./noble.ts";
import { nodeSuite } from "./node.ts";
import { createSodiumSuite, sodiumSuite } from "./sodium.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const CIPHERS = [
  { make: "chacha20poly1305", nonceBytes: 12 },
  { make: "xchacha20poly1305", nonceBytes: 24 },
] as const;
const destroyed = (error: unknown): boolean =>
  error instanceof CryptoError && error.code === "key-destroyed";

for (const suite of [nodeSuite, sodiumSuite, nobleSuite]) {
  for (const { make, nonceBytes } of CIPHERS) {
    const inputs = {
      key: bytes(32),
      nonce: bytes(nonceBytes),
      ad: fc.uint8Array({ maxLength: 40 }),
      plaintext: fc.uint8Array({ maxLength: 200 }),
    };

    // SECURITY: whoever may change one bit unnoticed forges messages; partial plaintext would let
    // him learn from the reaction to forged ones.
    test(`${suite.name} ${make}: one flipped bit anywhere opens to nothing`, () => {
      fc.assert(
        fc.property(
          fc.record({ ...inputs, at: fc.nat(), bit: fc.nat(7) }),
          ({ key, nonce, ad, plaintext, at, bit }) => {
            const aead = suite[make](key);
            const sealed = aead.seal(nonce, ad, plaintext);
            // The flip lands in the nonce, the associated data, the ciphertext or the tag.
            const parts = [nonce, ad, sealed];
            let rest = at % (nonce.length + ad.length + sealed.length);
            for (const part of parts) {
              if (rest >= 0 && rest < part.length) part[rest] = (part[rest] ?? 0) ^ (1 << bit);
              rest -= part.length;
            }
            assert.equal(aead.open(nonce, ad, sealed), null);
            const out = new Uint8Array(plaintext.length).fill(0xaa);
            assert.equal(aead.openInto(out, nonce, ad, sealed), false);
            assert.deepEqual(out, new Uint8Array(plaintext.length));
          },
        ),
        { numRuns: 60 },
      );
    });

    test(`${suite.name} ${make}: fewer bytes than a tag open to nothing`, () => {
      const aead = suite[make](new Uint8Array(32));
      const nonce = new Uint8Array(nonceBytes);
      const empty = new Uint8Array(0);
      for (let length = 0; length <= 16; length += 1) {
        assert.equal(aead.open(nonce, empty, new Uint8Array(length)), null);
      }
      assert.equal(aead.openInto(empty, nonce, empty, new Uint8Array(15)), false);
    });

    test(`${suite.name} ${make}: works at any offset of a larger buffer`, () => {
      fc.assert(
        fc.property(fc.record({ ...inputs, offset: fc.nat(9) }), (input) => {
          const { key, nonce, ad, plaintext, offset } = input;
          const aead = suite[make](key);
          const frame = new Uint8Array(offset + plaintext.length + 16 + 3);
          const sealed = frame.subarray(offset, offset + plaintext.length + 16);
          aead.sealInto(sealed, nonce, ad, plaintext);
          assert.deepEqual(sealed, aead.seal(nonce, ad, plaintext));
          assert.ok(frame.subarray(0, offset).every((byte) => byte === 0));
          assert.ok(frame.subarray(-3).every((byte) => byte === 0));
          const store = new Uint8Array(plaintext.length + offset);
          assert.ok(aead.openInto(store.subarray(offset), nonce, ad, sealed));
          assert.deepEqual(store.subarray(offset), plaintext);
        }),
        { numRuns: 40 },
      );
    });

    test(`${suite.name} ${make}: wrong lengths are the caller's fault, never a verdict`, () => {
      const aead = suite[make](new Uint8Array(32));
      const nonce = new Uint8Array(nonceBytes);
      const none = new Uint8Array(0);
      const sealed = new Uint8Array(20);
      assert.throws(() => suite[make](new Uint8Array(31)), RangeError);
      assert.throws(() => aead.seal(new Uint8Array(nonceBytes - 1), none, none), RangeError);
      assert.throws(() => aead.open(new Uint8Array(nonceBytes + 1), none, sealed), RangeError);
      assert.throws(() => aead.sealInto(sealed, nonce, none, new Uint8Array(5)), RangeError);
      assert.throws(() => aead.openInto(new Uint8Array(5), nonce, none, sealed), RangeError);
    });

    // SECURITY: a closed session that could still seal would use memory that holds another's key.
    test(`${suite.name} ${make}: refuses everything after destroy`, () => {
      const aead = suite[make](new Uint8Array(32));
      const nonce = new Uint8Array(nonceBytes);
      const none = new Uint8Array(0);
      const sealed = aead.seal(nonce, none, none);
      aead.destroy();
      aead.destroy();
      assert.throws(() => aead.seal(nonce, none, none), destroyed);
      assert.throws(() => aead.open(nonce, none, sealed), destroyed);
    });

    test(`${suite.name} ${make}: does not depend on the caller's key array`, () => {
      const key = new Uint8Array(32).fill(7);
      const nonce = new Uint8Array(nonceBytes);
      const none = new Uint8Array(0);
      const aead = suite[make](key);
      const before = aead.seal(nonce, none, none);
      key.fill(0);
      assert.deepEqual(aead.seal(nonce, none, none), before);
    });
  }
}

test("sodium: keys live in the given secure memory, and are wiped from it on destroy", () => {
  // SECURITY: a key that stays in memory after its session can be read out of the process later.
  const pages: Uint8Array[] = [];
  const suite = createSodiumSuite((length) => {
    const page = sodiumSuite.allocSecret(length);
    pages.push(page);
    return page;
  });
  const key = new Uint8Array(32).fill(0x5e);
  const holding = (): number => pages.flatMap((page) => [...page]).filter((b) => b === 0x5e).length;
  const aeads = Array.from({ length: 300 }, () => suite.chacha20poly1305(key));
  assert.equal(holding(), 300 * 32);
  assert.equal(pages.length, 3);
  for (const aead of aeads) aead.destroy();
  assert.equal(holding(), 0);
  const again = Array.from({ length: 300 }, () => suite.xchacha20poly1305(key));
  assert.equal(pages.length, 3, "slots are lent again");
  assert.equal(holding(), 300 * 32);
  for (const aead of again) aead.destroy();
});

test("sodium: destroying one key twice does not lend its slot twice", () => {
  const none = new Uint8Array(0);
  const nonce = new Uint8Array(12);
  const first = sodiumSuite.chacha20poly1305(new Uint8Array(32).fill(1));
  first.destroy();
  first.destroy();
  const two = sodiumSuite.chacha20poly1305(new Uint8Array(32).fill(2));
  const three = sodiumSuite.chacha20poly1305(new Uint8Array(32).fill(3));
  assert.notDeepEqual(two.seal(nonce, none, none), three.seal(nonce, none, none));
});
