import { VERBS, type Verb } from "@sesame/core-authority";
import type { Enforcer, Finding, PolicyCall } from "@sesame/core-policy";
import { Refusal, type Condition, type GateOptions } from "@sesame/core-ipc/server";
import { type AuditRecord, Denial, hasCapability, type MessageName } from "@sesame/core-types";
import type { Desk } from "./approval/desk.ts";
import type { Keeper } from "./keeper.ts";
import type { SecondFactor } from "./second-factor.ts";
import { protectedNames } from "./vault/protection.ts";

/** Kinds that no policy holds back: they lock, show the state, or bring a new policy or record. */
const FREE: ReadonlySet<MessageName> = new Set<MessageName>([
  "vault.lock",
  "vault.panic",
  "vault.lift",
  "vault.status",
  "vault.posture",
  "vault.reload",
  "policy.reload",
  "policy.status",
]);

export type GuardOptions = {
  readonly keeper: Keeper;
  readonly desk: Desk;
  readonly enforcer: Enforcer;
  readonly second: SecondFactor;
  /** True if a policy that was in force is not there any more. */
  readonly isPolicyMissing: () => boolean;
  /** Records what a policy on trial would have refused. */
  readonly record: (record: AuditRecord) => void;
};

type At = Parameters<Condition>[0];

/**
 * The gate's last two questions: whether the policy stands against a call, and whether somebody has
 * agreed to it. docs/POLICY.md, docs/APPROVAL.md.
 */
export function guards(options: GuardOptions): Required<Pick<GateOptions, "policy" | "approval">> {
  const { desk, enforcer, second, isPolicyMissing, record } = options;

  function expectAllowed(asked: At): void {
    const call = callOf(asked);
    if (call === null) return;
    if (isPolicyMissing()) throw new Denial("policy-missing");
    const verdict = enforcer.ask(call, second.isFresh(asked, call.profile));
    if (verdict === null) return;
    const { refused, totp, approval } = verdict;
    if (verdict.policy.mode === "enforce") {
      if (refused !== null) throw new Refusal("capability-missing", wordsOf(refused));
      if (totp !== null) throw new Denial("totp-needed", call.profile ?? "");
      return;
    }
    const waiting = { totp, approval };
    const asking = (["totp", "approval"] as const).flatMap((condition) => {
      const rule = waiting[condition];
      return rule === null ? [] : { condition, rule };
    });
    const [would] = refused === null ? asking : [refused];
    if (would !== undefined) record(recordOf(asked, call, `dry-run:${wordsOf(would)}`));
  }

  function expectApproved(asked: At): void {
    const { identity, session } = asked;
    const call = callOf(asked);
    if (call === null) return;
    const verdict = enforcer.ask(call);
    const { mode = "dry-run" } = verdict?.policy ?? {};
    const isDemanded = mode === "enforce" && verdict !== null && verdict.approval !== null;
    const guarded = protectedOf(options, asked);
    if (isDemanded || guarded.length > 0) {
      const { capability, profile } = call;
      // A call that names nothing is approved as a whole, not by approvals of what it is about.
      const isWhole = isDemanded && verdict.names.length === 0;
      const names = isWhole ? [] : [...new Set([...(verdict?.names ?? []), ...guarded])];
      desk.demand({ identity, session }, { capability, profile, names });
    }
    enforcer.count(call);
  }

  return { policy: expectAllowed, approval: expectApproved };
}

/** What a policy has to say something about; null: nothing. */
function callOf({ row, identity, about }: At): PolicyCall | null {
  const capability = verbOf(row.needs);
  if (capability === null || FREE.has(row.name)) return null;
  const { profile, names } = about();
  return { identity, capability, profile, names: names === "reachable" ? null : names };
}

function verbOf(needs: At["row"]["needs"]): Verb | null {
  return VERBS.find((verb) => verb === needs) ?? null;
}

/** Protected secrets whose values a call would give or use; who could agree is not asked. */
function protectedOf({ keeper }: GuardOptions, { row, identity, about, covers }: At): string[] {
  if (row.needs !== "secret-read" && row.needs !== "secret-use") return [];
  if (hasCapability(identity.capabilities, "admin")) return [];
  const { profile, names } = about();
  if (profile === null) throw new Refusal("capability-missing", "no-profile");
  // Which names are protected, only an open vault says: a call to another one ends here.
  const asked = protectedNames(keeper.use(profile));
  const wanted = names === "reachable" ? [...asked].filter(covers) : (names ?? []);
  return wanted.filter((name) => asked.has(name));
}

function wordsOf({ condition, rule }: { readonly condition: string } & Pick<Finding, "rule">) {
  return `${condition}/${rule}`;
}

function recordOf({ row, identity, session }: At, call: PolicyCall, outcome: string): AuditRecord {
  const { profile } = call;
  return { action: row.name, outcome, profile, object: null, session, caller: identity.name };
}
