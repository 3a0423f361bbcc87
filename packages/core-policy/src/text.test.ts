import assert from "node:assert/strict";
import { test } from "node:test";
import { printScope } from "@sesame/core-authority";
import { limits } from "@sesame/core-types";
import fc from "fast-check";
import { PolicyError, type PolicyFailure } from "./failures.ts";
import { MAX_RULES, MAX_WORDS } from "./limits.ts";
import { parsePolicy, stampPolicy } from "./text.ts";

const STAMP = {
  installation: "0198c2f4-0000-7000-8000-000000000001",
  version: 7,
  createdMs: 1_763_000_000_000,
};
const FULL = {
  name: "everything-1",
  who: { kinds: ["ai", "service"], names: ["ci-*"] },
  what: { capabilities: ["secret-read"], profiles: ["work"], secrets: ["prod/**", "x"] },
  demand: {
    ceiling: "secret-read:prod/* secret-list",
    times: [{ days: ["mon", "sun"], from: "07:30", to: "24:00" }],
    posture: 0.5,
    trust: 1,
    rate: { uses: 30, seconds: 60 },
    approval: true,
  },
};
const LEAST = { name: "a", demand: { approval: true } };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const whole = (change: object = {}): Uint8Array =>
  json({ policy: 1, ...STAMP, mode: "enforce", rules: [LEAST], ...change });
const failure =
  (code: PolicyFailure, message = /./) =>
  (cause: unknown): boolean =>
    cause instanceof PolicyError && cause.code === code && message.test(cause.message);

test("[POLICY-1] a policy with everything is read as it is written", () => {
  const { rules, ...rest } = parsePolicy(whole({ mode: "dry-run", rules: [FULL, LEAST] }));
  assert.deepEqual(rest, { ...STAMP, mode: "dry-run" });
  const [full, least] = rules;
  assert.ok(full !== undefined && least !== undefined);
  assert.deepEqual([full.name, full.who, full.what], [FULL.name, FULL.who, FULL.what]);
  const { ceiling, ...demands } = full.demands;
  assert.equal(printScope(ceiling ?? []), "secret-list secret-read:prod/*");
  assert.deepEqual(demands, {
    times: [{ days: ["mon", "sun"], fromMinute: 450, toMinute: 1_440 }],
    posture: 0.5,
    trust: 1,
    rate: { uses: 30, withinMs: 60_000 },
    totp: false,
    approval: true,
  });
  assert.deepEqual(least.who, { kinds: null, names: null });
  assert.deepEqual(least.what, { capabilities: null, profiles: null, secrets: null });
  assert.equal(parsePolicy(whole({ rules: [] })).rules.length, 0);
});

