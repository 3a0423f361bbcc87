/** Bytes of every symmetric key, X25519 key, Ed25519 seed and Ed25519 public key here. */
export const KEY_BYTES = 32;
/** Bytes of a Poly1305 tag. RFC 8439 §2.5 */
export const TAG_BYTES = 16;
/** Bytes of an Ed25519 signature. RFC 8032 §5.1.6 */
export const SIGNATURE_BYTES = 64;

/** Throws RangeError unless `bytes` has `length` bytes; the text names `what` only. */
export function expectLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) {
    throw new RangeError(`${what} must have ${length} bytes, got ${bytes.length}`);
  }
}
