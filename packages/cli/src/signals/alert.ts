import {
  RULES,
  SEVERITIES,
  type AuditEntry,
  type Finding,
  type Severity,
} from "@sesame/core-audit";
import type { Suite } from "@sesame/core-crypto";
import { toHex } from "@sesame/core-types";

/** What is sent: no values, no passwords, and of secrets the log's pseudonyms at most. */
export type Alert = {
  readonly version: 1;
  readonly severity: Severity;
  /** A rule's name; `action` for an entry that the configuration names; `test`. */
  readonly rule: string;
  /** Verified name, or `user N`; null: nobody's doing. */
  readonly who: string | null;
  readonly what: string;
  readonly meaning: string;
  /** Of the entry in the audit log. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly time: number;
};

/** Seconds either side of now for which a receiver takes a webhook. docs/SIGNALS.md, Alerts. */
export const WEBHOOK_WINDOW_S = 300;

export function alertOf({ rule, severity, who, what, seq, time }: Finding): Alert {
  return { version: 1, severity, rule, who, what, meaning: RULES[rule].meaning, seq, time };
}

/** For an entry whose action the configuration names. */
export function alertOfAction(entry: AuditEntry): Alert {
  const { actor, action, profile, object, outcome, seq, time } = entry;
  const who = actor === null ? null : (actor.name ?? `user ${actor.uid}`);
  const what = [action, profile, object, outcome].filter((word) => word !== null).join(" ");
  const meaning = "the configuration asks to be told";
  return { version: 1, severity: "medium", rule: "action", who, what, meaning, seq, time };
}

export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}

/** One line for people; not yet safe for a terminal. */
export function lineOf({ severity, rule, who, what, meaning, seq }: Alert): string {
  return `${severity}: ${who ?? "the log"}: ${meaning} (${rule}: ${what}; entry ${seq})`;
}

/** The header's value: HMAC-SHA256 over `t.body`, so that neither can be replaced. */
export function signatureOf(
  { hmacSha256 }: Pick<Suite, "hmacSha256">,
  secret: Uint8Array,
  seconds: number,
  body: string,
): string {
  const mac = hmacSha256(secret, Buffer.from(`${seconds}.${body}`));
  return `t=${seconds},v1=${toHex(mac)}`;
}
