import type { Suite } from "@sesame/core-crypto";
import {
  bytes,
  encode,
  type Infer,
  limits,
  list,
  nullable,
  struct,
  text,
  uint,
} from "@sesame/core-types";
import { VAULT_ID_BYTES } from "./header.ts";

// What a vault holds, without the values, and its authentication. The pages of SQLCipher are each
// authentic, but an older page is too; one MAC over everything makes the whole one thing.

/** Version of the database schema. */
export const SCHEMA_VERSION = 1;

const headSchema = struct({
  schema: uint,
  vaultId: bytes(VAULT_ID_BYTES, VAULT_ID_BYTES),
  profile: text(limits.MAX_PROFILE_NAME, "profile-name"),
  /** Lowest header revision that belongs to this state. */
  headerRevision: uint,
  /** Highest version of any deleted secret; a new name starts above it. */
  retired: uint,
  /** Transactions so far. */
  writes: uint,
  /** Encoded checkpoint of the audit log. */
  anchor: nullable(bytes(256)),
  /** Number of secrets that follow. */
  secrets: uint,
});

/** The part of the state that is not about single secrets. */
export type Head = Omit<Infer<typeof headSchema>, "secrets">;

const versionSchema = struct({ version: uint, createdMs: uint, tag: bytes(16, 16) });
export type Version = Infer<typeof versionSchema>;

const secretSchema = struct({
  name: text(limits.MAX_SECRET_NAME, "secret-name"),
  createdMs: uint,
  versions: list(versionSchema, limits.KEPT_VERSIONS),
});

/** One secret: kept versions, oldest first, at least one; and its canonical bytes. */
export type SecretState = {
  readonly name: string;
  readonly createdMs: number;
  readonly versions: readonly Version[];
  readonly current: Version;
  readonly record: Uint8Array;
};

/** @throws {Violation} CODEC-1 if there is no version, or a field is not what its schema says */
export function secretState(name: string, createdMs: number, versions: Version[]): SecretState {
  const record = encode(secretSchema, { name, createdMs, versions });
  const current = versions.at(-1);
  if (current === undefined) throw new RangeError("a secret has at least one version");
  return { name, createdMs, versions, current, record };
}

/** The secret with one more version; the oldest beyond KEPT_VERSIONS goes. */
export function withVersion(
  before: SecretState | undefined,
  name: string,
  added: Version,
): SecretState {
  const versions = [...(before?.versions ?? []), added].slice(-limits.KEPT_VERSIONS);
  return secretState(name, before?.createdMs ?? added.createdMs, versions);
}

/** HMAC-SHA256 over the head and the records of all secrets in order of their names, 32 bytes. */
export function stateMac(
  suite: Suite,
  stateKey: Uint8Array,
  head: Head,
  secrets: readonly SecretState[],
): Uint8Array {
  const records = secrets.toSorted(byName).map(({ record }) => record);
  const first = encode(headSchema, { ...head, secrets: records.length });
  return suite.hmacSha256(stateKey, Buffer.concat([first, ...records]));
}

/** Order of names; they are ASCII, so that this is the order of their bytes. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
