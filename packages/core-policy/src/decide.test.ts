import assert from "node:assert/strict";
import { test } from "node:test";
import { parseScope, VERBS, type Verb } from "@sesame/core-authority";
import { IDENTITY_KINDS } from "@sesame/core-types";
import fc from "fast-check";
import { CONDITIONS, findings, rated, type Evidence } from "./decide.ts";
import { MAX_RATES, MAX_RATE_USES } from "./limits.ts";
import { DAYS, type Demands, type Policy, type Rule, type Subject } from "./policy.ts";
import { Rates } from "./rates.ts";

// 2026-11-18 is a Wednesday.
const WEDNESDAY_NOON = Date.UTC(2026, 10, 18, 12, 0);
const HOUR_MS = 60 * 60_000;

const NONE: Demands = {
  ceiling: null,
  times: null,
  posture: null,
  trust: null,
  rate: null,
  totp: false,
  approval: false,
};
const BEST: Evidence = {
  wallMs: WEDNESDAY_NOON,
  posture: 1,
  trust: 1,
  totp: true,
  approved: true,
  uses: () => 0,
};
const SUBJECT: Subject = {
  identity: { name: "ci-1", kind: "ai" },
  capability: "secret-read",
  profile: "work",
  secret: "prod/db",
};

function rule(demands: Partial<Demands>, rest: Partial<Rule> = {}): Rule {
  const who = { kinds: null, names: null };
  const what = { capabilities: null, profiles: null, secrets: null };
  return { name: "rule", who, what, ...rest, demands: { ...NONE, ...demands } };
}

function policy(...rules: readonly Rule[]): Policy {
  return { installation: "", version: 1, createdMs: 0, mode: "enforce", rules };
}

function unmet(
  demands: Partial<Demands>,
  evidence: Partial<Evidence> = {},
  subject: Partial<Subject> = {},
): string[] {
  const found = findings(
    policy(rule(demands)),
    { ...SUBJECT, ...subject },
    { ...BEST, ...evidence },
  );
  return found.map(({ condition }) => condition);
}

const words = fc.constantFrom("a", "b", "prod", "ci-1");
const pattern = fc.constantFrom("a", "b", "prod/*", "prod/**", "*", "ci-*");
const verb = fc.constantFrom<Verb>("secret-read", "secret-list", "admin", "unlock");
// Every other list is left out, so that rules do apply.
const anyList = <T>(of: fc.Arbitrary<T>) =>
  fc.option(fc.array(of, { minLength: 1, maxLength: 2 }), { freq: 1 });
const anyRule: fc.Arbitrary<Rule> = fc.record({
  name: fc.string({ minLength: 1, maxLength: 8 }),
  who: fc.record({ kinds: anyList(fc.constantFrom(...IDENTITY_KINDS)), names: anyList(pattern) }),
  what: fc.record({
    capabilities: anyList(verb),
    profiles: anyList(words),
    secrets: anyList(pattern),
  }),
  demands: fc.record({
    ceiling: fc.option(fc.constantFrom("", "secret-read:prod/*", "admin").map(parseScope)),
    times: fc.option(
      fc.array(
        fc.record({
          days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 }),
          fromMinute: fc.nat(1_439),
          toMinute: fc.nat(1_440),
        }),
        { maxLength: 2 },
      ),
    ),
    posture: fc.option(fc.constantFrom(0.5, 1)),
    trust: fc.option(fc.constantFrom(0.3, 0.8)),
    rate: fc.option(fc.record({ uses: fc.integer({ min: 1, max: 3 }), withinMs: fc.constant(1) })),
    totp: fc.boolean(),
    approval: fc.boolean(),
  }),
});
const anySubject: fc.Arbitrary<Subject> = fc.record({
  identity: fc.record({ name: words, kind: fc.constantFrom(...IDENTITY_KINDS) }),
  capability: fc.oneof(verb, fc.constantFrom(...VERBS)),
  profile: fc.option(words),
  secret: fc.option(fc.constantFrom("a", "prod/db", "prod/x/y")),
});
const anyEvidence: fc.Arbitrary<Evidence> = fc.record({
  wallMs: fc.nat(7 * 24 * 60).map((minute) => WEDNESDAY_NOON + minute * 60_000),
  posture: fc.constantFrom(0, 0.5, 1),
  trust: fc.option(fc.constantFrom(0.1, 0.5, 1)),
  totp: fc.boolean(),
  approved: fc.boolean(),
  uses: fc.nat(3).map((uses) => () => uses),
});
const keyed = (found: ReturnType<typeof findings>): string[] =>
  found.map(({ condition, rule: name }) => `${condition} ${name}`);

