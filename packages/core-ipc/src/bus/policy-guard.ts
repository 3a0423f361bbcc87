import { VERBS } from "@sesame/core-authority";
import {
  demandsTrust,
  Enforcer,
  type Finding,
  type Policy,
  type PolicyCall,
} from "@sesame/core-policy";
import { Denial, type AuditRecord, type Clock, type Identity } from "@sesame/core-types";
import { Refusal, type Condition, type GateOptions } from "./gate.ts";

/** A call that has come as far as the policy. */
export type AtPolicy = Parameters<Condition>[0];

export type PolicyGuardOptions = {
  /** A `PolicyKeeper`. */
  readonly policies: { readonly policy: Policy | null; readonly isMissing: boolean };
  readonly clock: Clock;
  /** Device posture of this process, 0 to 1. */
  readonly posture: number;
  /**
   * Trust score of an identity, 0 to 1; null: it could not be measured. Asked only where the policy
   * demands one.
   */
  readonly trust: (identity: Identity) => Promise<number | null>;
  /** Records what a policy on trial would have refused. */
  readonly record: (record: AuditRecord) => void;
  /**
   * Returns if the caller has just given a one-time code.
   *
   * @throws {Denial} totp-needed, totp-missing
   */
  readonly code: (asked: AtPolicy, call: PolicyCall) => Promise<void> | void;
  /**
   * Returns if whoever has to agree has agreed.
   *
   * @param demanded - secrets for which a rule demands it; none: the call as a whole; null: no rule
   * @throws {Denial} approval-needed, capability-missing, busy
   */
  readonly agreement: (
    asked: AtPolicy,
    call: PolicyCall,
    demanded: readonly string[] | null,
  ) => Promise<void> | void;
};

/**
 * The gate's last two questions, of every owner alike: whether the policy stands against a call, and
 * whether somebody has agreed to it. docs/POLICY.md, docs/APPROVAL.md.
 */
export function policyGuard(
  options: PolicyGuardOptions,
): Required<Pick<GateOptions, "policy" | "approval">> {
  const { policies, clock, posture, record } = options;
  const enforcer = new Enforcer({
    policy: () => policies.policy,
    moment: () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }),
    posture: () => posture,
  });

  /** What a policy has to say something about; null: nothing. */
  async function callOf(asked: AtPolicy): Promise<PolicyCall | null> {
    const { row, identity, about } = asked;
    const capability = VERBS.find((verb) => verb === row.needs);
    if (capability === undefined || row.repair || identity.kind === "daemon") return null;
    const { profile, names: given } = about();
    const names = given === "reachable" ? null : given;
    const { policy } = policies;
    const trust = policy !== null && demandsTrust(policy) ? await options.trust(identity) : null;
    return { identity, capability, profile, names, trust };
  }

  return {
    policy: async (asked) => {
      const call = await callOf(asked);
      if (call === null) return;
      if (policies.isMissing) throw new Denial("policy-missing");
      const verdict = enforcer.ask(call);
      if (verdict === null) return;
      const { policy, refused, totp, approval } = verdict;
      if (policy.mode === "enforce") {
        if (refused !== null) throw new Refusal("capability-missing", wordsOf(refused));
        if (totp !== null) await options.code(asked, call);
        return;
      }
      const waiting = { totp, approval };
      const asking = (["totp", "approval"] as const).flatMap((condition) => {
        const rule = waiting[condition];
        return rule === null ? [] : { condition, rule };
      });
      const [would] = refused === null ? asking : [refused];
      if (would !== undefined) record(recordOf(asked, call, `dry-run:${wordsOf(would)}`));
    },

    approval: async (asked) => {
      const call = await callOf(asked);
      if (call === null) return;
      const verdict = enforcer.ask(call);
      const isDemanded = verdict?.policy.mode === "enforce" && verdict.approval !== null;
      await options.agreement(asked, call, isDemanded ? verdict.names : null);
      // Others may have been let through while somebody was asked.
      const { policy, refused = null } = enforcer.ask(call) ?? {};
      if (policy?.mode === "enforce" && refused !== null)
        throw new Refusal("capability-missing", wordsOf(refused));
      enforcer.count(call);
    },
  };
}

function wordsOf({ condition, rule }: { readonly condition: string } & Pick<Finding, "rule">) {
  return `${condition}/${rule}`;
}

function recordOf(
  { row, identity, session }: AtPolicy,
  { profile }: PolicyCall,
  outcome: string,
): AuditRecord {
  return { action: row.name, outcome, profile, object: null, session, caller: identity.name };
}
