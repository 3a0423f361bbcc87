// The independent implementation that the others are compared with, and the fallback. Its working
// copies of keys lie in the V8 heap and cannot be wiped: not for daemons.
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { argon2idAsync } from "@noble/hashes/argon2.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { aeadOf } from "./aead.ts";
import { expectArgon2Params } from "./argon2-params.ts";
import { expectLength, KEY_BYTES } from "./bytes.ts";
import { isStrictEd25519 } from "./ed25519-strict.ts";
import { equalBytes } from "./equal.ts";
import { CryptoError } from "./errors.ts";
import { randomBytes } from "./random.ts";
import { allocSecret, moveSecret, wipe } from "./secure.ts";
import type { Aead, Suite } from "./suite.ts";

export { blake3, blake3DeriveKey, blake3Keyed } from "./noble-blake3.ts";

/** Pure TypeScript; about 45 times slower than the others at X25519. */
export const nobleSuite: Suite = {
  name: "noble",
  allocSecret,
  freeSecret: wipe,
  randomBytes,

  generateX25519() {
    const secretKey = randomBytes(KEY_BYTES);
    return { secretKey, publicKey: x25519.getPublicKey(secretKey) };
  },
  x25519PublicKey(secretKey) {
    expectLength(secretKey, KEY_BYTES, "secret key");
    return x25519.getPublicKey(secretKey);
  },
  x25519(secretKey, publicKey) {
    expectLength(secretKey, KEY_BYTES, "secret key");
    expectLength(publicKey, KEY_BYTES, "public key");
    try {
      return moveSecret(x25519.getSharedSecret(secretKey, publicKey));
    } catch {
      throw new CryptoError("low-order-point", "the peer's X25519 key has low order");
    }
  },

  ed25519PublicKey(seed) {
    expectLength(seed, KEY_BYTES, "seed");
    return ed25519.getPublicKey(seed);
  },
  ed25519Sign(seed, message) {
    expectLength(seed, KEY_BYTES, "seed");
    return ed25519.sign(message, seed);
  },
  ed25519Verify: (publicKey, message, signature) =>
    isStrictEd25519(publicKey, signature) && verifyWithoutCofactor(publicKey, message, signature),

  chacha20poly1305: (key) => nobleAead(chacha20poly1305, 12, key),
  xchacha20poly1305: (key) => nobleAead(xchacha20poly1305, 24, key),

  blake2s(...parts) {
    const state = blake2s.create({ dkLen: 32 });
    for (const part of parts) state.update(part);
    return state.digest();
  },
  hkdfBlake2s(chainingKey, inputKeyMaterial, outputs) {
    const temporary = hmac(blake2s, chainingKey, inputKeyMaterial);
    const keys: Uint8Array[] = [];
    let previous = new Uint8Array(0);
    for (let counter = 1; counter <= outputs; counter += 1) {
      previous = hmac(blake2s, temporary, Uint8Array.of(...previous, counter));
      keys.push(previous);
    }
    wipe(temporary);
    return keys.map(moveSecret);
  },
  hmacSha256(key, ...parts) {
    const state = hmac.create(sha256, key);
    for (const part of parts) state.update(part);
    return moveSecret(state.digest());
  },
  async argon2id(password, salt, params, length) {
    expectArgon2Params(params);
    const { memoryKiB: m, passes: t, lanes: p } = params;
    return moveSecret(await argon2idAsync(password, salt, { m, t, p, dkLen: length }));
  },
};

function nobleAead(cipher: typeof chacha20poly1305, nonceBytes: number, key: Uint8Array): Aead {
  expectLength(key, KEY_BYTES, "key");
  const held = allocSecret(KEY_BYTES);
  held.set(key);
  return aeadOf({
    nonceBytes,
    encrypt(out, nonce, ad, plaintext) {
      cipher(held, nonce, ad).encrypt(plaintext, out);
    },
    decrypt(out, nonce, ad, sealed) {
      try {
        cipher(held, nonce, ad).decrypt(sealed, out);
        return true;
      } catch {
        return false;
      }
    },
    wipeKey: () => wipe(held),
  });
}

/**
 * R = [S]B - [k]A, compared as bytes. noble's own verify multiplies by the cofactor, which accepts
 * crafted signatures that OpenSSL and libsodium refuse. RFC 8032 §5.1.7
 */
function verifyWithoutCofactor(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { Point } = ed25519;
  const { Fn } = Point;
  try {
    const nonce = signature.subarray(0, 32);
    const s = Fn.fromBytes(signature.subarray(32)); // throws unless S < L
    const digest = sha512.create().update(nonce).update(publicKey).update(message).digest();
    const k = Fn.create(littleEndian(digest));
    const point = Point.fromBytes(publicKey);
    const expected = Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(k));
    return equalBytes(expected.toBytes(), nonce);
  } catch {
    return false; // not a point, or S not below the order
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