test("[POLICY-2] [POLICY-3] one more rule never takes a condition away", () => {
  // SECURITY: a rule that is meant to forbid would allow what another one forbids.
  const rules = fc.array(anyRule, { maxLength: 4 });
  fc.assert(
    fc.property(rules, anyRule, anySubject, anyEvidence, (some, more, subject, evidence) => {
      const before = keyed(findings(policy(...some), subject, evidence));
      const after = new Set(keyed(findings(policy(...some, more), subject, evidence)));
      assert.ok(before.every((one) => after.has(one)));
      assert.deepEqual(findings(policy(), subject, evidence), []);
    }),
  );
});

test("[POLICY-3] the order of the rules means nothing", () => {
  const rules = fc.array(anyRule, { maxLength: 5 });
  fc.assert(
    fc.property(rules, anySubject, anyEvidence, (some, subject, evidence) => {
      const there = keyed(findings(policy(...some), subject, evidence));
      const back = keyed(findings(policy(...some.toReversed()), subject, evidence));
      assert.deepEqual(back, there);
    }),
  );
});

test("[POLICY-4] a rule about a part applies to a call that is about all", () => {
  // SECURITY: who may not read `prod` would read everything at once instead.
  const about = (what: Partial<Rule["what"]>, subject: Partial<Subject>): number =>
    findings(
      policy(
        rule(
          { ceiling: [] },
          { what: { capabilities: null, profiles: null, secrets: null, ...what } },
        ),
      ),
      { ...SUBJECT, ...subject },
      BEST,
    ).length;
  assert.equal(about({ secrets: ["prod/**"] }, {}), 1);
  assert.equal(about({ secrets: ["dev/**"] }, {}), 0);
  assert.equal(about({ secrets: ["dev/**"] }, { secret: null }), 1);
  assert.equal(about({ secrets: ["dev/**"] }, { secret: null, capability: "unlock" }), 0);
  assert.equal(about({ profiles: ["home"] }, {}), 0);
  assert.equal(about({ profiles: ["work"] }, {}), 1);
  assert.equal(about({ profiles: ["home"] }, { profile: null, capability: "unlock" }), 1);
  assert.equal(about({ profiles: ["home"] }, { profile: null, capability: "audit-read" }), 0);
  assert.equal(about({ capabilities: ["secret-list"] }, {}), 0);
});

test("[POLICY-4] who it is about: kinds and names, both of them", () => {
  const hits = (who: Rule["who"]): number =>
    findings(policy(rule({ ceiling: [] }, { who })), SUBJECT, BEST).length;
  assert.equal(hits({ kinds: ["ai"], names: ["ci-*"] }), 1);
  assert.equal(hits({ kinds: ["service"], names: ["ci-*"] }), 0);
  assert.equal(hits({ kinds: ["ai"], names: ["cd-*"] }), 0);
  assert.equal(hits({ kinds: null, names: null }), 1);
});

test("each condition is met and missed at its edge", () => {
  assert.deepEqual(unmet({ ceiling: parseScope("secret-read:prod/*") }), []);
  assert.deepEqual(unmet({ ceiling: parseScope("secret-read:dev/*") }), ["ceiling"]);
  assert.deepEqual(unmet({ ceiling: parseScope("secret-read:prod/*") }, {}, { secret: null }), [
    "ceiling",
  ]);
  const times = [{ days: ["wed"] as const, fromMinute: 12 * 60, toMinute: 13 * 60 }];
  assert.deepEqual(unmet({ times }), []);
  assert.deepEqual(unmet({ times }, { wallMs: WEDNESDAY_NOON - 1 }), ["times"]);
  assert.deepEqual(unmet({ times }, { wallMs: WEDNESDAY_NOON + HOUR_MS - 1 }), []);
  assert.deepEqual(unmet({ times }, { wallMs: WEDNESDAY_NOON + HOUR_MS }), ["times"]);
  assert.deepEqual(unmet({ times }, { wallMs: WEDNESDAY_NOON + 24 * HOUR_MS }), ["times"]);
  assert.deepEqual(unmet({ times: [] }), ["times"]);
  assert.deepEqual(unmet({ posture: 0.5 }, { posture: 0.5 }), []);
  assert.deepEqual(unmet({ posture: 0.6 }, { posture: 0.5 }), ["posture"]);
  assert.deepEqual(unmet({ approval: true }, { approved: false }), ["approval"]);
  assert.deepEqual(unmet({ approval: true }), []);
  assert.deepEqual(unmet({}), []);
});

