import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "@sesame/core-types";
import { Enforcer, type PolicyCall } from "./enforcer.ts";
import type { Demands, Policy } from "./policy.ts";

const IDENTITY = { id: "1", name: "ci", kind: "ai" } as Identity;
const CALL: PolicyCall = {
  identity: IDENTITY,
  capability: "secret-read",
  profile: "work",
  names: ["dev/a", "prod/a", "prod/b"],
  trust: null,
};
const NONE = {
  ceiling: null,
  times: null,
  posture: null,
  trust: null,
  rate: null,
  totp: false,
  approval: false,
};

let monotonicMs = 0;

/** A rule for each: about `prod/*`, or about the secrets that it names. */
function enforcer(
  ...demands: readonly (Partial<Demands> & { readonly secrets?: readonly string[] })[]
): Enforcer {
  const rules = demands.map(({ secrets = ["prod/*"], ...demand }, i) => ({
    name: `rule-${i}`,
    who: { kinds: null, names: null },
    what: { capabilities: null, profiles: null, secrets },
    demands: { ...NONE, ...demand },
  }));
  const policy: Policy = { installation: "", version: 1, createdMs: 0, mode: "enforce", rules };
  return new Enforcer({
    policy: () => policy,
    moment: () => ({ wallMs: 0, monotonicMs }),
    posture: () => 1,
  });
}

test("[POLICY-3] of several secrets each is looked at, and the strictest wins", () => {
  // SECURITY: a call for a harmless secret would take a forbidden one along.
  assert.equal(enforcer({ ceiling: [] }).ask(CALL)?.refused?.condition, "ceiling");
  assert.equal(enforcer({ ceiling: [] }).ask({ ...CALL, names: ["dev/a"] })?.refused, null);
});

test("[POLICY-5] asked for are the secrets that a rule is about, or the call as a whole", () => {
  const asks = enforcer({ approval: true });
  const some = asks.ask(CALL);
  assert.deepEqual([some?.approval, some?.names], ["rule-0", ["prod/a", "prod/b"]]);
  const all = asks.ask({ ...CALL, names: null });
  assert.deepEqual([all?.approval, all?.names], ["rule-0", []]);
  assert.equal(asks.ask({ ...CALL, names: ["dev/a"] })?.approval, null);
});

test("[POLICY-6] a call counts once for a rule, for its own identity, when it goes through", () => {
  const slow = enforcer({ rate: { uses: 2, withinMs: 1_000 } });
  const other = { ...CALL, identity: { ...IDENTITY, id: "2" } };
  for (let i = 0; i < 5; i++) assert.equal(slow.ask(CALL)?.refused, null);
  slow.count(CALL);
  slow.count({ ...CALL, names: ["dev/a"] });
  assert.equal(slow.ask(CALL)?.refused, null);
  slow.count(CALL);
  assert.equal(slow.ask(CALL)?.refused?.condition, "rate");
  assert.equal(slow.ask(other)?.refused, null);
  monotonicMs = 1_000;
  assert.equal(slow.ask(CALL)?.refused, null);
});

test("without a policy nothing is said", () => {
  const none = new Enforcer({
    policy: () => null,
    moment: () => ({ wallMs: 0, monotonicMs: 0 }),
    posture: () => 0,
  });
  none.count(CALL);
  assert.equal(none.ask(CALL), null);
});

test("[POLICY-5] asked for are the secrets whose rule wants it, not those that lack something else", () => {
  // SECURITY: who is asked would see other secrets than the ones that are about to be given.
  const mixed = enforcer(
    { totp: true, secrets: ["prod/a"] },
    { approval: true, secrets: ["prod/b"] },
  ).ask(CALL);
  assert.deepEqual(
    [mixed?.refused, mixed?.totp, mixed?.approval, mixed?.names],
    [null, "rule-0", "rule-1", ["prod/b"]],
  );
  assert.deepEqual(enforcer({ approval: true }).ask({ ...CALL, names: [] })?.approval, "rule-0");
});

test("[POLICY-5] a code or an approval that is due is no refusal, and hides none", () => {
  // SECURITY: what nobody may allow would wait for somebody who allows it.
  const due = enforcer({ totp: true, approval: true }).ask(CALL);
  assert.deepEqual([due?.refused, due?.totp, due?.approval], [null, "rule-0", "rule-0"]);
  const both = enforcer({ totp: true, approval: true, ceiling: [] }).ask(CALL);
  assert.deepEqual(both?.refused, { condition: "ceiling", rule: "rule-0" });
  assert.deepEqual([both.totp, both.approval], ["rule-0", "rule-0"]);
  const none = enforcer({ ceiling: [] }).ask(CALL);
  assert.deepEqual([none?.totp, none?.approval, none?.names], [null, null, []]);
});

test("[POLICY-5] a code that a rule demands is due", () => {
  // SECURITY: the second factor would be taken for given.
  assert.equal(enforcer({ totp: true }).ask(CALL)?.totp, "rule-0");
  assert.equal(enforcer({ ceiling: [] }).ask(CALL)?.totp, null);
});

test("[POLICY-16] a trust score is enough or not, and one that nobody measured is not", () => {
  // SECURITY: who was never looked at would pass for trusted.
  const asks = enforcer({ trust: 0.6 });
  for (const [trust, expected] of [
    [null, "trust"],
    [0, "trust"],
    [0.59, "trust"],
    [0.6, undefined],
    [1, undefined],
  ] as const)
    assert.equal(asks.ask({ ...CALL, trust })?.refused?.condition, expected);
  assert.equal(enforcer({ ceiling: [] }).ask({ ...CALL, trust: 1 })?.refused?.condition, "ceiling");
});

test("[SIGNAL-2] the best score lets nothing through that another condition refuses", () => {
  // SECURITY: a score would be a right that no record and no grant gives.
  for (const demand of [{ ceiling: [] }, { posture: 2 }, { rate: { uses: 0, withinMs: 1 } }]) {
    const [without] = [enforcer(demand).ask(CALL)];
    for (const trust of [null, 0, 1])
      assert.deepEqual(enforcer(demand).ask({ ...CALL, trust })?.refused, without?.refused);
    const [condition] = Object.keys(demand);
    assert.equal(
      enforcer({ ...demand, trust: 0 }).ask({ ...CALL, trust: 1 })?.refused?.condition,
      condition,
    );
  }
});
