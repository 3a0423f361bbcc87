import type { Aead, Suite } from "@sesame/core-crypto";
import { Fault, limits } from "@sesame/core-types";

const ZEROS = new Uint8Array(32);
const EMPTY = new Uint8Array(0);

/** One direction's key and message counter. Noise §5.1. */
export class CipherState {
  readonly #suite: Suite;
  #aead: Aead;
  // 32 zero bits, then the counter as 64 bits little-endian. Noise §12.
  readonly #nonce = new Uint8Array(12);
  readonly #nonceView = new DataView(this.#nonce.buffer);
  #counter = 0;

  /** @param key - 32 bytes; wiped by this call */
  constructor(suite: Suite, key: Uint8Array) {
    this.#suite = suite;
    try {
      this.#aead = suite.chacha20poly1305(key);
    } finally {
      key.fill(0);
    }
  }

  /** Messages sealed or opened under the present key. */
  get count(): number {
    return this.#counter;
  }

  /** @param out - plaintext.length + 16 bytes */
  sealInto(out: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): void {
    this.#aead.sealInto(out, this.#next(), ad, plaintext);
  }

  /**
   * A message that fails leaves the counter where it was. Noise §5.1.
   *
   * @param out - sealed.length - 16 bytes
   */
  openInto(out: Uint8Array, ad: Uint8Array, sealed: Uint8Array): boolean {
    if (sealed.length < limits.TAG_BYTES) return false;
    const opened = this.#aead.openInto(out, this.#next(), ad, sealed);
    if (!opened) this.#counter--;
    return opened;
  }

  /** Noise §4.2 REKEY, and back to counter zero: both sides do it at the same message. */
  rekey(): void {
    const nonce = new Uint8Array(12).fill(0xff, 4);
    const sealed = this.#aead.seal(nonce, EMPTY, ZEROS);
    const key = sealed.subarray(0, 32);
    this.#aead.destroy();
    this.#aead = this.#suite.chacha20poly1305(key);
    sealed.fill(0);
    this.#counter = 0;
  }

  destroy(): void {
    this.#aead.destroy();
  }

  #next(): Uint8Array {
    // Noise §5.1 reserves 2^64 - 1; sessions rekey long before a double loses integers.
    if (this.#counter >= Number.MAX_SAFE_INTEGER)
      throw new Fault("fault", "a session used up its nonces", "reconnect");
    this.#nonceView.setUint32(4, this.#counter >>> 0, true);
    this.#nonceView.setUint32(8, Math.floor(this.#counter / 0x1_0000_0000), true);
    this.#counter++;
    return this.#nonce;
  }
}
