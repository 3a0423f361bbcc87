// The provider of the command line: nothing but node:crypto is loaded.
import * as openssl from "node:crypto";
import { expectArgon2Params } from "./argon2-params.ts";
import { KEY_BYTES } from "./bytes.ts";
import { isStrictEd25519 } from "./ed25519-strict.ts";
import { CryptoError } from "./errors.ts";
import { nodeChacha20poly1305, nodeXchacha20poly1305 } from "./node-ciphers.ts";
import { nodeKeys } from "./node-keys.ts";
import { randomBytes } from "./random.ts";
import { allocSecret, wipe } from "./secure.ts";
import type { Suite } from "./suite.ts";

const x25519Keys = nodeKeys(110);
const ed25519Keys = nodeKeys(112);

/** OpenSSL through node:crypto; needs Node 24 for Argon2id. */
export const nodeSuite: Suite = {
  name: "node",
  allocSecret,
  freeSecret: wipe,
  randomBytes,

  generateX25519() {
    const secretKey = randomBytes(KEY_BYTES);
    return { secretKey, publicKey: x25519Keys.publicOf(secretKey) };
  },
  x25519PublicKey: (secretKey) => x25519Keys.publicOf(secretKey),
  x25519(secretKey, publicKey) {
    const privateKey = x25519Keys.private(secretKey);
    const peer = x25519Keys.public(publicKey);
    try {
      return plain(openssl.diffieHellman({ privateKey, publicKey: peer }));
    } catch {
      // OpenSSL refuses the all-zero result, and nothing else of two well-formed keys.
      throw new CryptoError("low-order-point", "the peer's X25519 key has low order");
    }
  },

  ed25519PublicKey: (seed) => ed25519Keys.publicOf(seed),
  ed25519Sign: (seed, message) => plain(openssl.sign(null, message, ed25519Keys.private(seed))),
  ed25519Verify(publicKey, message, signature) {
    if (!isStrictEd25519(publicKey, signature)) return false;
    try {
      return openssl.verify(null, message, ed25519Keys.public(publicKey), signature);
    } catch {
      return false; // not a point of the curve
    }
  },

  chacha20poly1305: nodeChacha20poly1305,
  xchacha20poly1305: nodeXchacha20poly1305,

  blake2s(...parts) {
    const [only] = parts;
    if (only !== undefined && parts.length === 1) {
      return plain(openssl.hash("blake2s256", only, "buffer"));
    }
    const state = openssl.createHash("blake2s256");
    for (const part of parts) state.update(part);
    return plain(state.digest());
  },
  hkdfBlake2s(chainingKey, inputKeyMaterial, outputs) {
    const extracted = hmac("blake2s256", chainingKey, [inputKeyMaterial]);
    const keys: Uint8Array[] = [];
    for (let i = 1; i <= outputs; i += 1) {
      const before = keys.at(-1) ?? new Uint8Array(0);
      keys.push(hmac("blake2s256", extracted, [before, Uint8Array.of(i)]));
    }
    wipe(extracted);
    return keys;
  },
  hmacSha256: (key, ...parts) => hmac("sha256", key, parts),
  argon2id(password, salt, params, length) {
    expectArgon2Params(params);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    openssl.argon2(
      "argon2id",
      {
        message: password,
        nonce: salt,
        memory: params.memoryKiB,
        passes: params.passes,
        parallelism: params.lanes,
        tagLength: length,
      },
      (error, tag) => (error === null ? resolve(plain(tag)) : reject(error)),
    );
    return promise;
  },
};

/**
 * Of the bytes of the key, not of a KeyObject: that would keep a copy of them in ordinary memory
 * until the collector comes.
 */
function hmac(
  digest: "sha256" | "blake2s256",
  key: Uint8Array,
  parts: readonly Uint8Array[],
): Uint8Array {
  const state = openssl.createHmac(digest, key);
  for (const part of parts) state.update(part);
  return plain(state.digest());
}

/** The same memory without Buffer's methods, so that providers return one type. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
