import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePolicy, stampPolicy, type Policy } from "@sesame/core-policy";
import {
  Denial,
  messageByTag,
  MESSAGES,
  NO_TRUST,
  type AuditRecord,
  type IdentityKind,
  type RequestName,
} from "@sesame/core-types";
import { handClock, identity } from "../testing/pair.ts";
import type { Request } from "./gate.ts";
import { policyGuard, type AtPolicy, type PolicyGuardOptions } from "./policy-guard.ts";

const STAMP = { installation: "0198c2f4-0000-7000-8000-000000000001", version: 1, createdMs: 1 };

function policyOf(rule: object, mode = "enforce"): Policy {
  const text = JSON.stringify({ mode, rules: [{ name: "r", ...rule }] });
  return parsePolicy(stampPolicy(new TextEncoder().encode(text), STAMP));
}

function call(kind: RequestName, from: IdentityKind = "ai"): AtPolicy {
  const row = messageByTag(MESSAGES[kind].tag) as Request;
  return {
    row,
    identity: identity("a", { kind: from }),
    session: new Uint8Array(16),
    trust: NO_TRUST,
    about: () => ({ profile: "work", names: null }),
    covers: () => true,
  };
}

function guarded(policy: Policy, over: Partial<PolicyGuardOptions> = {}) {
  const records: AuditRecord[] = [];
  const asked: string[] = [];
  const guard = policyGuard({
    policies: { policy, isMissing: false },
    clock: handClock(),
    posture: 1,
    trust: () => Promise.resolve(null),
    record: (record) => records.push(record),
    code: () => {
      asked.push("code");
      throw new Denial("totp-needed", "work");
    },
    agreement: (_, __, demanded) => {
      if (demanded !== null) asked.push("agreement");
    },
    ...over,
  });
  const pass = async (at: AtPolicy): Promise<void> => {
    await guard.policy(at);
    await guard.approval(at);
  };
  return { pass, records, asked };
}

test("[POLICY-5] a code is asked for only if nothing else stands against the call", async () => {
  const totp = { totp: true };
  const what = { capabilities: ["audit-read"] };
  const met = guarded(policyOf({ what, demand: { ...totp, approval: true } }));
  await assert.rejects(met.pass(call("audit.read")), { code: "totp-needed" });
  const refused = guarded(policyOf({ what, demand: { ...totp, ceiling: "" } }));
  await assert.rejects(refused.pass(call("audit.read")), {
    code: "capability-missing",
    reason: "ceiling/r",
  });
  assert.deepEqual([met.asked, refused.asked], [["code"], []]);
});

test("[POLICY-12] repairs, and the suite's daemons, are not held back", async () => {
  // SECURITY: one rule too many would lock the operator out of the policy itself.
  const nothing = guarded(policyOf({ demand: { ceiling: "" } }));
  for (const kind of ["vault.lock", "bus-policy.install", "bus.reload", "profile.list"] as const)
    await nothing.pass(call(kind, "human"));
  await nothing.pass(call("profile.activate", "daemon"));
  await assert.rejects(nothing.pass(call("profile.activate", "human")));
});

test("[POLICY-11] what a missing policy could stop is stopped, and nothing else", async () => {
  const policies = { policy: null, isMissing: true };
  const missing = guarded(policyOf({ demand: { ceiling: "" } }), { policies });
  await assert.rejects(missing.pass(call("audit.read")), { code: "policy-missing" });
  await missing.pass(call("policy.status"));
});

test("[POLICY-6] a rate holds also for calls that wait for agreement at the same time", async () => {
  // SECURITY: whoever makes its calls at once would make any number of them.
  const agreed = Promise.withResolvers<void>();
  const rate = { uses: 1, seconds: 60 };
  const slow = guarded(policyOf({ demand: { rate, approval: true } }), {
    agreement: () => agreed.promise,
  });
  const calls = [slow.pass(call("audit.read")), slow.pass(call("audit.read"))];
  agreed.resolve();
  const ended = await Promise.allSettled(calls);
  assert.deepEqual(ended.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

test("[POLICY-10] on trial nobody is asked, and what would be demanded is recorded", async () => {
  const what = { capabilities: ["audit-read"] };
  const trial = guarded(policyOf({ what, demand: { totp: true, approval: true } }, "dry-run"));
  await trial.pass(call("audit.read"));
  assert.deepEqual(trial.asked, []);
  assert.deepEqual(
    trial.records.map(({ outcome }) => outcome),
    ["dry-run:totp/r"],
  );
});

test("[POLICY-16] a score is asked for where a rule demands one, and refuses below it", async () => {
  // SECURITY: an agent that has been found misbehaving would go on as before.
  const what = { capabilities: ["audit-read"] };
  let score: number | null = 0.5;
  let questions = 0;
  const trust = (): Promise<number | null> => {
    questions++;
    return Promise.resolve(score);
  };
  const demanding = guarded(policyOf({ what, demand: { trust: 0.5 } }), { trust });
  await demanding.pass(call("audit.read"));
  assert.ok(questions > 0);
  for (score of [0.49, null])
    await assert.rejects(demanding.pass(call("audit.read")), {
      code: "capability-missing",
      reason: "trust/r",
    });
  const trial = guarded(policyOf({ what, demand: { trust: 0.5 } }, "dry-run"), { trust });
  await trial.pass(call("audit.read"));
  assert.deepEqual(
    trial.records.map(({ outcome }) => outcome),
    ["dry-run:trust/r"],
  );
  questions = 0;
  await guarded(policyOf({ what, demand: { posture: 1 } }), { trust }).pass(call("audit.read"));
  assert.equal(questions, 0);
});
