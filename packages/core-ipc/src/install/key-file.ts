import { lstatSync } from "node:fs";
import { equalBytes, type Suite, type X25519KeyPair } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import { createFile, readBounded } from "../io/files.ts";

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

// A key file is a line of text, three 32-byte secrets and a checksum against damage.
const MAGIC = new TextEncoder().encode("sesame identity keys, version 1\n");
const LENGTH = MAGIC.length + 4 * 32;

/**
 * Makes the keys of a new identity.
 *
 * @returns null if the file exists; it is left as it is
 */
export function createKeyFile(suite: Suite, path: string): IdentityKeys | null {
  const file = new Uint8Array(new ArrayBuffer(LENGTH));
  file.set(MAGIC);
  file.set(suite.randomBytes(96), MAGIC.length);
  file.set(checksum(suite, file), LENGTH - 32);
  try {
    return createFile(path, file) ? keysOf(suite, file) : null;
  } finally {
    file.fill(0);
  }
}

/**
 * @returns null if there is no such file
 * @throws {Fault} config if others may read it, integrity if it is damaged
 */
export function loadKeyFile(suite: Suite, path: string): IdentityKeys | null {
  const file = readBounded(path, 4096);
  if (file === null) return null;
  try {
    const { mode, uid } = lstatSync(path);
    if ((mode & 0o077) !== 0 || uid !== process.getuid?.())
      throw new Fault("config", `others may read the key file ${path}`, `chmod 600 ${path}`);
    const intact =
      file.length === LENGTH &&
      equalBytes(file.subarray(0, MAGIC.length), MAGIC) &&
      equalBytes(file.subarray(LENGTH - 32), checksum(suite, file));
    if (!intact)
      throw new Fault(
        "integrity",
        `the key file ${path} is damaged`,
        "restore it from a backup; without one, have the identity revoked and enrol anew",
      );
    return keysOf(suite, file);
  } finally {
    file.fill(0);
  }
}

function keysOf(suite: Suite, file: Uint8Array): IdentityKeys {
  const part = (i: number): Uint8Array => {
    const secret = suite.allocSecret(32);
    secret.set(file.subarray(MAGIC.length + 32 * i, MAGIC.length + 32 * (i + 1)));
    return secret;
  };
  const pair = (secretKey: Uint8Array): X25519KeyPair =>
    lazily({ secretKey }, "publicKey", () => suite.x25519PublicKey(secretKey));
  const signingSeed = part(2);
  const known = { noise: pair(part(0)), sealing: pair(part(1)), signingSeed };
  return lazily(known, "signingKey", () => suite.ed25519PublicKey(signingSeed));
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

function checksum(suite: Suite, file: Uint8Array): Uint8Array {
  return suite.blake2s(file.subarray(0, LENGTH - 32));
}
