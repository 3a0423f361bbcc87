import { allocSecret } from "./secure.ts";

// "expand 32-byte k", RFC 8439 §2.3
const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
const WORD = 4;

/**
 * The 32-byte subkey of a 32-byte key and the first 16 bytes of an extended nonce: the ChaCha20
 * rounds without the final addition, first and last row. draft-irtf-cfrg-xchacha-03 §2.2
 */
export function hchacha20(key: Uint8Array, nonce16: Uint8Array): Uint8Array {
  const state = new Uint32Array(new ArrayBuffer(16 * WORD));
  state.set(SIGMA);
  readWords(state, 4, key, 8);
  readWords(state, 12, nonce16, 4);
  for (let round = 0; round < 20; round += 2) {
    quarterRound(state, 0, 4, 8, 12);
    quarterRound(state, 1, 5, 9, 13);
    quarterRound(state, 2, 6, 10, 14);
    quarterRound(state, 3, 7, 11, 15);
    quarterRound(state, 0, 5, 10, 15);
    quarterRound(state, 1, 6, 11, 12);
    quarterRound(state, 2, 7, 8, 13);
    quarterRound(state, 3, 4, 9, 14);
  }
  const subkey = allocSecret(32);
  const view = new DataView(subkey.buffer);
  for (let i = 0; i < 4; i += 1) {
    view.setUint32(i * WORD, word(state, i), true);
    view.setUint32((i + 4) * WORD, word(state, i + 12), true);
  }
  state.fill(0);
  return subkey;
}

// RFC 8439 §2.1
function quarterRound(s: Uint32Array, a: number, b: number, c: number, d: number): void {
  mix(s, a, b, d, 16);
  mix(s, c, d, b, 12);
  mix(s, a, b, d, 8);
  mix(s, c, d, b, 7);
}

/** s[x] += s[y]; s[z] = (s[z] ^ s[x]) <<< bits */
function mix(s: Uint32Array, x: number, y: number, z: number, bits: number): void {
  s[x] = word(s, x) + word(s, y);
  const turned = word(s, z) ^ word(s, x);
  s[z] = (turned << bits) | (turned >>> (32 - bits));
}

function word(s: Uint32Array, at: number): number {
  return s[at] ?? 0;
}

function readWords(s: Uint32Array, at: number, bytes: Uint8Array, count: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < count; i += 1) s[at + i] = view.getUint32(i * WORD, true);
}
