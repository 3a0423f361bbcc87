/** How much somebody should care, least first. */
export const SEVERITIES = ["low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

type Rule = { readonly severity: Severity; readonly meaning: string };

// Milliseconds, and numbers of entries.
export const SETTLED_MS = 24 * 60 * 60 * 1_000;
export const BURST = { count: 100, withinMs: 60_000 } as const;
export const REFUSALS = { count: 10, withinMs: 10 * 60_000 } as const;
export const FORGERIES = { count: 5, withinMs: 60 * 60_000 } as const;
export const APPLICANTS = { count: 10, withinMs: 10 * 60_000 } as const;
/** A finding that repeats one of the same rule about the same party is not made again so soon. */
export const QUIET_MS = 60 * 60_000;

/** What in the log is worth a look. docs/SIGNALS.md, Rules. */
export const RULES = {
  undeclared: { severity: "medium", meaning: "does, or tries, what it did not declare" },
  "new-verb": { severity: "low", meaning: "does for the first time what it did not do for a day" },
  "new-program": { severity: "high", meaning: "its key is used by another program than before" },
  "read-burst": {
    severity: "medium",
    meaning: `more than ${BURST.count} secrets released within a minute`,
  },
  refusals: {
    severity: "medium",
    meaning: `${REFUSALS.count} refusals or more within ten minutes`,
  },
  forgeries: {
    severity: "critical",
    meaning: `${FORGERIES.count} calls or frames within an hour that were forged or repeated`,
  },
  applicants: {
    severity: "medium",
    meaning: `${APPLICANTS.count} new enrolments within ten minutes`,
  },
  gap: { severity: "high", meaning: "a piece of the audit log was torn" },
} as const satisfies Record<string, Rule>;
export type RuleName = keyof typeof RULES;
