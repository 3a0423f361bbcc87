// The bytes of a line: {"prev":"<64 hex>","seq":N,"time":N,<body>,"hash":"<64 hex>"}

const PREV = Buffer.from('{"prev":"');
const SEQ = Buffer.from('","seq":');
const TIME = Buffer.from(',"time":');
const ACTOR = Buffer.from(',"actor":');
const CONTROL = Buffer.from(',"control":{');
const HASH = Buffer.from(',"hash":"');
const END = Buffer.from('"}');

const HEX_BYTES = 64;
const HEX = Buffer.from("0123456789abcdef");
const SEQ_AT = PREV.length + HEX_BYTES;
const TAIL_BYTES = HASH.length + HEX_BYTES + END.length;
const MAX_DIGITS = 16;

/** Bytes that a line has beside its body, at most, with its line feed. */
export const LINE_OVERHEAD =
  SEQ_AT + SEQ.length + MAX_DIGITS + TIME.length + MAX_DIGITS + ",".length + TAIL_BYTES + 1;

/** The part of a line that is hashed. */
export function hashedText(prev: string, seq: number, time: number, body: string): string {
  return `{"prev":"${prev}","seq":${seq},"time":${time},${body}`;
}

/** The whole line, without line feed. */
export function lineText(hashed: string, hash: string): string {
  return `${hashed},"hash":"${hash}"}`;
}

/**
 * Reads the fixed parts of lines without making strings of them: one instance reads any number of
 * lines, and its fields describe the last. Offsets are into the buffer that was given.
 */
export class LineFrame {
  prevAt = 0;
  sequence = 0;
  timeMs = 0;
  isControl = false;
  /** End of the hashed bytes. */
  hashedEnd = 0;
  hashAt = 0;
  #at = 0;

  /** False if the line between the offsets is not an entry. */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.prevAt = start + PREV.length;
    this.hashedEnd = end - TAIL_BYTES;
    this.hashAt = this.hashedEnd + HASH.length;
    if (this.hashedEnd < start + SEQ_AT + SEQ.length) return false;
    if (!stands(PREV, bytes, start) || !stands(SEQ, bytes, start + SEQ_AT)) return false;
    if (!stands(HASH, bytes, this.hashedEnd) || !stands(END, bytes, end - END.length)) return false;

    this.#at = start + SEQ_AT + SEQ.length;
    this.sequence = this.#number(bytes);
    if (this.sequence < 0 || !stands(TIME, bytes, this.#at)) return false;
    this.#at += TIME.length;
    this.timeMs = this.#number(bytes);
    this.isControl = stands(CONTROL, bytes, this.#at);
    return this.timeMs >= 0 && (this.isControl || stands(ACTOR, bytes, this.#at));
  }

  // The one decimal form of an unsigned integer, or -1.
  #number(bytes: Buffer): number {
    const first = this.#at;
    let value = 0;
    for (; this.#at < this.hashedEnd; this.#at++) {
      const digit = (bytes[this.#at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const digits = this.#at - first;
    const leadingZero = digits > 1 && bytes[first] === 0x30;
    const fits = digits > 0 && digits <= MAX_DIGITS && Number.isSafeInteger(value);
    return fits && !leadingZero ? value : -1;
  }
}

function stands(what: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < what.length; i++) if (bytes[at + i] !== what[i]) return false;
  return true;
}

/** True if the 64 digits at the offset are those of the hash. */
export function isHexOf(hash: Uint8Array, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < hash.length; i++) {
    const byte = hash[i] ?? 0;
    if (bytes[at + 2 * i] !== HEX[byte >> 4]) return false;
    if (bytes[at + 2 * i + 1] !== HEX[byte & 15]) return false;
  }
  return true;
}

/** True if the 64 bytes at the offset are those given. */
export function sameHex(hex: Buffer, bytes: Buffer, at: number): boolean {
  return hex.compare(bytes, at, at + HEX_BYTES) === 0;
}
