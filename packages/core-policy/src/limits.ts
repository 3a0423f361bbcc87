// Every bound of policies, with its unit; docs/POLICY.md, Limits.

/** Rules of one policy. */
export const MAX_RULES = 200;
/** Words, patterns or names in one list of a rule. */
export const MAX_WORDS = 64;
/** Spans of time of one rule. */
export const MAX_SPANS = 14;
/** Uses that a rate may allow. */
export const MAX_RATE_USES = 1_000;
/** Seconds over which a rate counts. */
export const MAX_RATE_SECONDS = 24 * 60 * 60;
/** Pairs of rule and identity whose uses are remembered. */
export const MAX_RATES = 4_096;
/** Milliseconds after its signature that a policy may be installed. */
export const MAX_AGE_MS = 24 * 60 * 60_000;
/** Milliseconds that the signer's clock may be ahead. */
export const MAX_AHEAD_MS = 300_000;