test("[POLICY-4] a trust that nobody measured meets no condition", () => {
  // SECURITY: to keep the score from being measured would be a way around it.
  assert.deepEqual(unmet({ trust: 0.1 }, { trust: null }), ["trust"]);
  assert.deepEqual(unmet({ trust: 0 }, { trust: null }), ["trust"]);
  assert.deepEqual(unmet({ trust: 0.5 }, { trust: 0.4 }), ["trust"]);
  assert.deepEqual(unmet({ trust: 0.5 }, { trust: 0.5 }), []);
});

test("[POLICY-5] what can be met by asking comes last", () => {
  const all = { ...NONE, ceiling: [], times: [], posture: 1, trust: 1, totp: true, approval: true };
  const rate = { uses: 1, withinMs: 1 };
  const worst = { posture: 0, trust: null, totp: false, approved: false, uses: () => 1 };
  assert.deepEqual(unmet({ ...all, rate }, worst), [...CONDITIONS]);
  assert.equal(CONDITIONS.at(-1), "approval");
});

test("[POLICY-6] a rate counts what went through within its window", () => {
  const rates = new Rates();
  const rate = { uses: 2, withinMs: 1_000 };
  const at = (ms: number): string[] =>
    unmet({ rate }, { uses: (name, withinMs) => rates.count(`${name} ci`, ms, withinMs) });
  rates.add("rule ci", 0);
  assert.deepEqual(at(0), []);
  rates.add("rule ci", 500);
  assert.deepEqual(at(999), ["rate"]);
  assert.deepEqual(at(1_000), []);
  assert.equal(rates.count("rule another", 500, 1_000), 0);
  for (let i = 0; i < MAX_RATE_USES + 10; i++) rates.add("rule ci", 2_000);
  assert.equal(rates.count("rule ci", 2_000, 1_000), MAX_RATE_USES);
  for (let i = 0; i < MAX_RATES; i++) rates.add(`rule ${i}`, 2_000);
  assert.equal(rates.count("rule ci", 2_000, 1_000), 0);
});

test("[POLICY-5] what is not met comes in the order of the conditions, then of the rules' names", () => {
  const rules = ["b", "a", "c"].map((name) => rule({ approval: true, posture: 1 }, { name }));
  const found = findings(policy(...rules), SUBJECT, { ...BEST, posture: 0, approved: false });
  const expected = ["posture a", "posture b", "posture c"];
  expected.push("approval a", "approval b", "approval c");
  assert.deepEqual(keyed(found), expected);
});

test("[POLICY-2] a condition that no rule makes is met by the worst caller", () => {
  const worst = { posture: -1, trust: null, totp: false, approved: false, uses: () => 9 };
  assert.deepEqual(unmet({}, worst), []);
  assert.deepEqual(unmet({}, { ...worst, trust: -1 }), []);
  assert.deepEqual(unmet({ totp: true }, { totp: true }), []);
  assert.deepEqual(unmet({ totp: true }, { totp: false }), ["totp"]);
});

test("[POLICY-6] a call is counted for the rules with a rate that are about it", () => {
  const rate = { uses: 1, withinMs: 1 };
  const elsewhere = { capabilities: null, profiles: ["home"], secrets: null };
  const rules = policy(
    rule({ rate }, { name: "counts" }),
    rule({ approval: true }, { name: "has none" }),
    rule({ rate }, { name: "is about another", what: elsewhere }),
  );
  assert.deepEqual(rated(rules, SUBJECT), ["counts"]);
});
