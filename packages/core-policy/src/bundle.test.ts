import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TRUSTED_KEYS, signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { Capability, IdentityState } from "@sesame/core-types";
import { expectNext, openPolicy, POLICY_TYPE, policySigners } from "./bundle.ts";
import { PolicyError, type PolicyFailure } from "./failures.ts";
import { MAX_AGE_MS, MAX_AHEAD_MS } from "./limits.ts";
import { stampPolicy, type Stamp } from "./text.ts";

const NOW_MS = 1_763_000_000_000;
const INSTALLATION = "0198c2f4-0000-7000-8000-000000000001";
const STAMP: Stamp = { installation: INSTALLATION, version: 7, createdMs: NOW_MS };
const SOURCE = new TextEncoder().encode(
  JSON.stringify({ mode: "enforce", rules: [{ name: "a", demand: { approval: true } }] }),
);
const signer = (fill: number) => {
  const seed = new Uint8Array(32).fill(fill);
  return {
    publicKey: suite.ed25519PublicKey(seed),
    sign: (message: Uint8Array) => suite.ed25519Sign(seed, message),
  };
};
const [ROOT, TEAM, THIEF] = [signer(1), signer(2), signer(3)];
const trust = { installation: INSTALLATION, keys: [ROOT.publicKey, TEAM.publicKey] };

function signed(stamp: Stamp = STAMP, by = ROOT, type = POLICY_TYPE): Uint8Array {
  return Buffer.from(signEnvelope(type, stampPolicy(SOURCE, stamp), [by]));
}

const failure =
  (...codes: readonly PolicyFailure[]) =>
  (cause: unknown): boolean =>
    cause instanceof PolicyError && codes.includes(cause.code);

test("[POLICY-7] each of the trusted keys may sign, alone or with others", () => {
  for (const by of [ROOT, TEAM])
    assert.equal(openPolicy(suite, signed(STAMP, by), trust).policy.version, 7);
  const both = signEnvelope(POLICY_TYPE, stampPolicy(SOURCE, STAMP), [THIEF, TEAM]);
  assert.equal(openPolicy(suite, Buffer.from(both), trust).policy.rules.length, 1);
});

test("[POLICY-7] what another key, another type or another installation signed is refused", () => {
  // SECURITY: a thief's rules would come into force, or an export be taken for a policy.
  const open = (file: Uint8Array, keys = trust.keys): unknown =>
    openPolicy(suite, file, { ...trust, keys });
  assert.throws(() => open(signed(STAMP, THIEF)), failure("policy-untrusted"));
  assert.throws(() => open(signed(), []), failure("policy-untrusted"));
  assert.throws(() => open(signed(), [TEAM.publicKey]), failure("policy-untrusted"));
  const other = "application/vnd.sesame.audit-export.v1+json";
  assert.throws(() => open(signed(STAMP, ROOT, other)), failure("policy-type"));
  const foreign = { ...STAMP, installation: INSTALLATION.replace("0198", "0199") };
  assert.throws(() => open(signed(foreign)), failure("policy-foreign"));
  assert.throws(() => open(new Uint8Array(0)), failure("policy-malformed"));
});

test("[POLICY-7] the root key signs, and active identities that were given it", () => {
  // SECURITY: an identity that was suspended could still put rules in force, or take them away.
  const identity = (by: typeof TEAM, capability: Capability, state: IdentityState) => ({
    signingKey: by.publicKey,
    capabilities: [capability],
    state,
    former: [],
  });
  const identities = [
    identity(TEAM, "config-reload", "active"),
    identity(THIEF, "config-reload", "suspended"),
    identity(signer(4), "admin", "active"),
  ];
  const signers = policySigners({ rootKey: ROOT.publicKey, identities }, NOW_MS);
  assert.deepEqual(signers, [ROOT.publicKey, TEAM.publicKey]);
});

