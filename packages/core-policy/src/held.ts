import type { Verb } from "@sesame/core-authority";
import {
  BUS_HOST,
  holds,
  MESSAGES,
  NAMED_CAPABILITIES,
  VAULT_OWNER,
  type Capability,
} from "@sesame/core-types";
import { PolicyError } from "./failures.ts";
import type { Policy, Rule } from "./policy.ts";

// What policies hold back. A rule that would silently hold back nothing is not installed.
// docs/POLICY.md, Owners.

/** Owners that go by a policy. */
export const POLICY_OWNERS = [BUS_HOST, VAULT_OWNER] as const;

const HELD = Object.values(MESSAGES).flatMap((row) =>
  row.form === "request" && row.needs !== null && row.needs !== "daemon" && !row.repair
    ? [row]
    : [],
);
const ABOUT_SECRETS: ReadonlySet<Capability> = new Set(NAMED_CAPABILITIES);

/** Whether an owner answers calls that take this capability and that a policy can hold back. */
export function isHeldAt(owner: string, capability: Capability): capability is Verb {
  return HELD.some((row) => row.owner === owner && row.needs === capability);
}

/** Whether a capability is about secrets of a profile. */
export function isAboutSecrets(capability: Capability): boolean {
  return ABOUT_SECRETS.has(capability);
}

/** @throws {PolicyError} policy-unheld, if a rule names what no rule holds back */
export function expectHeld({ rules }: Policy): void {
  for (const rule of rules) {
    const reason = unheld(rule);
    if (reason !== null) throw new PolicyError("policy-unheld", `rule ${rule.name}: ${reason}`);
  }
}

function unheld({ who, what, demands }: Rule): string | null {
  const { capabilities, profiles, secrets } = what;
  if (who.kinds?.includes("daemon")) return "the suite's daemons are not held to policies";
  // The secret of the codes lies in the vault.
  if (demands.totp && (capabilities === null || capabilities.includes("unlock")))
    return "`totp` goes with `what.capabilities`, and not with unlock: a locked vault checks no code";
  for (const verb of capabilities ?? []) {
    const kinds = HELD.filter(({ needs }) => needs === verb);
    if (kinds.length === 0) return `no policy holds back what takes ${verb}`;
    if (secrets !== null && !isAboutSecrets(verb)) return `${verb} is not about secrets`;
    if (profiles !== null && !kinds.some(({ params }) => holds(params, "profile-name")))
      return `${verb} is not about profiles`;
  }
  return null;
}
