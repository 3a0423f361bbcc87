import { deriveKey as derive, type Suite } from "@sesame/core-crypto";

/** What each key of a vault is for, and the purpose that its derivation context names. */
export const KEY_PURPOSES = {
  /** From the output of Argon2id; wraps the master key. */
  wrap: "key-encrypting-key",
  /** All others from the master key. This one is SQLCipher's raw key. */
  database: "vault-key",
  entry: "entry-encryption-key",
  state: "state-authentication-key",
  header: "header-authentication-key",
  pseudonym: "pseudonym-key",
} as const;

export type KeyPurpose = keyof typeof KEY_PURPOSES;

/** A profile name holds no space, so no two purposes and profiles share a context. */
export function keyContext(purpose: KeyPurpose, profile: string): string {
  return `pds v2 ${KEY_PURPOSES[purpose]} ${profile}`;
}

/**
 * Derives one key of a vault.
 *
 * @param material - 32 bytes; stays the caller's
 * @returns 32 bytes in the suite's secret memory; the caller wipes them
 * @see docs/VAULT.md#keys
 */
export function deriveKey(
  suite: Suite,
  purpose: KeyPurpose,
  profile: string,
  material: Uint8Array,
): Uint8Array {
  return derive(keyContext(purpose, profile), material, suite.allocSecret);
}
