import {
  BOX_OVERHEAD_BYTES,
  CryptoError,
  equalBytes,
  unwrapWithPassword,
  wrapWithPassword,
  type Suite,
  type X25519KeyPair,
} from "@sesame/core-crypto";

// The bytes of key files. docs/KEYS.md, Files.

/** The three secrets of an identity; never converted into each other. */
export type IdentityKeys = {
  /** X25519, for Noise. */
  readonly noise: X25519KeyPair;
  /** X25519, for sealing at rest. */
  readonly sealing: X25519KeyPair;
  /** Ed25519 seed, 32 bytes. */
  readonly signingSeed: Uint8Array;
  /** Ed25519 public key, 32 bytes. */
  readonly signingKey: Uint8Array;
};

/** Views of the file's bytes. */
export type ProtectedKeys = {
  readonly protection: "passphrase";
  /** Everything before the box; authenticated with it. */
  readonly header: Uint8Array;
  readonly publicKeys: Uint8Array;
  readonly box: Uint8Array;
};

/** What a key file holds; views of the file's bytes. */
export type KeyFileContent =
  ProtectedKeys | { readonly protection: "none"; readonly secrets: Uint8Array };

const PLAIN = new TextEncoder().encode("sesame identity keys, version 1\n");
const PROTECTED = new TextEncoder().encode("sesame identity keys, version 2\n");
const ALL_UNDER_PASSPHRASE = 1;
const KEYS_BYTES = 3 * 32;
const CHECKSUM_BYTES = 32;
const HEADER_BYTES = PROTECTED.length + 1 + KEYS_BYTES;
const PLAIN_BYTES = PLAIN.length + KEYS_BYTES + CHECKSUM_BYTES;
const PROTECTED_BYTES = HEADER_BYTES + KEYS_BYTES + BOX_OVERHEAD_BYTES + CHECKSUM_BYTES;

/** What a passphrase costs at least to try. RFC 9106 §4, second recommendation */
const LEAST_COST = { memoryKiB: 65_536, passes: 3 };

/** Fresh keys, and their file without a passphrase. */
export function newKeys(suite: Suite): { readonly keys: IdentityKeys; readonly file: Uint8Array } {
  const file = plainFile(suite, (secrets) => secrets.set(suite.randomBytes(KEYS_BYTES)));
  return { keys: keysOf(suite, file.subarray(PLAIN.length)), file };
}

/** Fresh keys beside a signing key that there is already. */
export function keysWith(suite: Suite, signingSeed: Uint8Array): IdentityKeys {
  const secrets = suite.allocSecret(KEYS_BYTES);
  secrets.set(suite.randomBytes(64));
  secrets.set(signingSeed, 64);
  const keys = keysOf(suite, secrets);
  suite.freeSecret(secrets);
  return keys;
}

/** The file of some keys, under a passphrase or, with null, without. */
export async function keyFileOf(
  suite: Suite,
  keys: IdentityKeys,
  passphrase: Uint8Array | null,
): Promise<Uint8Array> {
  const fill = (secrets: Uint8Array): void => secretsInto(secrets, keys);
  if (passphrase === null) return plainFile(suite, fill);
  const header = new Uint8Array(HEADER_BYTES);
  header.set(PROTECTED);
  header[PROTECTED.length] = ALL_UNDER_PASSPHRASE;
  header.set(publicKeysOf(keys), PROTECTED.length + 1);
  const secrets = suite.allocSecret(KEYS_BYTES);
  try {
    fill(secrets);
    const box = await wrapWithPassword(suite, passphrase, secrets, header);
    return withChecksum(suite, Buffer.concat([header, box, Buffer.alloc(CHECKSUM_BYTES)]));
  } finally {
    suite.freeSecret(secrets);
  }
}

