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

/** The secrets of an identity; never converted into each other. */
export type HeldKeys = {
  /** X25519, for Noise. */
  readonly noise: X25519KeyPair;
  /** X25519, for sealing at rest. */
  readonly sealing: X25519KeyPair;
  /** Ed25519 seed, 32 bytes; null if an ssh-agent holds it. */
  readonly signingSeed: Uint8Array | null;
  /** Ed25519 public key, 32 bytes. */
  readonly signingKey: Uint8Array;
};

/** All three, in the file. */
export type IdentityKeys = HeldKeys & { readonly signingSeed: Uint8Array };

/** Who holds the signing key. */
export type SignerKind = "file" | "ssh-agent";

type Common = {
  readonly signer: SignerKind;
  /** In the order of the secrets, 96 bytes; null where they are to be computed. */
  readonly publicKeys: Uint8Array | null;
};

/** Views of the file's bytes. */
export type ProtectedKeys = Common & {
  readonly protection: "passphrase";
  /** Everything before the box; authenticated with it. */
  readonly header: Uint8Array;
  readonly publicKeys: Uint8Array;
  readonly box: Uint8Array;
};

/** What a key file holds; views of the file's bytes. */
export type KeyFileContent =
  ProtectedKeys | (Common & { readonly protection: "none"; readonly secrets: Uint8Array });

type Form = Pick<KeyFileContent, "protection" | "signer">;

const PLAIN = new TextEncoder().encode("sesame identity keys, version 1\n");
const SECOND = new TextEncoder().encode("sesame identity keys, version 2\n");
/** Of version 2, by their number; without passphrase and agent a file has version 1. */
const FORMS: ReadonlyMap<number, Form> = new Map([
  [1, { protection: "passphrase", signer: "file" }],
  [2, { protection: "none", signer: "ssh-agent" }],
  [3, { protection: "passphrase", signer: "ssh-agent" }],
]);
const KEY_BYTES = 32;
const ALL_KEYS_BYTES = 3 * KEY_BYTES;
const CHECKSUM_BYTES = 32;
const HEADER_BYTES = SECOND.length + 1 + ALL_KEYS_BYTES;

/** What a passphrase costs at least to try. RFC 9106 §4, second recommendation */
const LEAST_COST = { memoryKiB: 65_536, passes: 3 };

/** Fresh keys, and their file without a passphrase. */
export function newKeys(suite: Suite): { readonly keys: IdentityKeys; readonly file: Uint8Array } {
  const secrets = suite.allocSecret(ALL_KEYS_BYTES);
  secrets.set(suite.randomBytes(ALL_KEYS_BYTES));
  const keys = keysOf(suite, secrets);
  const file = withChecksum(suite, [PLAIN, secrets]);
  suite.freeSecret(secrets);
  return { keys, file };
}

/** Fresh keys beside a signing key that there is already: its seed, or its public key alone. */
export function keysBeside(
  suite: Suite,
  signing: { readonly seed: Uint8Array } | { readonly publicKey: Uint8Array },
): HeldKeys {
  const fresh = suite.randomBytes(2 * KEY_BYTES);
  const held = "seed" in signing ? signing.seed : new Uint8Array(0);
  const secrets = suite.allocSecret(fresh.length + held.length);
  secrets.set(fresh);
  secrets.set(held, fresh.length);
  fresh.fill(0);
  const keys =
    "seed" in signing ? keysOf(suite, secrets) : keysOf(suite, secrets, signing.publicKey);
  suite.freeSecret(secrets);
  return keys;
}

/** The file of some keys, under a passphrase or, with null, without. */
export async function sealKeyFile(
  suite: Suite,
  keys: HeldKeys,
  passphrase: Uint8Array | null,
): Promise<Uint8Array> {
  const protection = passphrase === null ? "none" : "passphrase";
  const signer = keys.signingSeed === null ? "ssh-agent" : "file";
  const secrets = secretsOf(suite, keys);
  try {
    const number = [...FORMS].find(
      ([, form]) => form.protection === protection && form.signer === signer,
    )?.[0];
    if (number === undefined) return withChecksum(suite, [PLAIN, secrets]);
    const header = Buffer.concat([SECOND, Uint8Array.of(number), publicKeysOf(keys)]);
    const body =
      passphrase === null ? secrets : await wrapWithPassword(suite, passphrase, secrets, header);
    return withChecksum(suite, [header, body]);
  } finally {
    suite.freeSecret(secrets);
  }
}

