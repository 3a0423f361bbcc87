import { applies, isBelow, isWithin, type Demands, type Policy, type Subject } from "./policy.ts";

// What a policy still demands of a request. There is no answer that allows: the gate has decided
// before, and a policy only adds conditions. docs/POLICY.md, Decision.

/** Conditions in the order in which they are looked at. */
export const CONDITIONS = [
  "ceiling",
  "times",
  "posture",
  "trust",
  "rate",
  "totp",
  "approval",
] as const satisfies readonly (keyof Demands)[];
export type Condition = (typeof CONDITIONS)[number];

/** A condition that is not met, and the rule that makes it. */
export type Finding = { readonly condition: Condition; readonly rule: string };

/** What is known of the moment and of the caller. */
export type Evidence = {
  /** Unix milliseconds. */
  readonly wallMs: number;
  /** As the owner measured it, 0 to 1. */
  readonly posture: number;
  /** 0 to 1; null: nobody has measured it. */
  readonly trust: number | null;
  /** Whether the caller has just given a one-time code. */
  readonly totp: boolean;
  /** Whether somebody approved this call. */
  readonly approved: boolean;
  /** Uses that this identity made under a rule within so many milliseconds. */
  readonly uses: (rule: string, withinMs: number) => number;
};

/** What is not met, in the order of CONDITIONS and then of names; empty: nothing stands against it. */
export function findings(policy: Policy, subject: Subject, evidence: Evidence): Finding[] {
  const unmet = policy.rules
    .filter((rule) => applies(rule, subject))
    .flatMap(({ name, demands }) =>
      CONDITIONS.filter((condition) => !MET[condition](demands, subject, evidence, name)).map(
        (condition) => ({ condition, rule: name }),
      ),
    );
  return unmet.sort(inOrder);
}

/** Names of the rules with a rate that count this request as a use. */
export function rated(policy: Policy, subject: Subject): string[] {
  return policy.rules
    .filter((rule) => rule.demands.rate !== null && applies(rule, subject))
    .map(({ name }) => name);
}

type Met = (demands: Demands, subject: Subject, evidence: Evidence, rule: string) => boolean;

const MET: Readonly<Record<Condition, Met>> = {
  ceiling: ({ ceiling }, subject) => ceiling === null || isBelow(ceiling, subject),
  times: ({ times }, _, { wallMs }) => times === null || isWithin(times, wallMs),
  posture: ({ posture: least }, _, { posture }) => least === null || posture >= least,
  // What nobody has measured is not there.
  trust: ({ trust: least }, _, { trust }) => least === null || (trust !== null && trust >= least),
  rate: ({ rate }, _, { uses }, rule) => rate === null || uses(rule, rate.withinMs) < rate.uses,
  totp: (demands, _, evidence) => !demands.totp || evidence.totp,
  approval: (demands, _, evidence) => !demands.approval || evidence.approved,
};

function inOrder(a: Finding, b: Finding): number {
  const order = CONDITIONS.indexOf(a.condition) - CONDITIONS.indexOf(b.condition);
  return order !== 0 ? order : a.rule < b.rule ? -1 : Number(a.rule > b.rule);
}
