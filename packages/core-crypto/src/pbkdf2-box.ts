// Opens what other programs sealed under a passphrase with PBKDF2. Nothing of ours is sealed so:
// its cost is no memory, so guessing is cheap on special hardware. docs/KEYS.md, Foreign files.
import { createDecipheriv, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { KEY_BYTES, TAG_BYTES } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { moveSecret, wipe } from "./secure.ts";

/** PBKDF2-HMAC-SHA256, then AES-256-GCM without associated data. RFC 8018 §5.2, SP 800-38D */
export type Pbkdf2Box = {
  readonly iterations: number;
  /** 16 to 64 bytes. */
  readonly salt: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** Ciphertext, then the tag of 16 bytes. */
  readonly sealed: Uint8Array;
};

/** What is accepted; the least is what OWASP asks of this construction. */
export const PBKDF2_ITERATIONS = { least: 600_000, most: 10_000_000 } as const;
const SALT_BYTES = { least: 16, most: 64 } as const;
const NONCE_BYTES = 12;
const MAX_SEALED_BYTES = 4_096;

const derive = promisify(pbkdf2);

/**
 * The secret, or null for a wrong passphrase or a changed box: these cannot be told apart.
 *
 * @throws {CryptoError} sealed-box-malformed, before anything is spent on it: sizes or iterations
 *   out of bounds
 */
export async function openPbkdf2Box(
  { iterations, salt, nonce, sealed }: Pbkdf2Box,
  passphrase: Uint8Array,
): Promise<Uint8Array | null> {
  const { least, most } = PBKDF2_ITERATIONS;
  const fits =
    Number.isInteger(iterations) &&
    isWithin(iterations, least, most) &&
    isWithin(salt.length, SALT_BYTES.least, SALT_BYTES.most) &&
    nonce.length === NONCE_BYTES &&
    isWithin(sealed.length, TAG_BYTES, MAX_SEALED_BYTES);
  if (!fits) throw new CryptoError("sealed-box-malformed", "sizes or iterations out of bounds");
  const key = await derive(passphrase, salt, iterations, KEY_BYTES, "sha256");
  try {
    const opener = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    const tagAt = sealed.length - TAG_BYTES;
    opener.setAuthTag(sealed.subarray(tagAt));
    const secret = opener.update(sealed.subarray(0, tagAt));
    try {
      opener.final();
    } catch {
      wipe(secret);
      return null;
    }
    return moveSecret(secret);
  } finally {
    wipe(key);
  }
}

function isWithin(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
