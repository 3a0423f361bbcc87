import type { Capability } from "./capability.ts";
import type { Level } from "./level.ts";

/** What an identity stands for; decides its default capabilities. */
export const IDENTITY_KINDS = ["human", "daemon", "service", "ai", "extension"] as const;

/** Kinds that come in by enrolment; the others are made at set-up. */
export const ENROLLED_KINDS = ["service", "ai", "extension"] as const;

/** Whether an identity has its rights, or the operator holds them back. */
export const IDENTITY_STATES = ["active", "suspended"] as const;

export type IdentityState = (typeof IDENTITY_STATES)[number];

export type IdentityKind = (typeof IDENTITY_KINDS)[number];

/** The public keys of an identity, 32 bytes each. */
export type PublicKeys = {
  /** X25519, for Noise. */
  readonly noiseKey: Uint8Array;
  /** X25519, for sealing at rest. */
  readonly sealingKey: Uint8Array;
  /** Ed25519. */
  readonly signingKey: Uint8Array;
};

/** Keys that an identity has replaced, and that are its own still until a date. */
export type FormerKeys = PublicKeys & {
  /** Wall clock, milliseconds. */
  readonly untilMs: number;
};

/** The public half of an identity as enrolled and signed by the installation's root key. */
export type Identity = PublicKeys & {
  /** UUID, 36 characters. */
  readonly id: string;
  readonly name: string;
  readonly kind: IdentityKind;
  /** Suspended, it keeps its name and its keys are nobody's. */
  readonly state: IdentityState;
  /** When it was let in; wall clock, milliseconds. */
  readonly enrolledMs: number;
  readonly clearance: Level;
  readonly capabilities: readonly Capability[];
  /** What it said it would do when it applied: a scope's text (docs/AUTHORITY.md); "" for nothing. */
  readonly wants: string;
  /** When it got the keys that it has; wall clock, milliseconds. */
  readonly keyedMs: number;
  /** Keys that it had before, the latest last. */
  readonly former: readonly FormerKeys[];
};

/** Names of the identities that own message kinds. `bus` is the router itself. */
export const BUS_HOST = "daemon-profile";
export const VAULT_OWNER = "daemon-secrets";
export const LAUNCHER = "daemon-launcher";
export const OPERATOR = "operator";

/** The suite's own daemons, in the order in which they start. */
export const DAEMONS = [BUS_HOST, VAULT_OWNER, LAUNCHER] as const;

const FOUNDERS: readonly string[] = [OPERATOR, ...DAEMONS];

/** True for names of the suite's own: nobody enrols under one of them or one like them. */
export function isReservedName(name: string): boolean {
  const lower = name.toLowerCase();
  return FOUNDERS.includes(lower) || lower.startsWith("daemon-");
}