test("[POLICY-1] a policy that is not written as it should be is refused as a whole", () => {
  // SECURITY: a rule with a slip in it would be left out, and what it forbids be allowed.
  const bad: readonly [object, PolicyFailure][] = [
    [{ policy: 2 }, "policy-invalid"],
    [{ installation: "x" }, "policy-invalid"],
    [{ version: 0 }, "policy-invalid"],
    [{ version: 1.5 }, "policy-invalid"],
    // SECURITY: whoever signs the highest version there is would keep every later policy out.
    [{ version: Number.MAX_SAFE_INTEGER }, "policy-invalid"],
    [{ version: STAMP.createdMs + 1 }, "policy-invalid"],
    [{ createdMs: -1 }, "policy-invalid"],
    [{ createdMs: "now" }, "policy-invalid"],
    [{ mode: "off" }, "policy-invalid"],
    [{ rules: {} }, "policy-invalid"],
    [{ rules: Array.from({ length: MAX_RULES + 1 }, () => LEAST) }, "policy-invalid"],
    [{ rules: [LEAST, LEAST] }, "policy-invalid"],
    [{ expires: 1 }, "policy-malformed"],
    [{ rules: [{ name: "a" }] }, "policy-malformed"],
    [{ rules: ["a"] }, "policy-malformed"],
  ];
  for (const [change, code] of bad)
    assert.throws(() => parsePolicy(whole(change)), failure(code), JSON.stringify(change));
  const many = Array.from({ length: MAX_WORDS + 1 }, () => "a");
  const slips: readonly [object, PolicyFailure][] = [
    [{ name: "A" }, "policy-invalid"],
    [{ name: "a".repeat(25) }, "policy-invalid"],
    [{ demands: {} }, "policy-malformed"],
    [{ who: { kind: ["ai"] } }, "policy-malformed"],
    [{ who: { kinds: [] } }, "policy-invalid"],
    [{ who: { kinds: ["robot"] } }, "policy-invalid"],
    [{ who: { names: ["a/b"] } }, "policy-invalid"],
    [{ who: { names: ["**"] } }, "policy-invalid"],
    [{ who: { names: many } }, "policy-invalid"],
    [{ what: { capabilities: ["delegate"] } }, "policy-invalid"],
    [{ what: { capabilities: "admin" } }, "policy-invalid"],
    [{ what: { profiles: ["../x"] } }, "policy-invalid"],
    [{ what: { secrets: ["a//b"] } }, "policy-invalid"],
    [{ what: { secrets: [1] } }, "policy-invalid"],
    [{ what: null }, "policy-malformed"],
    ...[
      {},
      { approval: false },
      { approval: 1 },
      { ceiling: "secret-raed" },
      { ceiling: null },
      { posture: 0 },
      { posture: 1.1 },
      { trust: "high" },
      { rate: { uses: 0, seconds: 1 } },
      { rate: { uses: 1, seconds: 0 } },
      { rate: { uses: 1_001, seconds: 1 } },
      { rate: { uses: 1, seconds: 86_401 } },
      { times: { days: ["mon"] } },
      { times: [{ days: ["mon"], from: "10:00", to: "10:00" }] },
      { times: [{ days: ["mon"], from: "9:00", to: "10:00" }] },
      { times: [{ days: ["mon"], from: "09:00", to: "24:01" }] },
      { times: [{ days: ["monday"], from: "09:00", to: "10:00" }] },
    ].map((demand): [object, PolicyFailure] => [{ demand }, "policy-invalid"]),
    [{ demand: { aproval: true } }, "policy-malformed"],
    [{ demand: { rate: { uses: 1, seconds: 1, minutes: 1 } } }, "policy-malformed"],
  ];
  for (const [slip, code] of slips)
    assert.throws(
      () => parsePolicy(whole({ rules: [{ ...LEAST, ...slip }] })),
      failure(code),
      JSON.stringify(slip),
    );
});

test("[POLICY-1] JSON of two readings, and too much of it, is refused", () => {
  // SECURITY: signer and owner would read different rules in one and the same text.
  const text = new TextDecoder().decode(whole());
  for (const twice of [text.replace('"mode"', '"mode":"dry-run","mode"'), `${text} ${text}`, ""])
    assert.throws(() => parsePolicy(utf8(twice)), failure("policy-malformed"));
  const long = utf8(text + " ".repeat(limits.MAX_POLICY_BYTES));
  assert.throws(() => parsePolicy(long), failure("policy-malformed"));
});

test("[POLICY-1] an error names the rule", () => {
  const rules = [LEAST, { name: "slip", demand: { ceiling: "secret-raed" } }];
  assert.throws(() => parsePolicy(whole({ rules })), failure("policy-invalid", /^rule slip: /));
});

test("stamping adds what binds a text to an installation, and refuses what could not be read", () => {
  const source = json({ mode: "enforce", rules: [FULL] });
  assert.equal(parsePolicy(stampPolicy(source, STAMP)).version, STAMP.version);
  const own = json({ mode: "enforce", rules: [], version: 9 });
  assert.throws(() => stampPolicy(own, STAMP), failure("policy-malformed"));
  const slip = json({ mode: "enforce", rules: [{ name: "x", demand: {} }] });
  assert.throws(() => stampPolicy(slip, STAMP), failure("policy-invalid"));
});

test("[POLICY-1] any bytes are a policy or an error of ours", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        parsePolicy(utf8(text));
      } catch (cause) {
        assert.ok(cause instanceof PolicyError);
      }
    }),
  );
});
