import { VERBS } from "@sesame/core-authority";
import { Enforcer, type Finding, type Policy, type PolicyCall } from "@sesame/core-policy";
import { Denial, type AuditRecord, type Clock } from "@sesame/core-types";
import { Refusal, type Condition, type GateOptions } from "./gate.ts";

/** A call that has come as far as the policy. */
export type AtPolicy = Parameters<Condition>[0];

export type PolicyGuardOptions = {
  /** A `PolicyKeeper`. */
  readonly policies: { readonly policy: Policy | null; readonly isMissing: boolean };
  readonly clock: Clock;
  /** Device posture of this process, 0 to 1. */
  readonly posture: number;
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
    // No owner measures the trust of an identity.
    trust: () => null,
  });

  return {
    policy: async (asked) => {
      const call = callOf(asked);
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
      const call = callOf(asked);
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

/** What a policy has to say something about; null: nothing. */
function callOf({ row, identity, about }: AtPolicy): PolicyCall | null {
  const capability = VERBS.find((verb) => verb === row.needs);
  if (capability === undefined || row.repair || identity.kind === "daemon") return null;
  const { profile, names } = about();
  return { identity, capability, profile, names: names === "reachable" ? null : names };
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
