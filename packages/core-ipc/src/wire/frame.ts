import { Violation } from "@sesame/core-types";

const HEADER = 4;
const NOTHING = new Uint8Array(0);

/** Splits a byte stream into length-delimited frames. */
export class FrameSplitter {
  #maxBytes: number;
  #rest: Uint8Array = NOTHING;

  /** @param maxBytes - largest acceptable frame without its 4-byte length */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  set maxBytes(bytes: number) {
    this.#maxBytes = bytes;
  }

  /** Bytes that wait for the rest of their frame. */
  get held(): number {
    return this.#rest.length;
  }

  /**
   * Hands every complete frame, in order, to `take`. A refused length is noticed when its four
   * bytes are there, before anything is kept for it.
   *
   * @param chunk - any length; views of it are handed out
   * @throws {Violation} FRAME-1 for an empty or oversized frame
   */
  push(chunk: Uint8Array, take: (frame: Uint8Array) => void): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
      this.#rest = NOTHING;
    }
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const length = readU32(bytes, at);
      if (length === 0 || length > this.#maxBytes)
        throw new Violation("FRAME-1", `frame of ${length} bytes`);
      if (bytes.length - at < HEADER + length) break;
      const frame = bytes.subarray(at + HEADER, at + HEADER + length);
      at += HEADER + length;
      take(frame);
    }
    this.#rest = at === bytes.length ? NOTHING : bytes.slice(at);
  }
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x100_0000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** A frame around a handshake message or a hello. */
export function framed(message: Uint8Array): Uint8Array {
  const out = new Uint8Array(HEADER + message.length);
  writeU32(out, 0, message.length);
  out.set(message, HEADER);
  return out;
}