/** What a file holds; null if it is damaged or no key file. */
export function parseKeyFile(suite: Suite, file: Uint8Array): KeyFileContent | null {
  const end = file.length - CHECKSUM_BYTES;
  if (file.length !== PLAIN_BYTES && file.length !== PROTECTED_BYTES) return null;
  if (!equalBytes(file.subarray(end), suite.blake2s(file.subarray(0, end)))) return null;
  const magic = file.subarray(0, PLAIN.length);
  if (file.length === PLAIN_BYTES)
    return equalBytes(magic, PLAIN)
      ? { protection: "none", secrets: file.subarray(PLAIN.length, end) }
      : null;
  if (!equalBytes(magic, PROTECTED) || file[PROTECTED.length] !== ALL_UNDER_PASSPHRASE) return null;
  const header = file.subarray(0, HEADER_BYTES);
  const publicKeys = header.subarray(PROTECTED.length + 1);
  return { protection: "passphrase", header, publicKeys, box: file.subarray(HEADER_BYTES, end) };
}

/**
 * The keys of a protected file.
 *
 * @returns null if the passphrase is wrong or the file was changed
 */
export async function unprotected(
  suite: Suite,
  { header, box }: ProtectedKeys,
  passphrase: Uint8Array,
): Promise<IdentityKeys | null> {
  const secrets = await unwrap(suite, passphrase, box, header);
  if (secrets === null) return null;
  try {
    return secrets.length === KEYS_BYTES ? keysOf(suite, secrets) : null;
  } finally {
    suite.freeSecret(secrets);
  }
}

/** Copies of three secrets in memory for secrets; public keys are computed from them. */
export function keysOf(suite: Suite, secrets: Uint8Array): IdentityKeys {
  const part = (i: number): Uint8Array => {
    const secret = suite.allocSecret(32);
    secret.set(secrets.subarray(32 * i, 32 * (i + 1)));
    return secret;
  };
  const pair = (secretKey: Uint8Array): X25519KeyPair =>
    lazily({ secretKey }, "publicKey", () => suite.x25519PublicKey(secretKey));
  const signingSeed = part(2);
  const known = { noise: pair(part(0)), sealing: pair(part(1)), signingSeed };
  return lazily(known, "signingKey", () => suite.ed25519PublicKey(signingSeed));
}

/** The public keys in the order of the secrets, 96 bytes. */
export function publicKeysOf({ noise, sealing, signingKey }: IdentityKeys): Uint8Array {
  return Buffer.concat([noise.publicKey, sealing.publicKey, signingKey]);
}

async function unwrap(
  suite: Suite,
  passphrase: Uint8Array,
  box: Uint8Array,
  header: Uint8Array,
): Promise<Uint8Array | null> {
  try {
    return await unwrapWithPassword(suite, passphrase, box, header, LEAST_COST);
  } catch (cause) {
    // A box that we would not have made: its cost, or its version, was changed.
    if (cause instanceof CryptoError && cause.code === "sealed-box-malformed") return null;
    throw cause;
  }
}

function plainFile(suite: Suite, fill: (secrets: Uint8Array) => void): Uint8Array {
  const file = new Uint8Array(new ArrayBuffer(PLAIN_BYTES));
  file.set(PLAIN);
  fill(file.subarray(PLAIN.length, PLAIN.length + KEYS_BYTES));
  return withChecksum(suite, file);
}

function secretsInto(target: Uint8Array, { noise, sealing, signingSeed }: IdentityKeys): void {
  for (const [i, secret] of [noise.secretKey, sealing.secretKey, signingSeed].entries())
    target.set(secret, 32 * i);
}

function withChecksum(suite: Suite, file: Uint8Array): Uint8Array {
  const end = file.length - CHECKSUM_BYTES;
  file.set(suite.blake2s(file.subarray(0, end)), end);
  return file;
}

/** Most programs need one of the three public keys, and each takes a millisecond when cold. */
function lazily<T extends object, K extends string>(
  known: T,
  name: K,
  compute: () => Uint8Array,
): T & { readonly [key in K]: Uint8Array } {
  let computed: Uint8Array | null = null;
  Object.defineProperty(known, name, { enumerable: true, get: () => (computed ??= compute()) });
  return known as T & { readonly [key in K]: Uint8Array };
}
