// The functions of sodium-native that are used here; the package brings no types.
declare module "sodium-native" {
  type Encrypt = (
    out: Uint8Array,
    plaintext: Uint8Array,
    ad: Uint8Array,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ) => number;
  /** Throws if the sealed bytes are not authentic. */
  type Decrypt = (
    out: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    ad: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ) => number;

  const sodium: {
    sodium_malloc(length: number): Buffer;
    crypto_scalarmult_base(out: Uint8Array, secretKey: Uint8Array): void;
    /** Throws if the result would be zero. */
    crypto_scalarmult(out: Uint8Array, secretKey: Uint8Array, publicKey: Uint8Array): void;
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
    crypto_sign_detached(out: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
    crypto_sign_verify_detached(
      signature: Uint8Array,
      message: Uint8Array,
      publicKey: Uint8Array,
    ): boolean;
    crypto_aead_chacha20poly1305_ietf_encrypt: Encrypt;
    crypto_aead_chacha20poly1305_ietf_decrypt: Decrypt;
    crypto_aead_xchacha20poly1305_ietf_encrypt: Encrypt;
    crypto_aead_xchacha20poly1305_ietf_decrypt: Decrypt;
  };
  export default sodium;
}
