import type { Authentication } from "@sesame/core-types";
import { DAY_MS, MEMORY_DAYS, type Conduct } from "./conducts.ts";
import type { Finding } from "./watch.ts";

/** What a score is made of, with its weight; together 100. docs/SIGNALS.md, Score. */
export const FACTORS = {
  identity: { weight: 20, meaning: "how its connections proved who it is" },
  attestation: { weight: 15, meaning: "what it asked for that others approved" },
  compliance: { weight: 15, meaning: "calls carried out, and not refused for want of a right" },
  consistency: { weight: 12, meaning: "what stood out in its conduct, the less the better" },
  servers: { weight: 12, meaning: "share of its tool servers that are pinned and unchanged" },
  errors: { weight: 10, meaning: "calls carried out, and not failed otherwise" },
  audit: { weight: 8, meaning: "whether the log about it is whole" },
  age: { weight: 8, meaning: "how long it is known" },
} as const;
export type FactorName = keyof typeof FACTORS;

/** From 0 to 1; null: nothing was measured. */
export type Measures = Readonly<Record<FactorName, number | null>>;

export type Score = {
  /** 0 to 100. */
  readonly score: number;
  /** Weight of what was measured, 0 to 100. */
  readonly confidence: number;
};

/** What stands in for a factor of which nothing is known, when the ceiling is computed. */
const NEUTRAL = 0.5;
const AGES = [
  { days: 7, value: 0.3 },
  { days: 30, value: 0.5 },
  { days: 90, value: 0.75 },
] as const;
const PROOFS: Readonly<Record<Authentication, number>> = { none: 0, key: 0.5, "key-and-pid": 1 };

/** Entries of the log that are looked at, the latest. */
export const LOOK_BACK = 500_000;

export type Evidence = {
  readonly conduct: Conduct;
  readonly findings: readonly Finding[];
  /** Of its live connections; none: it is not connected. */
  readonly proofs: readonly Authentication[];
  /** Whether the log verifies, and without gaps; null: it was not verified. */
  readonly log: "whole" | "torn" | "changed" | null;
  readonly nowMs: number;
};

/** The factors, as far as there is evidence for them. */
export function measure({ conduct, findings, proofs, log, nowMs }: Evidence): Measures {
  const { calls, notAllowed, failed, approved, rejected, since } = conduct;
  // Each sort of refusal is set against the calls that were carried out, so that neither sort
  // thins out the other.
  const done = calls - notAllowed - failed;
  const share = (bad: number): number | null => (done + bad === 0 ? null : done / (done + bad));
  const fresh = findings.filter(({ time }) => nowMs - time < MEMORY_DAYS * DAY_MS);
  const kinds = new Set(fresh.map(({ rule, what }) => `${rule} ${what}`)).size;
  return {
    identity: proofs.length === 0 ? null : Math.min(...proofs.map((proof) => PROOFS[proof])),
    attestation: approved + rejected === 0 ? null : approved / (approved + rejected),
    compliance: share(notAllowed),
    consistency: calls === 0 ? null : 1 - Math.tanh(kinds / 2),
    // There are no tool servers.
    servers: null,
    errors: share(failed),
    audit: log === null ? null : { whole: 1, torn: 0.5, changed: 0 }[log],
    age: since === null ? null : ageOf(nowMs - since),
  };
}

function ageOf(ms: number): number {
  return AGES.find(({ days }) => ms < days * DAY_MS)?.value ?? 1;
}

/**
 * The lesser of two: what was measured, by its weights alone; and the whole, with half of the
 * weight for what was not measured. So little evidence makes no high score.
 */
export function scoreOf(measures: Measures): Score {
  let measured = 0;
  let sum = 0;
  let whole = 0;
  for (const [name, { weight }] of Object.entries(FACTORS)) {
    const value = measures[name as FactorName];
    whole += weight * (value ?? NEUTRAL);
    if (value === null) continue;
    measured += weight;
    sum += weight * value;
  }
  const score = measured === 0 ? 0 : Math.min((100 * sum) / measured, whole);
  return { score: Math.floor(score + 1e-9), confidence: measured };
}