test("[POLICY-17] former keys sign until their dates, after all present ones", () => {
  // SECURITY: who stole a key that was replaced would go on signing policies.
  const former = (by: typeof TEAM, untilMs: number) => {
    const { publicKey: signingKey } = by;
    return { signingKey, noiseKey: signingKey, sealingKey: signingKey, untilMs };
  };
  const signs = (by: typeof TEAM, before: ReturnType<typeof former>[]) => ({
    signingKey: by.publicKey,
    capabilities: ["config-reload" as const],
    state: "active" as const,
    former: before,
  });
  const [two, three] = [signer(5), signer(6)];
  const identities = [
    signs(TEAM, [former(two, NOW_MS + 1), former(three, NOW_MS + 2)]),
    signs(THIEF, [former(signer(7), NOW_MS)]),
  ];
  const at = (nowMs: number) => policySigners({ rootKey: ROOT.publicKey, identities }, nowMs);
  const present = [ROOT.publicKey, TEAM.publicKey, THIEF.publicKey];
  assert.deepEqual(at(NOW_MS), [...present, two.publicKey, three.publicKey]);
  assert.deepEqual(at(NOW_MS + 1), [...present, three.publicKey]);
  assert.deepEqual(at(NOW_MS + 2), present);
});

test("[POLICY-7] no bit of a signed policy can be turned", () => {
  // SECURITY: whoever can write the file would soften the rules in it.
  const file = signed();
  const from = file.length;
  for (let bit = 0; bit < from * 8; bit += 3) {
    const changed = Uint8Array.from(file);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    try {
      openPolicy(suite, changed, trust);
      // A key id says whose signature it may be, and decides nothing: DSSE-4.
      const id = Buffer.from(file).indexOf("keyid");
      assert.ok(bit >> 3 >= id && bit >> 3 < id + 75, `byte ${bit >> 3}`);
    } catch (cause) {
      assert.ok(cause instanceof PolicyError, String(cause));
    }
  }
});

test("[POLICY-8] only a higher version, signed just now, follows", () => {
  // SECURITY: an old policy, signed as well as the present one, would bring back what it allowed.
  const next = (change: Partial<Stamp>, before: number, wallMs = NOW_MS, seen = before): void => {
    const { policy } = openPolicy(suite, signed({ ...STAMP, ...change }), trust);
    expectNext(policy, { before, seen }, wallMs);
  };
  next({}, 6);
  next({}, 0);
  for (const before of [7, 8]) assert.throws(() => next({}, before), failure("policy-older"));
  // What another owner has may come into force here; what it had before may not.
  next({}, 6, NOW_MS, 7);
  assert.throws(() => next({}, 6, NOW_MS, 8), failure("policy-older"));
  next({}, 6, NOW_MS + MAX_AGE_MS);
  assert.throws(() => next({}, 6, NOW_MS + MAX_AGE_MS + 1), failure("policy-stale"));
  next({}, 6, NOW_MS - MAX_AHEAD_MS);
  assert.throws(() => next({}, 6, NOW_MS - MAX_AHEAD_MS - 1), failure("policy-future"));
});

test("[POLICY-7] the type is the one that the document names, and keys are no more than are tried", () => {
  assert.equal(POLICY_TYPE, "application/vnd.sesame.policy.v1+json");
  const identities = Array.from({ length: 2 * MAX_TRUSTED_KEYS }, (_, i) => ({
    signingKey: new Uint8Array(32).fill(i),
    capabilities: ["config-reload" as const],
    state: "active" as const,
    former: [],
  }));
  const keys = policySigners({ rootKey: ROOT.publicKey, identities }, NOW_MS);
  assert.equal(keys.length, MAX_TRUSTED_KEYS);
  assert.deepEqual(keys.slice(0, 2), [ROOT.publicKey, identities[0]?.signingKey]);
});

test("what is no verdict on a file is not taken for one", () => {
  const broken = {
    ed25519Verify: () => {
      throw new Error("out of memory");
    },
  };
  assert.throws(() => openPolicy(broken, signed(), trust), { message: "out of memory" });
});
