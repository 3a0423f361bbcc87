// Reads secrets from file descriptors straight into buffers of ours, synchronously: a stream would
// leave copies in chunks that nobody wipes.
import { readSync } from "node:fs";
import { Fault } from "@sesame/core-types";

const STDIN = 0;
const LF = 0x0a;
const CR = 0x0d;

/** Buffers of this size and more live outside the V8 heap and are not moved by it. */
const FIRST_BUFFER_BYTES = 65_536;

/** Milliseconds between looks at a descriptor that somebody made non-blocking. */
const RETRY_MS = 5;

/**
 * Everything up to the end of the input.
 *
 * @param maxBytes - refused beyond it
 * @returns the bytes; the caller wipes them
 * @throws {Fault} data: longer than `maxBytes`; what was read is wiped
 */
export function readAll(maxBytes: number, descriptor: number = STDIN): Uint8Array<ArrayBuffer> {
  let buffer = allocate(Math.min(FIRST_BUFFER_BYTES, maxBytes + 1));
  let length = 0;
  for (;;) {
    const count = readSome(descriptor, buffer, length, buffer.length - length);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > maxBytes) {
      buffer.fill(0);
      throw tooLong(maxBytes);
    }
    if (length === buffer.length) {
      const larger = allocate(Math.min(2 * length, maxBytes + 1));
      larger.set(buffer);
      buffer.fill(0);
      buffer = larger;
    }
  }
}

/**
 * One line, without its `\n` or `\r\n`; takes nothing that follows it, so the next call reads the
 * next line. The end of the input ends a line too.
 *
 * @param maxBytes - without the line end
 * @returns the line, which the caller wipes; null if the input had ended before
 * @throws {Fault} data: longer than `maxBytes`; what was read is wiped
 */
export function readLine(
  maxBytes: number,
  descriptor: number = STDIN,
): Uint8Array<ArrayBuffer> | null {
  const buffer = allocate(maxBytes + 2);
  let length = 0;
  for (;;) {
    if (readSome(descriptor, buffer, length, 1) === 0) {
      if (length === 0) return null;
      break;
    }
    length += 1;
    if (buffer[length - 1] === LF) break;
    if (length === buffer.length) break;
  }
  const line = stripOneNewline(buffer.subarray(0, length));
  if (line.length <= maxBytes) return line;
  buffer.fill(0);
  throw tooLong(maxBytes);
}

/** The bytes without one `\n` or `\r\n` at their end; a view of the same memory. */
export function stripOneNewline<T extends ArrayBufferLike>(bytes: Uint8Array<T>): Uint8Array<T> {
  if (bytes.at(-1) !== LF) return bytes;
  return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1);
}

/** The bytes before the first `\n` or `\r\n`; a view of the same memory. */
export function firstLine<T extends ArrayBufferLike>(bytes: Uint8Array<T>): Uint8Array<T> {
  const end = bytes.indexOf(LF);
  return end === -1 ? bytes : stripOneNewline(bytes.subarray(0, end + 1));
}

/** read(2); 0 at the end of the input. */
function readSome(fd: number, buffer: Uint8Array, offset: number, length: number): number {
  for (;;) {
    try {
      return readSync(fd, buffer, offset, length, null);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EOF") return 0;
      if (code === "EINTR") continue;
      if (code !== "EAGAIN")
        throw new Fault("io", "the input cannot be read", "check stdin", error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(bytes));
}

function tooLong(maxBytes: number): Fault {
  return new Fault("data", `the input is longer than ${maxBytes} bytes`, "shorten it");
}