/** What a file holds; null if it is damaged or no key file. */
export function parseKeyFile(suite: Suite, file: Uint8Array): KeyFileContent | null {
  const end = file.length - CHECKSUM_BYTES;
  if (end < SECOND.length + 1) return null;
  if (!equalBytes(file.subarray(end), suite.blake2s(file.subarray(0, end)))) return null;
  const magic = file.subarray(0, PLAIN.length);
  if (equalBytes(magic, PLAIN)) {
    const secrets = file.subarray(PLAIN.length, end);
    return secrets.length === ALL_KEYS_BYTES
      ? { protection: "none", signer: "file", publicKeys: null, secrets }
      : null;
  }
  const form = FORMS.get(file[SECOND.length] ?? 0);
  if (!equalBytes(magic, SECOND) || form === undefined) return null;
  const header = file.subarray(0, HEADER_BYTES);
  const publicKeys = header.subarray(SECOND.length + 1);
  const body = file.subarray(HEADER_BYTES, end);
  const { protection, signer } = form;
  const overhead = protection === "passphrase" ? BOX_OVERHEAD_BYTES : 0;
  if (body.length !== secretBytes(signer) + overhead) return null;
  return protection === "passphrase"
    ? { protection, signer, header, publicKeys, box: body }
    : { protection, signer, publicKeys, secrets: body };
}

/**
 * The keys of a protected file.
 *
 * @returns null if the passphrase is wrong or the file was changed
 */
export async function unprotected(
  suite: Suite,
  { header, box, signer, publicKeys }: ProtectedKeys,
  passphrase: Uint8Array,
): Promise<HeldKeys | null> {
  const secrets = await unwrap(suite, passphrase, box, header);
  if (secrets === null) return null;
  try {
    return signer === "file"
      ? keysOf(suite, secrets)
      : keysOf(suite, secrets, signingKeyIn(publicKeys));
  } finally {
    suite.freeSecret(secrets);
  }
}

/** The keys of a file without a passphrase. */
export function keysIn(
  suite: Suite,
  { secrets, publicKeys }: Exclude<KeyFileContent, ProtectedKeys>,
): HeldKeys {
  return publicKeys === null
    ? keysOf(suite, secrets)
    : keysOf(suite, secrets, signingKeyIn(publicKeys));
}

/** The public keys in the order of the secrets, 96 bytes. */
export function publicKeysOf({ noise, sealing, signingKey }: HeldKeys): Uint8Array {
  return Buffer.concat([noise.publicKey, sealing.publicKey, signingKey]);
}

/** The last of three public keys; a copy. */
function signingKeyIn(publicKeys: Uint8Array): Uint8Array {
  return Uint8Array.from(publicKeys.subarray(-KEY_BYTES));
}

/** Copies in memory for secrets; public keys are computed but for the one of an ssh-agent. */
function keysOf(suite: Suite, secrets: Uint8Array): IdentityKeys;
function keysOf(suite: Suite, secrets: Uint8Array, signingKey: Uint8Array): HeldKeys;
function keysOf(suite: Suite, secrets: Uint8Array, signingKey?: Uint8Array): HeldKeys {
  const part = (i: number): Uint8Array => {
    const secret = suite.allocSecret(KEY_BYTES);
    secret.set(secrets.subarray(KEY_BYTES * i, KEY_BYTES * (i + 1)));
    return secret;
  };
  const pair = (secretKey: Uint8Array): X25519KeyPair =>
    lazily({ secretKey }, "publicKey", () => suite.x25519PublicKey(secretKey));
  const pairs = { noise: pair(part(0)), sealing: pair(part(1)) };
  if (signingKey !== undefined) return { ...pairs, signingSeed: null, signingKey };
  const signingSeed = part(2);
  return lazily({ ...pairs, signingSeed }, "signingKey", () => suite.ed25519PublicKey(signingSeed));
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

/** To be freed by the caller. */
function secretsOf(suite: Suite, { noise, sealing, signingSeed }: HeldKeys): Uint8Array {
  const parts = [
    noise.secretKey,
    sealing.secretKey,
    ...(signingSeed === null ? [] : [signingSeed]),
  ];
  const secrets = suite.allocSecret(KEY_BYTES * parts.length);
  for (const [i, part] of parts.entries()) secrets.set(part, KEY_BYTES * i);
  return secrets;
}

function secretBytes(signer: SignerKind): number {
  return signer === "file" ? ALL_KEYS_BYTES : 2 * KEY_BYTES;
}

/** Of its own, outside the V8 heap, for whoever wipes it. */
function withChecksum(suite: Suite, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const file = new Uint8Array(new ArrayBuffer(length + CHECKSUM_BYTES));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  file.set(suite.blake2s(file.subarray(0, at)), at);
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
