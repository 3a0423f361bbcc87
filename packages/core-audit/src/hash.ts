/** Hash functions that a log can be made with; the genesis entry names the one in use. */
export const ALGORITHMS = ["blake3", "sha256"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** 32 bytes over the given bytes, in a buffer of their own. */
export type Hasher = (bytes: Uint8Array) => Uint8Array;

/** Bytes in front of every hashed entry, so that no other signed or hashed thing is one. */
const DOMAIN = Buffer.from("sesame audit entry v1", "latin1");

/** Hashes entries: the bytes of a line before `,"hash":`. docs/AUDIT.md, Entries. */
export class EntryHasher {
  readonly #hash: Hasher;
  readonly #scratch: Buffer;

  /** @param maxBytes - largest entry that will be hashed */
  constructor(hash: Hasher, maxBytes: number) {
    this.#hash = hash;
    this.#scratch = Buffer.allocUnsafe(DOMAIN.length + maxBytes);
    DOMAIN.copy(this.#scratch);
  }

  ofText(text: string): Uint8Array {
    return this.#ofScratch(this.#scratch.write(text, DOMAIN.length, "utf8"));
  }

  ofBytes(line: Buffer, start: number, end: number): Uint8Array {
    return this.#ofScratch(line.copy(this.#scratch, DOMAIN.length, start, end));
  }

  #ofScratch(length: number): Uint8Array {
    return this.#hash(this.#scratch.subarray(0, DOMAIN.length + length));
  }
}

/** Lower-case hex of 32 bytes; core-types' own is made for few, this for each entry. */
export function hashHex(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString("hex");
}

/** `prev` of the genesis entry. */
export const NO_HASH = "0".repeat(64);
