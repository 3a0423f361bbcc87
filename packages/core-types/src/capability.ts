import type { IdentityKind } from "./identity.ts";

/** Every right that the suite knows. */
export const CAPABILITIES = [
  "admin",
  "secret-read",
  "secret-write",
  "secret-delete",
  "secret-list",
  "secret-use",
  "profile-activate",
  "profile-deactivate",
  "profile-list",
  "profile-set-default",
  "status-read",
  "audit-read",
  "config-reload",
  "unlock",
  "lock",
  "delegate",
  "extension-install",
  "extension-manage",
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** Capabilities that are about a secret's name, so that they can be limited to some names. */
export const NAMED_CAPABILITIES = [
  "secret-read",
  "secret-write",
  "secret-delete",
  "secret-list",
  "secret-use",
] as const satisfies readonly Capability[];

/** Capabilities that an identity of a kind receives at enrolment unless told otherwise. */
export const DEFAULT_CAPABILITIES: Readonly<Record<IdentityKind, readonly Capability[]>> = {
  human: ["admin"],
  daemon: ["status-read", "profile-list", "profile-activate", "audit-read"],
  service: ["status-read", "profile-list"],
  ai: ["status-read", "profile-list", "secret-list", "secret-use"],
  extension: ["status-read"],
};

/** True if the held capabilities include the needed one; `admin` covers all. */
export function hasCapability(held: readonly Capability[], needed: Capability): boolean {
  return held.includes("admin") || held.includes(needed);
}
