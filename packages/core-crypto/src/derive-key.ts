import { KEY_BYTES } from "./bytes.ts";
import { type AllocSecret, allocSecret as allocPlain, wipe } from "./secure.ts";

// BLAKE3's derive_key for one key from another, with every intermediate word in one buffer that is
// wiped. The general implementation (noble) works in arrays of 32 bytes, which live in the V8 heap
// and leave copies of the master key there.

// BLAKE3 §2.2, table 1
const IV = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const;
// BLAKE3 §2.2, table 2
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8] as const;
const ROUNDS = 7;
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1_024;

// BLAKE3 §2.2, table 3
const CHUNK_START = 1;
const CHUNK_END = 2;
const ROOT = 8;
const DERIVE_KEY_CONTEXT = 32;
const DERIVE_KEY_MATERIAL = 64;

// Words of the buffer: the chaining value, the state, the message, its permutation.
const CHAINING = 0;
const STATE = 8;
const MESSAGE = 24;
const PERMUTED = 40;
const WORDS = 56;

/**
 * A 32-byte key from 32 bytes of key material.
 *
 * @param context - constant of the program, unique to the purpose, never secret; 1 to 1024 bytes
 * @param allocSecret - where the result lies; the caller wipes it
 * @see BLAKE3 §2.3, derive_key
 */
export function deriveKey(
  context: string,
  material: Uint8Array,
  allocSecret: AllocSecret = allocPlain,
): Uint8Array {
  const name = new TextEncoder().encode(context);
  if (name.length === 0 || name.length > CHUNK_BYTES || material.length !== KEY_BYTES)
    throw new RangeError("a context of 1 to 1024 bytes and 32 bytes of material");
  const work = new Uint32Array(new ArrayBuffer(4 * WORDS));
  work.set(IV, CHAINING);
  hashChunk(work, name, DERIVE_KEY_CONTEXT);
  hashChunk(work, material, DERIVE_KEY_MATERIAL);
  const key = allocSecret(KEY_BYTES);
  const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
  for (let i = 0; i < 8; i++) view.setUint32(4 * i, work[CHAINING + i] ?? 0, true);
  wipe(new Uint8Array(work.buffer));
  return key;
}

/** One chunk that is the whole input: its chaining value becomes the root's first 32 bytes. */
function hashChunk(work: Uint32Array, input: Uint8Array, mode: number): void {
  const blocks = Math.ceil(input.length / BLOCK_BYTES);
  for (let block = 0; block < blocks; block++) {
    const piece = input.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    work.fill(0, MESSAGE, MESSAGE + 16);
    for (let i = 0; i < piece.length; i++)
      work[MESSAGE + (i >> 2)] =
        (work[MESSAGE + (i >> 2)] ?? 0) | ((piece[i] ?? 0) << (8 * (i & 3)));
    const last = block === blocks - 1;
    const flags = mode | (block === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | ROOT : 0);
    compress(work, piece.length, flags);
  }
}

/** BLAKE3 §2.2; the counter of a first chunk and of the root's first output is 0. */
function compress(work: Uint32Array, length: number, flags: number): void {
  for (let i = 0; i < 8; i++) work[STATE + i] = work[CHAINING + i] ?? 0;
  for (let i = 0; i < 4; i++) work[STATE + 8 + i] = IV[i] ?? 0;
  work[STATE + 12] = 0;
  work[STATE + 13] = 0;
  work[STATE + 14] = length;
  work[STATE + 15] = flags;
  for (let round = 0; round < ROUNDS; round++) {
    mix(work, 0, 4, 8, 12, 0);
    mix(work, 1, 5, 9, 13, 2);
    mix(work, 2, 6, 10, 14, 4);
    mix(work, 3, 7, 11, 15, 6);
    mix(work, 0, 5, 10, 15, 8);
    mix(work, 1, 6, 11, 12, 10);
    mix(work, 2, 7, 8, 13, 12);
    mix(work, 3, 4, 9, 14, 14);
    for (let i = 0; i < 16; i++) work[PERMUTED + i] = work[MESSAGE + (PERMUTATION[i] ?? 0)] ?? 0;
    work.copyWithin(MESSAGE, PERMUTED, PERMUTED + 16);
  }
  for (let i = 0; i < 8; i++)
    work[CHAINING + i] = (work[STATE + i] ?? 0) ^ (work[STATE + 8 + i] ?? 0);
}

/** The quarter round, with message words `word` and `word + 1`. BLAKE3 §2.2 */
function mix(w: Uint32Array, i: number, j: number, k: number, l: number, word: number): void {
  const [a, b, c, d] = [STATE + i, STATE + j, STATE + k, STATE + l];
  for (const [step, right1, right2] of [
    [0, 16, 12],
    [1, 8, 7],
  ] as const) {
    w[a] = (w[a] ?? 0) + (w[b] ?? 0) + (w[MESSAGE + word + step] ?? 0);
    w[d] = rotateRight((w[d] ?? 0) ^ (w[a] ?? 0), right1);
    w[c] = (w[c] ?? 0) + (w[d] ?? 0);
    w[b] = rotateRight((w[b] ?? 0) ^ (w[c] ?? 0), right2);
  }
}

function rotateRight(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
