/** 16-byte identifiers (RFC 9562, version 7: 48 bits of milliseconds, 74 random bits). */
export type CallId = Uint8Array;

export const ID_BYTES = 16;

/**
 * Writes the time and the version bits over 16 random bytes.
 *
 * @param random - 16 bytes; overwritten and returned
 * @param nowMs - Unix time in milliseconds
 * @see RFC 9562 §5.7
 */
export function stampUuidV7(random: Uint8Array, nowMs: number): Uint8Array {
  const high = Math.floor(nowMs / 0x1_0000);
  random[0] = high >>> 24;
  random[1] = high >>> 16;
  random[2] = high >>> 8;
  random[3] = high;
  random[4] = nowMs >>> 8;
  random[5] = nowMs;
  random[6] = 0x70 | ((random[6] ?? 0) & 0x0f);
  random[8] = 0x80 | ((random[8] ?? 0) & 0x3f);
  return random;
}

/** Milliseconds since the Unix epoch that a version 7 identifier carries. */
export function uuidTimeMs(id: Uint8Array): number {
  let ms = 0;
  for (let i = 0; i < 6; i++) ms = ms * 256 + (id[i] ?? 0);
  return ms;
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Bytes of a lower-case hex text, or null if it is anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const bytes = new Uint8Array(new ArrayBuffer(text.length / 2));
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The 36-character form of 16 bytes. */
export function uuidText(id: Uint8Array): string {
  const hex = toHex(id);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
