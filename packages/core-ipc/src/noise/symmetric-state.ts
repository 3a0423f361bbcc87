import type { Suite } from "@sesame/core-crypto";
import { limits } from "@sesame/core-types";
import { CipherState } from "./cipher-state.ts";

const NAME = new TextEncoder().encode("Noise_IK_25519_ChaChaPoly_BLAKE2s");
const EMPTY = new Uint8Array(0);

/** Chaining key, transcript hash and the handshake's cipher. Noise §5.2. */
export class SymmetricState {
  readonly #suite: Suite;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #cipher: CipherState | null = null;

  constructor(suite: Suite) {
    this.#suite = suite;
    // The name is longer than HASHLEN, so h is its hash. Noise §5.2 InitializeSymmetric.
    this.#hash = suite.blake2s(NAME);
    this.#chainingKey = this.#hash.slice();
  }

  /** The transcript so far, 32 bytes: after the last message it names this session. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#suite.blake2s(this.#hash, data);
  }

  /** @param secret - 32 bytes of shared secret; freed */
  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = this.#suite.hkdfBlake2s(this.#chainingKey, secret, 2);
    this.#suite.freeSecret(secret);
    this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey as Uint8Array;
    this.#cipher?.destroy();
    this.#cipher = new CipherState(this.#suite, key as Uint8Array);
  }

  /** Before the first mixKey the text travels in clear. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    if (this.#cipher === null) {
      this.mixHash(plaintext);
      return plaintext;
    }
    const out = new Uint8Array(plaintext.length + limits.TAG_BYTES);
    this.#cipher.sealInto(out, this.#hash, plaintext);
    this.mixHash(out);
    return out;
  }

  /** @returns the plaintext, or null if the text is not authentic */
  decryptAndHash(text: Uint8Array): Uint8Array | null {
    if (this.#cipher === null) {
      this.mixHash(text);
      return text;
    }
    if (text.length < limits.TAG_BYTES) return null;
    const out = new Uint8Array(new ArrayBuffer(text.length - limits.TAG_BYTES));
    if (!this.#cipher.openInto(out, this.#hash, text)) return null;
    this.mixHash(text);
    return out;
  }

  /** The two transport directions: first the initiator's, then the responder's. */
  split(): [CipherState, CipherState] {
    const [first, second] = this.#suite.hkdfBlake2s(this.#chainingKey, EMPTY, 2);
    const pair: [CipherState, CipherState] = [
      new CipherState(this.#suite, first as Uint8Array),
      new CipherState(this.#suite, second as Uint8Array),
    ];
    this.destroy();
    return pair;
  }

  destroy(): void {
    this.#chainingKey.fill(0);
    this.#cipher?.destroy();
    this.#cipher = null;
  }
}
