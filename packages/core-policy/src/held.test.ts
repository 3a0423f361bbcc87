import assert from "node:assert/strict";
import { test } from "node:test";
import { MESSAGES } from "@sesame/core-types";
import { expectHeld, POLICY_OWNERS } from "./held.ts";
import { PolicyError } from "./failures.ts";
import { parsePolicy, stampPolicy } from "./text.ts";

const STAMP = { installation: "0198c2f4-0000-7000-8000-000000000001", version: 1, createdMs: 1 };

function source(rule: object): Uint8Array {
  const rules = [{ name: "a", demand: { ceiling: "" }, ...rule }];
  return new TextEncoder().encode(JSON.stringify({ mode: "enforce", rules }));
}

test("[POLICY-12] what takes a capability is an owner's that goes by policies, or is never held", () => {
  // SECURITY: a kind that nobody holds to the policy would be the way round every rule.
  const owners: readonly string[] = POLICY_OWNERS;
  for (const [name, row] of Object.entries(MESSAGES)) {
    if (row.form !== "request" || row.needs === null || row.needs === "daemon") continue;
    assert.ok(row.repair || owners.includes(row.owner), name);
  }
});

test("[POLICY-13] a rule that would hold back nothing is refused, and says why", () => {
  // SECURITY: the operator would rely on a rule that nobody is held to.
  const totp = { totp: true };
  for (const [rule, why] of [
    [{ who: { kinds: ["ai", "daemon"] } }, /daemons/],
    [{ what: { capabilities: ["secret-read", "lock"] } }, /takes lock/],
    [{ what: { capabilities: ["status-read"] } }, /takes status-read/],
    [{ what: { capabilities: ["extension-install"] } }, /takes extension-install/],
    [{ what: { capabilities: ["audit-read"], secrets: ["prod/*"] } }, /not about secrets/],
    [{ what: { capabilities: ["audit-read"], profiles: ["work"] } }, /not about profiles/],
    [{ demand: totp }, /locked vault/],
    [{ what: { capabilities: ["unlock"] }, demand: totp }, /locked vault/],
  ] as const)
    assert.throws(
      () => stampPolicy(source(rule), STAMP),
      (cause) =>
        cause instanceof PolicyError && cause.code === "policy-unheld" && why.test(cause.message),
      JSON.stringify(rule),
    );
});

test("[POLICY-13] every other rule is taken", () => {
  for (const rule of [
    {},
    { what: { secrets: ["prod/*"], profiles: ["work"] } },
    { what: { capabilities: ["profile-activate"], profiles: ["work"] } },
    { what: { capabilities: ["admin"], profiles: ["work"] }, demand: { totp: true } },
    { what: { capabilities: ["audit-read"] }, demand: { approval: true, totp: true } },
  ])
    expectHeld(parsePolicy(stampPolicy(source(rule), STAMP)));
});
