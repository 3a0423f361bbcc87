import type { Verb } from "@sesame/core-authority";
import type { Identity } from "@sesame/core-types";
import type { Moment } from "./approvals.ts";
import { findings, rated, type Finding } from "./decide.ts";
import type { Policy, Subject } from "./policy.ts";
import { Rates } from "./rates.ts";

/** A call as far as a policy looks at it. */
export type PolicyCall = {
  readonly identity: Identity;
  readonly capability: Verb;
  /** Null: none, or all. */
  readonly profile: string | null;
  /** Secrets concerned; null: none, or all. */
  readonly names: readonly string[] | null;
  /** Trust score of the identity, 0 to 1; null: nobody has measured it. */
  readonly trust: number | null;
};

export type Surroundings = {
  /** The policy in force, if there is one. */
  readonly policy: () => Policy | null;
  readonly moment: () => Moment;
  /** Device posture of this process, 0 to 1. */
  readonly posture: () => number;
};

/** What a policy says to a call. */
export type Verdict = {
  readonly policy: Policy;
  /** The first condition that the caller cannot meet; null: there is none. */
  readonly refused: Finding | null;
  /** The rule for which the caller has to give a one-time code; null: none. */
  readonly totp: string | null;
  /** The rule for which somebody has to agree; null: none. */
  readonly approval: string | null;
  /** Secrets for which somebody has to agree; none: the call as a whole. */
  readonly names: readonly string[];
};

/** Holds calls to a policy, and remembers what its rates have to count. */
export class Enforcer {
  readonly #around: Surroundings;
  readonly #rates = new Rates();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** What the policy in force says; null: there is none. */
  ask(call: PolicyCall): Verdict | null {
    const policy = this.#around.policy();
    if (policy === null) return null;
    const all = subjectsOf(call).map((subject) => ({
      name: subject.secret,
      found: this.#findings(policy, call, subject),
    }));
    const found = all.flatMap((one) => one.found);
    const approval = found.find(({ condition }) => condition === "approval") ?? null;
    const names = all
      .filter((one) => one.found.some(({ condition }) => condition === "approval"))
      .flatMap(({ name }) => name ?? []);
    const code = found.find(({ condition }) => condition === "totp") ?? null;
    const refused =
      found.find(({ condition }) => condition !== "totp" && condition !== "approval") ?? null;
    return { policy, refused, totp: code?.rule ?? null, approval: approval?.rule ?? null, names };
  }

  /** Counts a call that goes through as a use. */
  count(call: PolicyCall): void {
    const policy = this.#around.policy();
    if (policy === null) return;
    const rules = new Set(subjectsOf(call).flatMap((subject) => rated(policy, subject)));
    const { monotonicMs } = this.#around.moment();
    for (const rule of rules) this.#rates.add(keyOf(rule, call), monotonicMs);
  }

  #findings(policy: Policy, call: PolicyCall, subject: Subject): Finding[] {
    const { moment, posture } = this.#around;
    const { wallMs, monotonicMs } = moment();
    return findings(policy, subject, {
      wallMs,
      posture: posture(),
      trust: call.trust,
      // Whether these two are met is asked once nothing else stands against the call.
      totp: false,
      approved: false,
      uses: (rule, withinMs) => this.#rates.count(keyOf(rule, call), monotonicMs, withinMs),
    });
  }
}

/** One for each secret that a call names; one for a call that names none. */
function subjectsOf({ identity, capability, profile, names }: PolicyCall): Subject[] {
  const about = { identity, capability, profile };
  return names === null || names.length === 0
    ? [{ ...about, secret: null }]
    : names.map((secret) => ({ ...about, secret }));
}

function keyOf(rule: string, { identity }: PolicyCall): string {
  return `${rule} ${identity.id}`;
}
