import { limits, type BlockReason } from "@sesame/core-types";
import type { AuditEntry } from "../entry.ts";

// What has somebody blocked without anybody's word. docs/SIGNALS.md, Strikes.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Rule = {
  /** So many entries … */
  readonly count: number;
  /** … within so long … */
  readonly withinMs: number;
  /** … block for so long. */
  readonly blockMs: number;
  readonly meaning: string;
  readonly counts: (what: What) => boolean;
};

type What = Pick<AuditEntry, "action" | "object" | "outcome">;

const refusedAs =
  (...outcomes: readonly string[]) =>
  ({ outcome }: What): boolean =>
    outcomes.some((one) => outcome === `refused:${one}`);

/**
 * Only what nobody does by mistake, and what nobody else can make somebody do: a sealed call that is
 * merely not authentic or stale comes of restarts and clocks as well.
 */
export const STRIKES = {
  forgery: {
    count: 5,
    withinMs: HOUR_MS,
    blockMs: 24 * HOUR_MS,
    meaning: "sealed calls repeated or malformed, proofs that prove nothing, frames of no form",
    counts: (what) =>
      (what.action === "bus.violation" && /^(?:FRAME|ENVELOPE|CODEC)-/.test(what.object ?? "")) ||
      refusedAs("seal-replayed", "seal-malformed", "proof-invalid")(what),
  },
  guessing: {
    count: 10,
    withinMs: HOUR_MS,
    blockMs: HOUR_MS,
    meaning: "wrong passwords and one-time codes",
    counts: refusedAs("factor-rejected", "totp-rejected"),
  },
  flooding: {
    count: limits.MAX_EVIDENCE,
    withinMs: 10 * MINUTE_MS,
    blockMs: 15 * MINUTE_MS,
    meaning: "calls that were refused because there were too many",
    counts: refusedAs("rate-limited"),
  },
} as const satisfies Partial<Record<BlockReason, Rule>>;
export type StrikeReason = keyof typeof STRIKES;

/** A rule that is fulfilled. */
export type Strike = {
  /** Id of the identity whose key the connections proved. */
  readonly identity: string;
  readonly reason: StrikeReason;
  /** Unix milliseconds. */
  readonly untilMs: number;
  /** The entries that fulfilled it, in their order. */
  readonly evidence: readonly { readonly seq: number; readonly hash: string }[];
};

type Seen = { readonly seq: number; readonly hash: string; readonly time: number };

const RULES = Object.entries(STRIKES) as [StrikeReason, Rule][];
/** Identities that are told apart; more are not enrolled on one machine. */
const MAX_IDENTITIES = 4_096;

/** Under which rule an entry counts; null: under none. */
export function strikeReasonOf(what: What): StrikeReason | null {
  return RULES.find(([, rule]) => rule.counts(what))?.[0] ?? null;
}

/** Counts strikes against identities, entry by entry in the log's order. */
export class Strikes {
  readonly #seen = new Map<string, Seen[]>();

  /** What the entry fulfils; null: nothing. What has been counted then counts no more. */
  take(entry: AuditEntry): Strike | null {
    const { actor, control, seq, hash, time } = entry;
    const identity = actor?.identity ?? null;
    if (control !== null || identity === null) return null;
    const reason = strikeReasonOf(entry);
    if (reason === null) return null;
    const { count, withinMs, blockMs }: Rule = STRIKES[reason];
    const key = `${reason} ${identity}`;
    const before = this.#seen.get(key) ?? [];
    const evidence = [...before, { seq, hash, time }].filter((one) => time - one.time < withinMs);
    this.#seen.delete(key);
    if (evidence.length < count) this.#seen.set(key, evidence);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > MAX_IDENTITIES && oldest !== undefined) this.#seen.delete(oldest);
    if (evidence.length < count) return null;
    return { identity, reason, untilMs: time + blockMs, evidence };
  }
}
