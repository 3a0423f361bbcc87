import type { Argon2Params } from "./argon2-params.ts";
import type { AllocSecret, FreeSecret } from "./secure.ts";

/** 32 bytes each. */
export interface X25519KeyPair {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * An authenticated cipher with its key. A nonce of the wrong length, an `out` of the wrong length
 * and use after `destroy` throw; bytes that do not authenticate never throw. `out` must not overlap
 * the input.
 */
export interface Aead {
  /** Ciphertext followed by the 16-byte tag. */
  seal(nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Plaintext, or null if `sealed` is not authentic. */
  open(nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): Uint8Array | null;
  /** As `seal`, into `out` of `plaintext.length + 16` bytes. */
  sealInto(out: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): void;
  /** As `open`, into `out` of `sealed.length - 16` bytes, which is zeros after a false. */
  openInto(out: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): boolean;
  /** Wipes the key as far as the provider can. May be called again. */
  destroy(): void;
}

/**
 * Every primitive of the project. Providers give the same bytes for the same input and the same
 * verdict on hostile input. Arguments of the wrong length throw RangeError unless stated otherwise;
 * results that are secret lie outside the V8 heap and belong to the caller, who wipes them.
 */
export interface Suite {
  readonly name: "node" | "sodium" | "noble";
  /** Memory for secrets that the provider can work in. */
  readonly allocSecret: AllocSecret;
  /** Wipes what `allocSecret` made, and what this suite returned as a secret. */
  readonly freeSecret: FreeSecret;
  /** From the operating system. */
  randomBytes(length: number): Uint8Array;

  generateX25519(): X25519KeyPair;
  /** RFC 7748 §6.1 */
  x25519PublicKey(secretKey: Uint8Array): Uint8Array;
  /** 32 bytes; CryptoError `low-order-point` where the result would be zero. RFC 7748 §6.1 */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array;

  /** From a 32-byte seed. RFC 8032 §5.1.5 */
  ed25519PublicKey(seed: Uint8Array): Uint8Array;
  /** 64 bytes. RFC 8032 §5.1.6 */
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /**
   * RFC 8032 §5.1.7 without the cofactor, and false for keys and nonces of small order. False,
   * never an error, for input of any length or content.
   */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;

  /** 32-byte key, which is copied; 12-byte nonces. RFC 8439 §2.8 */
  chacha20poly1305(key: Uint8Array): Aead;
  /** 32-byte key, which is copied; 24-byte nonces. draft-irtf-cfrg-xchacha-03 §2 */
  xchacha20poly1305(key: Uint8Array): Aead;

  /** 32 bytes over the concatenated parts. RFC 7693 */
  blake2s(...parts: Uint8Array[]): Uint8Array;
  /** The HKDF of Noise: two or three outputs of 32 bytes. Noise §4.3 */
  hkdfBlake2s(
    chainingKey: Uint8Array,
    inputKeyMaterial: Uint8Array,
    outputs: 2 | 3,
  ): readonly Uint8Array[];
  /** 32 bytes over the concatenated parts; key of any length. RFC 2104 */
  hmacSha256(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array;
  /** Salt of 8 bytes or more. Does not hold up the event loop. RFC 9106 */
  argon2id(
    password: Uint8Array,
    salt: Uint8Array,
    params: Argon2Params,
    length: number,
  ): Promise<Uint8Array>;
}
