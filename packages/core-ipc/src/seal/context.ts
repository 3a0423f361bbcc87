import { limits } from "@sesame/core-types";

const PREFIX = new TextEncoder().encode("sesame sealed call v1\n");

/** What both ends of a sealed call know of it without the bus's word. */
export type SealContext = {
  /** Bus session of the caller's connection, 16 bytes. */
  readonly session: Uint8Array;
  /** Call id, 16 bytes. */
  readonly id: Uint8Array;
  readonly tag: number;
};

/** Noise prologue and associated data of a sealed call: a call moved elsewhere does not open. */
export function contextBytes({ session, id, tag }: SealContext): Uint8Array {
  const out = new Uint8Array(PREFIX.length + 34);
  out.set(PREFIX);
  out.set(session, PREFIX.length);
  out.set(id, PREFIX.length + 16);
  out[PREFIX.length + 32] = tag >>> 8;
  out[PREFIX.length + 33] = tag;
  return out;
}

/** ChaCha20-Poly1305 nonce of a number. RFC 8439 §2.8, numbered as Noise §12 does. */
export function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, number >>> 0, true);
  view.setUint32(8, Math.floor(number / 0x1_0000_0000), true);
  return nonce;
}

/** First byte of a sealed request. */
export const FRESH = 1;
export const CONTINUED = 2;
/** FRESH: 2-byte length, Noise message, sealed body. */
export const FRESH_HEADER = 3;
/** CONTINUED: 16-byte session, 8-byte number, sealed body. */
export const CONTINUED_HEADER = 1 + 16 + 8;
export const KEY_BYTES = 32;
export const TAG = limits.TAG_BYTES;
