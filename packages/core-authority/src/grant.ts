import {
  bytes,
  decode,
  encode,
  IDENTITY_KINDS,
  ID_BYTES,
  limits,
  list,
  minimumSchema,
  NO_MINIMUM,
  meetsMinimum,
  nullable,
  stampUuidV7,
  struct,
  text,
  uint,
  uuidText,
  Violation,
  type IdentityKind,
  type Minimum,
} from "@sesame/core-types";
import { SIGNATURE_BYTES, type Suite } from "@sesame/core-crypto";
import { commandRulesSchema, isCommandRule, type CommandRules } from "./command.ts";
import { AuthorityError } from "./errors.ts";
import {
  AI_TTL_MS,
  DEFAULT_HEARTBEAT_MS,
  MAX_GRANT_BYTES,
  MAX_GRANT_PROFILES,
  MAX_HEARTBEAT_MS,
  MAX_ISSUED_MS,
  MAX_PATH_BYTES,
  MAX_TTL_MS,
  MAX_USES,
  MIN_HEARTBEAT_MS,
  MIN_TTL_MS,
  SESSION_TTL_MS,
} from "./limits.ts";
import { scopeOf, scopeSchema, type Scope } from "./scope.ts";

// A grant: what one identity lets another do, for how long. On the wire and at rest it is the
// signature followed by the canonical encoding of the body. docs/AUTHORITY.md, Grants.

const PREFIX = new TextEncoder().encode("sesame grant v1\n");
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const NONCE_BYTES = 16;

/** 36 characters. */
const uuid = text(36);

const fields = {
  version: uint,
  installation: uuid,
  id: uuid,
  delegator: uuid,
  delegatee: uuid,
  parent: nullable(uuid),
  scope: scopeSchema,
  profiles: nullable(list(text(limits.MAX_PROFILE_NAME, "profile-name"), MAX_GRANT_PROFILES)),
  issuedAtMs: uint,
  ttlMs: uint,
  heartbeatMs: uint,
  maxUses: nullable(uint),
  pointOfUse: nullable(struct({ path: text(MAX_PATH_BYTES), sha256: bytes(32, 32) })),
  commands: nullable(commandRulesSchema),
  nonce: bytes(NONCE_BYTES, NONCE_BYTES),
};

/** By version; a grant has the first that can say all of it. */
const BODIES = { 1: struct(fields), 2: struct({ ...fields, minimum: minimumSchema }) };

/** The first byte of a body of version 1: an array of so many elements. */
const FIRST_BODY = 0x90 + Object.keys(fields).length;

/** The program that may use a grant. */
export type PointOfUse = {
  /** Absolute path of the executable. */
  readonly path: string;
  /** Of its content, 32 bytes. */
  readonly sha256: Uint8Array;
};

export type Grant = {
  /** Id of the installation; UUID like the other ids. */
  readonly installation: string;
  readonly id: string;
  /** Identity that signs. */
  readonly delegator: string;
  /** Identity that may use it. */
  readonly delegatee: string;
  /** The grant that the delegator draws on; null: its own enrolment. */
  readonly parent: string | null;
  /** Its depths say how far the delegatee may hand it on. */
  readonly scope: Scope;
  /** Sorted names; null: all profiles. */
  readonly profiles: readonly string[] | null;
  /** Unix milliseconds. */
  readonly issuedAtMs: number;
  /** MIN_TTL_MS to MAX_TTL_MS. */
  readonly ttlMs: number;
  /** MIN_HEARTBEAT_MS to MAX_HEARTBEAT_MS. */
  readonly heartbeatMs: number;
  /** 1 to MAX_USES; null: no limit. */
  readonly maxUses: number | null;
  readonly pointOfUse: PointOfUse | null;
  /** Commands for which what may be used without reading may be used; null: no limit. */
  readonly commands: CommandRules | null;
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
  /** How far its user's connection has to be trusted; null: no further than that it is the user's. */
  readonly minimum: Minimum | null;
};

export type SignedGrant = {
  readonly grant: Grant;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
};

/** What narrows a grant beyond its scope; each has a default. */
export type Restrictions = Pick<
  Grant,
  "profiles" | "ttlMs" | "heartbeatMs" | "maxUses" | "pointOfUse" | "commands" | "minimum"
>;

/** What is agreed; everything else of a grant has a default or is drawn at random. */
export type Terms = Pick<Grant, "installation" | "delegator" | "delegatee" | "parent" | "scope"> &
  Partial<Restrictions> & {
    /** Kind of the delegatee; decides how long the grant lasts by default. */
    readonly kind: IdentityKind;
  };

/** Milliseconds that a grant to an identity of a kind lasts unless told otherwise. */
export function defaultTtlMs(kind: IdentityKind): number {
  return kind === "ai" ? AI_TTL_MS : SESSION_TTL_MS;
}

/** A grant of now, to be signed. */
export function draftGrant(
  { kind, ...terms }: Terms,
  at: { readonly wallMs: number; readonly random: (length: number) => Uint8Array },
): Grant {
  if (!IDENTITY_KINDS.includes(kind)) throw new RangeError("not a kind of identity");
  const issuedAtMs = Math.floor(at.wallMs);
  return {
    profiles: null,
    ttlMs: defaultTtlMs(kind),
    heartbeatMs: DEFAULT_HEARTBEAT_MS,
    maxUses: null,
    pointOfUse: null,
    commands: null,
    minimum: null,
    ...terms,
    id: uuidText(stampUuidV7(at.random(ID_BYTES), issuedAtMs)),
    issuedAtMs,
    nonce: at.random(NONCE_BYTES),
  };
}

