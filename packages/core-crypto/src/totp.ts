import { createHmac } from "node:crypto";
import { equalBytes } from "./equal.ts";

// One-time codes by the clock: RFC 6238 with HMAC-SHA-1, steps of 30 seconds and 6 digits, which is
// what authenticator apps know.

/** Bytes of a secret. RFC 4226 §4, R6 */
export const TOTP_SECRET_BYTES = 20;
/** Milliseconds for which a code is shown. RFC 6238 §4.1 */
export const TOTP_STEP_MS = 30_000;
const DIGITS = 6;
/** Steps that the other clock may be off, either side. RFC 6238 §5.2 */
const DRIFT = 1;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CODE = /^\d{6}$/;

/** The step that a time lies in. */
export function totpStep(wallMs: number): number {
  return Math.floor(wallMs / TOTP_STEP_MS);
}

/** The code of a step. RFC 4226 §5.3 */
export function totpCode(secret: Uint8Array, step: number, digits = DIGITS): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const number = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/**
 * The step whose code this is: the present one or its neighbours, and later than the last one that
 * was used. Null: none. Every candidate is compared, in constant time.
 *
 * @param lastStep - of the last code that was accepted; codes up to it are replays. RFC 6238 §5.2
 */
export function matchTotp(
  secret: Uint8Array,
  code: string,
  wallMs: number,
  lastStep: number,
): number | null {
  if (!CODE.test(code)) return null;
  const given = Buffer.from(code, "latin1");
  let matched: number | null = null;
  for (let drift = -DRIFT; drift <= DRIFT; drift++) {
    const step = totpStep(wallMs) + drift;
    const isCode = equalBytes(given, Buffer.from(totpCode(secret, step), "latin1"));
    if (isCode && step > lastStep) matched = step;
  }
  return matched;
}

/** What an authenticator app takes, usually as a QR code. Key URI Format of Google Authenticator. */
export function totpUri(secret: Uint8Array, account: string): string {
  const label = `Sesame:${encodeURIComponent(account)}`;
  const terms = `issuer=Sesame&algorithm=SHA1&digits=${DIGITS}&period=${TOTP_STEP_MS / 1_000}`;
  return `otpauth://totp/${label}?secret=${base32(secret)}&${terms}`;
}

/** RFC 4648 §6, without padding. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[(held << (5 - bits)) & 31];
}
