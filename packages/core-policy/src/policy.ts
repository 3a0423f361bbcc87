import { covers, matches, type Scope, type Verb } from "@sesame/core-authority";
import type { Identity, IdentityKind } from "@sesame/core-types";

// What a policy is and whether a rule of it applies to a request. docs/POLICY.md, Rules.

/** Days in the order of `Date.getUTCDay`. */
export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Day = (typeof DAYS)[number];

/** A span of time on some days, UTC. */
export type Span = {
  readonly days: readonly Day[];
  /** Minutes since midnight, 0 to 1 440; the end does not belong to it. */
  readonly fromMinute: number;
  readonly toMinute: number;
};

export type Rate = {
  /** 1 to MAX_RATE_USES. */
  readonly uses: number;
  /** 1 s to MAX_RATE_SECONDS. */
  readonly withinMs: number;
};

/** Null in a field of `who` or `what`: all there are. */
export type Who = {
  readonly kinds: readonly IdentityKind[] | null;
  /** Patterns of one segment. */
  readonly names: readonly string[] | null;
};

export type What = {
  readonly capabilities: readonly Verb[] | null;
  readonly profiles: readonly string[] | null;
  /** Patterns. */
  readonly secrets: readonly string[] | null;
};

/** Null or false: not demanded. */
export type Demands = {
  /** Only what this scope covers. */
  readonly ceiling: Scope | null;
  readonly times: readonly Span[] | null;
  /** Device posture of the owner, 0 to 1. */
  readonly posture: number | null;
  /** Trust score of the caller, 0 to 1. */
  readonly trust: number | null;
  readonly rate: Rate | null;
  readonly totp: boolean;
  readonly approval: boolean;
};

/** Whether it asks for scores at all. */
export function demandsTrust({ rules }: Policy): boolean {
  return rules.some(({ demands }) => demands.trust !== null);
}

export type Rule = {
  readonly name: string;
  readonly who: Who;
  readonly what: What;
  readonly demands: Demands;
};

export const MODES = ["enforce", "dry-run"] as const;
export type Mode = (typeof MODES)[number];

export type Policy = {
  /** Id of the installation; UUID, 36 characters. */
  readonly installation: string;
  /** 1 to `createdMs`; each policy has a higher one than the one before. */
  readonly version: number;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly mode: Mode;
  readonly rules: readonly Rule[];
};

/** A call that the gate has let through, concerning one secret or none. */
export type Subject = {
  readonly identity: Pick<Identity, "name" | "kind">;
  readonly capability: Verb;
  /** Null: no profile, or all of them. */
  readonly profile: string | null;
  /** Null: no secret, or all of them. */
  readonly secret: string | null;
};

/** Verbs that concern every secret if they name none. */
const ABOUT_SECRETS: ReadonlySet<Verb> = new Set<Verb>([
  "secret-read",
  "secret-write",
  "secret-delete",
  "secret-list",
  "secret-use",
]);

/** Verbs that concern every profile if they name none. */
const ABOUT_PROFILES: ReadonlySet<Verb> = new Set<Verb>([
  ...ABOUT_SECRETS,
  "unlock",
  "lock",
  "profile-activate",
  "profile-deactivate",
]);

/** Whether a rule applies: where a request is about everything, so is the rule about a part. */
export function applies({ who, what }: Rule, subject: Subject): boolean {
  const { identity, capability, profile, secret } = subject;
  return (
    (who.kinds === null || who.kinds.includes(identity.kind)) &&
    (who.names === null || who.names.some((pattern) => matches(pattern, identity.name))) &&
    (what.capabilities === null || what.capabilities.includes(capability)) &&
    (what.profiles === null ||
      (profile === null ? ABOUT_PROFILES.has(capability) : what.profiles.includes(profile))) &&
    (what.secrets === null ||
      (secret === null
        ? ABOUT_SECRETS.has(capability)
        : what.secrets.some((pattern) => matches(pattern, secret))))
  );
}

/** Whether a ceiling leaves room for a request. */
export function isBelow(ceiling: Scope, { capability, secret }: Subject): boolean {
  return covers(ceiling, capability, secret);
}

/** Whether a time lies in one of the spans. */
export function isWithin(spans: readonly Span[], wallMs: number): boolean {
  const date = new Date(wallMs);
  const day = DAYS[date.getUTCDay()];
  const minute = date.getUTCHours() * 60 + date.getUTCMinutes();
  return spans.some(
    ({ days, fromMinute, toMinute }) =>
      day !== undefined && days.includes(day) && minute >= fromMinute && minute < toMinute,
  );
}