/**
 * Signs a grant.
 *
 * @param sign - Ed25519 with the delegator's signing key
 * @throws {AuthorityError} grant-invalid, if a field is beyond its bounds
 */
export function signGrant(grant: Grant, sign: (message: Uint8Array) => Uint8Array): SignedGrant {
  return { grant, signature: sign(grantStatement(grant)) };
}

/** True if the holder of the key signed exactly this grant. */
export function isSignedGrant(
  verifier: Pick<Suite, "ed25519Verify">,
  publicKey: Uint8Array,
  { grant, signature }: SignedGrant,
): boolean {
  return verifier.ed25519Verify(publicKey, grantStatement(grant), signature);
}

/** At most MAX_GRANT_BYTES. */
export function encodeGrant({ grant, signature }: SignedGrant): Uint8Array {
  return concat(signature, bodyBytes(grant));
}

/**
 * Reads a grant. Nothing is known of its signature by that.
 *
 * @throws {AuthorityError} grant-invalid, if the bytes are not the canonical form of a grant
 */
export function decodeGrant(from: Uint8Array): SignedGrant {
  if (from.length > MAX_GRANT_BYTES) throw invalid("it is too long");
  const own = from.slice();
  const grant = orInvalid(
    () => bodyOf(own.subarray(SIGNATURE_BYTES)),
    "its encoding is not canonical",
  );
  return { grant, signature: own.subarray(0, SIGNATURE_BYTES) };
}

function bodyOf(from: Uint8Array): Grant {
  const { version, ...read } = decode(BODIES[from[0] === FIRST_BODY ? 1 : 2], from);
  const grant = { minimum: null, ...read };
  if (version !== versionOf(grant)) throw invalid("its version is not known");
  check(grant);
  return grant;
}

function orInvalid<T>(attempt: () => T, what: string): T {
  try {
    return attempt();
  } catch (cause) {
    if (cause instanceof Violation) throw invalid(what);
    throw cause;
  }
}

/** What a delegator signs. docs/AUTHORITY.md, Grants */
export function grantStatement(grant: Grant): Uint8Array {
  return concat(PREFIX, bodyBytes(grant));
}

function versionOf({ minimum }: Pick<Grant, "minimum">): 1 | 2 {
  return minimum === null ? 1 : 2;
}

function bodyBytes(grant: Grant): Uint8Array {
  check(grant);
  const { scope, profiles, commands, minimum } = grant;
  const version = versionOf(grant);
  const body = {
    version,
    ...grant,
    minimum: minimum ?? NO_MINIMUM,
    scope: scope.map((entry) => ({ ...entry, patterns: [...entry.patterns] })),
    profiles: profiles === null ? null : [...profiles],
    commands: commands?.map((rule) => ({ ...rule, args: [...rule.args] })) ?? null,
  };
  const encoded = orInvalid(() => encode(BODIES[version], body), "a field does not fit");
  if (encoded.length > MAX_GRANT_BYTES - SIGNATURE_BYTES) throw invalid("it is too large");
  return encoded;
}

function check(grant: Grant): void {
  const { profiles, pointOfUse, commands, parent, minimum } = grant;
  const ids = [grant.installation, grant.id, grant.delegator, grant.delegatee, parent];
  if (!ids.every((id) => id === null || UUID.test(id))) throw invalid("an id is no UUID");
  if (!isNormal(grant.scope)) throw invalid("its scope is not in normal form");
  if (profiles !== null && !profiles.every((name, i) => (profiles[i - 1] ?? "") < name))
    throw invalid("its profiles are not sorted");
  expect(grant.issuedAtMs, 0, MAX_ISSUED_MS, "issuedAtMs");
  expect(grant.ttlMs, MIN_TTL_MS, MAX_TTL_MS, "ttlMs");
  expect(grant.heartbeatMs, MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS, "heartbeatMs");
  if (grant.maxUses !== null) expect(grant.maxUses, 1, MAX_USES, "maxUses");
  if (pointOfUse !== null && !/^\/[^\0]*$/s.test(pointOfUse.path))
    throw invalid("its point of use is no absolute path");
  if (commands !== null && !commands.every(isCommandRule)) throw invalid("a command is no rule");
  if (minimum !== null && (minimum.posture > 100 || meetsMinimum(NO_MINIMUM, minimum)))
    throw invalid("its minimum is none");
}

function isNormal(scope: Scope): boolean {
  try {
    return JSON.stringify(scopeOf(scope)) === JSON.stringify(scope.map(fieldsInOrder));
  } catch (cause) {
    if (cause instanceof AuthorityError) return false;
    throw cause;
  }
}

function fieldsInOrder({ capability, patterns, depth }: Scope[number]): Scope[number] {
  return { capability, patterns, depth };
}

function expect(value: number, least: number, most: number, name: string): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw invalid(`${name} is not a number from ${least} to ${most}`);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(new ArrayBuffer(a.length + b.length));
  out.set(a);
  out.set(b, a.length);
  return out;
}

function invalid(what: string): AuthorityError {
  return new AuthorityError("grant-invalid", `not a grant: ${what}`);
}
