// The provider of the daemons: libsodium, and node:crypto for what libsodium lacks.
import sodium from "sodium-native";
import { aeadOf } from "./aead.ts";
import { expectLength, KEY_BYTES, SIGNATURE_BYTES } from "./bytes.ts";
import { isStrictEd25519 } from "./ed25519-strict.ts";
import { CryptoError } from "./errors.ts";
import { keySlab } from "./key-slab.ts";
import { nodeSuite } from "./node.ts";
import { randomFill } from "./random.ts";
import { type AllocSecret, allocSecret as allocPlain, type FreeSecret, wipe } from "./secure.ts";
import type { Aead, Suite } from "./suite.ts";

/** libsodium's own memory between guard pages: no core dump, and no swap if the limit allows. */
function sodiumMalloc(length: number): Uint8Array {
  const { buffer, byteLength } = sodium.sodium_malloc(length);
  if (byteLength !== length) throw new CryptoError("no-secure-memory", "out of secure memory");
  const secret = new Uint8Array(buffer);
  wipe(secret); // libsodium fills with 0xdb
  return secret;
}

/**
 * Keys of its ciphers are held in memory of `allocSecret`, many to a page; shared secrets, secret
 * keys and opened plaintexts lie there too.
 */
export function createSodiumSuite(allocSecret: AllocSecret, freeSecret: FreeSecret = wipe): Suite {
  const slab = keySlab(allocSecret);

  function cipher(
    nonceBytes: number,
    encrypt: typeof sodium.crypto_aead_chacha20poly1305_ietf_encrypt,
    decrypt: typeof sodium.crypto_aead_chacha20poly1305_ietf_decrypt,
  ): (key: Uint8Array) => Aead {
    return (key) => {
      expectLength(key, KEY_BYTES, "key");
      const held = slab.take(key);
      return aeadOf(
        {
          nonceBytes,
          encrypt(out, nonce, ad, plaintext) {
            encrypt(out, plaintext, ad, null, nonce, held);
          },
          decrypt(out, nonce, ad, sealed) {
            try {
              decrypt(out, null, sealed, ad, nonce, held);
              return true;
            } catch {
              return false; // lengths were checked: nothing else can fail
            }
          },
          wipeKey: () => slab.giveBack(held),
        },
        allocSecret,
      );
    };
  }

  return {
    // BLAKE2s, HKDF and HMAC are not in libsodium's build; its Argon2id knows one lane only.
    ...nodeSuite,
    name: "sodium",
    allocSecret,
    freeSecret,

    generateX25519() {
      const secretKey = randomFill(allocSecret(KEY_BYTES));
      return { secretKey, publicKey: x25519PublicKey(secretKey) };
    },
    x25519PublicKey,
    x25519: (secretKey, publicKey) => x25519(secretKey, publicKey, allocSecret),

    ed25519PublicKey(seed) {
      const { publicKey, secretKey } = expandSeed(seed);
      wipe(secretKey);
      return publicKey;
    },
    ed25519Sign(seed, message) {
      const { secretKey } = expandSeed(seed);
      const signature = new Uint8Array(SIGNATURE_BYTES);
      sodium.crypto_sign_detached(signature, message, secretKey);
      wipe(secretKey);
      return signature;
    },
    ed25519Verify: (publicKey, message, signature) =>
      isStrictEd25519(publicKey, signature) &&
      sodium.crypto_sign_verify_detached(signature, message, publicKey),

    chacha20poly1305: cipher(
      12,
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt,
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt,
    ),
    xchacha20poly1305: cipher(
      24,
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt,
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt,
    ),
  };
}

/** With libsodium's own secure memory. */
export const sodiumSuite: Suite = createSodiumSuite(sodiumMalloc);

function x25519PublicKey(secretKey: Uint8Array): Uint8Array {
  expectLength(secretKey, KEY_BYTES, "secret key");
  const publicKey = new Uint8Array(KEY_BYTES);
  sodium.crypto_scalarmult_base(publicKey, secretKey);
  return publicKey;
}

function x25519(
  secretKey: Uint8Array,
  publicKey: Uint8Array,
  allocSecret: AllocSecret,
): Uint8Array {
  expectLength(secretKey, KEY_BYTES, "secret key");
  expectLength(publicKey, KEY_BYTES, "public key");
  const shared = allocSecret(KEY_BYTES);
  try {
    sodium.crypto_scalarmult(shared, secretKey, publicKey);
    return shared;
  } catch {
    throw new CryptoError("low-order-point", "the peer's X25519 key has low order");
  }
}

/** libsodium's 64-byte signing key is the seed and the public key. */
function expandSeed(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
  expectLength(seed, KEY_BYTES, "seed");
  const publicKey = new Uint8Array(KEY_BYTES);
  const secretKey = allocPlain(2 * KEY_BYTES);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return { publicKey, secretKey };
}
