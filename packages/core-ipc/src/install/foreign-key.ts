import { CryptoError, equalBytes, type Suite } from "@sesame/core-crypto";
import { openPbkdf2Box, type Pbkdf2Box } from "@sesame/core-crypto/pbkdf2";
import { expectMembers, Fault, JsonError, readJson, type JsonValue } from "@sesame/core-types";

// Key files of other programs. docs/KEYS.md, Foreign files.

const MAX_BYTES = 16 * 1024;
const SEED_BYTES = 32;
const KDF = "PBKDF2-HMAC-SHA256";
const CIPHER = "AES-256-GCM";

/**
 * The Ed25519 seed that a foreign file holds, to be wiped by the caller.
 *
 * @throws {Fault} data if it is no such file, denied if the passphrase is wrong
 */
export async function openForeignKey(
  suite: Suite,
  file: Uint8Array,
  passphrase: Uint8Array,
): Promise<Uint8Array> {
  const secret = await openBox(boxOf(file), passphrase);
  if (secret === null)
    throw new Fault(
      "denied",
      "the passphrase does not open the foreign key file, or the file was changed",
      "try again; nothing was imported",
    );
  try {
    return seedOf(suite, secret);
  } finally {
    secret.fill(0);
  }
}

function openBox(box: Pbkdf2Box, passphrase: Uint8Array): Promise<Uint8Array | null> {
  return openPbkdf2Box(box, passphrase).catch((cause: unknown) => {
    throw cause instanceof CryptoError ? refused(cause.message) : cause;
  });
}

function boxOf(file: Uint8Array): Pbkdf2Box {
  try {
    const names = ["kdf", "iterations", "salt", "cipher", "nonce", "ciphertext"];
    const { kdf, cipher, iterations, ...rest } = expectMembers(readJson(file, MAX_BYTES), names);
    if (kdf !== KDF || cipher !== CIPHER) throw refused(`it needs ${KDF} and ${CIPHER}`);
    if (typeof iterations !== "number") throw refused("iterations are no number");
    const [salt, nonce, sealed] = [rest["salt"], rest["nonce"], rest["ciphertext"]].map(bytesOf);
    if (!salt || !nonce || !sealed) throw refused("salt, nonce or ciphertext is no base64");
    return { iterations, salt, nonce, sealed };
  } catch (cause) {
    throw cause instanceof JsonError ? refused(cause.message) : cause;
  }
}

/** RFC 4648 §4, in its one canonical spelling. */
function bytesOf(value: JsonValue | undefined): Uint8Array | null {
  if (typeof value !== "string") return null;
  const bytes = Buffer.from(value, "base64");
  return bytes.toString("base64") === value ? bytes : null;
}

/** A public key beside the seed is compared, never trusted. */
function seedOf(suite: Suite, secret: Uint8Array): Uint8Array {
  if (secret.length !== SEED_BYTES && secret.length !== 2 * SEED_BYTES)
    throw refused("it holds no Ed25519 key of 32 or 64 bytes");
  const seed = suite.allocSecret(SEED_BYTES);
  seed.set(secret.subarray(0, SEED_BYTES));
  const stated = secret.subarray(SEED_BYTES);
  if (stated.length === 0 || equalBytes(stated, suite.ed25519PublicKey(seed))) return seed;
  suite.freeSecret(seed);
  throw refused("its public key is not that of its secret key");
}

function refused(why: string): Fault {
  return new Fault(
    "data",
    `this is no foreign key file that can be imported: ${why}`,
    "docs/KEYS.md says what a foreign file is",
  );
}
