import type { Capability } from "./capability.ts";
import type { IdentityKind } from "./identity.ts";

// How often an identity may ask, by what it asks for. docs/PROTOCOL.md, Rates.

/** What calls are counted together, and what their kinds need. */
export const RATE_CLASSES = {
  secrets: "kinds that need `secret-read` or `secret-use`",
  other: "kinds that need another capability, and those that answer at length",
} as const;
export type RateClass = keyof typeof RATE_CLASSES;

const PROGRAM = { secrets: 30, other: 120 } as const;

/**
 * Calls of a class that an identity of a kind may make within RATE_WINDOW_MS; null: any number.
 *
 * People are not limited: scripts run `sesame env` in loops as the operator, and whoever has taken
 * the operator's key needs one call for a whole profile. The daemons act for their callers.
 */
export const RATE_LIMITS: Readonly<
  Record<IdentityKind, Readonly<Record<RateClass, number | null>>>
> = {
  human: { secrets: null, other: null },
  daemon: { secrets: null, other: null },
  service: PROGRAM,
  ai: PROGRAM,
  extension: PROGRAM,
};

/** The class of a kind. One that needs no capability is counted only where its answer is long. */
export function rateClassOf({
  needs,
  atLength,
}: {
  readonly needs: Capability | "daemon" | null;
  readonly atLength: boolean;
}): RateClass | null {
  if (needs === null || needs === "daemon") return atLength ? "other" : null;
  return needs === "secret-read" || needs === "secret-use" ? "secrets" : "other";
}
