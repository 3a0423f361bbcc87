import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { limits, toHex, type Identity } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import {
  accepted,
  admission,
  keysOf,
  NOW_MS,
  recordOf,
  rotation,
  seedOf,
  tokenOf,
  verifiedOf,
} from "../testing/certificates.ts";
import { identity } from "../testing/pair.ts";
import {
  certificateSubject,
  declared,
  folded,
  holderIn,
  rotationsOf,
  verified,
  withCertificate,
  type Verified,
} from "./certified.ts";
import { parseRecord, recordText, type Installation } from "./record.ts";

const T = 100;
const agent = (number: number, changes: Partial<Identity> = {}): Identity => ({
  ...identity(`ci-${number}`, { kind: "ai" }),
  ...keysOf(number),
  keyedMs: NOW_MS - 1,
  ...changes,
});
const withAgents = (...identities: Identity[]): Installation => {
  const record = recordOf({ tokens: [tokenOf(T, { uses: 2 })] });
  return { ...record, identities: [...record.identities, ...identities] };
};
const open = withAgents();
const verdict = (certificate: Uint8Array, record = open, atMs = NOW_MS): unknown => {
  const one = verified(suite, accepted(certificate, atMs));
  if (one === null) return "malformed";
  const next = withCertificate(record, one);
  return typeof next === "string" ? next : "in";
};

test("[ENROL-25] a token lets in what the record says of it, and nothing else", () => {
  // SECURITY: whoever has a token would give itself a kind, a clearance or a name of its own choice.
  const ask = (changes: Parameters<typeof admission>[2], atMs = NOW_MS): unknown =>
    verdict(admission(T, 1, changes), open, atMs);
  assert.equal(ask({}), "in");
  assert.equal(ask({ kind: "service" }), "token-kind");
  assert.equal(ask({ clearance: "secrets-only" }), "token-clearance");
  assert.equal(ask({ clearance: "open" }), "in");
  for (const name of ["other", "CI-1", "operator", "daemon-ci-x"])
    assert.equal(ask({ name }), "token-name", name);
  assert.equal(ask({ wants: "secret-list:" }), "wants-invalid");
  assert.equal(ask({ installation: "0198c2f4-0000-7000-8000-000000000002" }), "foreign");
  assert.equal(ask({}, NOW_MS - 1), "token-early");
  assert.equal(ask({}, NOW_MS + 59_999), "in");
  assert.equal(ask({}, NOW_MS + 60_000), "token-lapsed");
  assert.equal(verdict(admission(T + 1, 1)), "token-unknown");
  const daemonNames = withAgents();
  const anyName = { ...daemonNames, tokens: [tokenOf(T, { names: "*" })] };
  for (const name of ["operator", "daemon-audit"])
    assert.equal(verdict(admission(T, 1, { name }), anyName), "token-name");
});

test("[ENROL-25] what comes in has what the token gives, and of that what it declared", () => {
  // SECURITY: an agent would be given whatever it writes into its own request.
  const given = (wants: string): unknown => {
    const { installation } = folded(open, [verifiedOf(admission(T, 1, { wants }))]);
    return installation.identities.at(-1)?.capabilities;
  };
  assert.deepEqual(given(""), ["secret-list", "secret-use"]);
  assert.deepEqual(given("secret-list secret-read"), ["secret-list"]);
  assert.deepEqual(given("secret-use:ci/*"), []);
});

test("[ENROL-25] what comes in is active under its own keys from then on, and has no former ones", () => {
  const one = verifiedOf(admission(T, 1, { wants: "secret-list" }), NOW_MS + 5);
  const { installation } = folded(open, [one]);
  assert.deepEqual(installation.identities.at(-1), {
    id: one.id,
    name: "ci-1",
    kind: "ai",
    state: "active",
    enrolledMs: NOW_MS + 5,
    clearance: "internal",
    capabilities: ["secret-list"],
    wants: "secret-list",
    keyedMs: NOW_MS + 5,
    ...keysOf(1),
    former: [],
  });
  assert.deepEqual(installation.tokens[0]?.admitted, [one.id]);
});

test("what was declared without patterns is given; nothing declared is everything", () => {
  const words = ["secret-list", "secret-use", "delegate"] as const;
  for (const [wants, given] of [
    ["", words],
    ["secret-use", ["secret-use"]],
    ["secret-use secret-list", ["secret-list", "secret-use"]],
    ["secret-read", []],
    ["secret-use:ci/*", []],
    ["secret-use:ci/* secret-use", ["secret-use"]],
    ["secret-use+2", []],
    ["secret-list:", null],
  ] as const)
    assert.deepEqual(declared(words, wants), given, wants);
});

test("[ENROL-29] what certificates let in, the record can say", () => {
  // SECURITY: with one token the operator would be kept from ever signing a record again, and so
  // from revoking the token and whom it let in.
  for (const wants of ["\t", "secret-list\nsecret-use", "\u00a0", "secret-list\u3000", "\ufeff"])
    assert.equal(verdict(admission(T, 1, { wants })), "wants-invalid", JSON.stringify(wants));
  const text = fc.string({ unit: fc.constantFrom(...'secret-list use:*/&+1\t\n"\\é\u00a0') });
  fc.assert(
    fc.property(text, (wants) => {
      const { installation } = folded(open, [verifiedOf(admission(T, 1, { wants }))]);
      assert.deepEqual(parseRecord(recordText(installation)), installation);
    }),
    { numRuns: RUNS },
  );
});

test("[ENROL-25] a token lets in as many as it says, and the same one once", () => {
  // SECURITY: a token for one would let in a crowd.
  const in2 = folded(
    open,
    [1, 2, 2, 3].map((n) => verifiedOf(admission(T, n))),
  );
  assert.equal(in2.borne.length, 2);
  assert.equal(in2.installation.tokens[0]?.admitted.length, 2);
  assert.equal(verdict(admission(T, 3), in2.installation), "token-spent");
  assert.equal(verdict(admission(T, 1), in2.installation), "token-used");
});

test("[ENROL-20] names and keys of others are not taken", () => {
  // SECURITY: an agent would answer under the name, or to the key, of another identity.
  const record = withAgents(agent(1, { former: [{ ...keysOf(5), untilMs: NOW_MS + 1 }] }));
  assert.equal(verdict(admission(T, 2, { name: "ci-1" }), record), "name-taken");
  assert.equal(
    verdict(admission(T, 2, { name: "ci-A" }), withAgents(agent(1, { name: "ci-a" }))),
    "name-taken",
  );
  assert.equal(verdict(admission(T, 1, { name: "ci-2" }), record), "key-taken");
  assert.equal(verdict(admission(T, 5), record), "key-taken");
  const { noiseKey } = keysOf(1);
  assert.equal(verdict(admission(T, 2, { noiseKey }), record), "key-taken");
  const { signingKey } = keysOf(1);
  assert.equal(verdict(admission(T, 2, { signingKey }, [T, 1]), record), "key-taken");
  assert.equal(verdict(rotation(1, 201), record), "key-taken");
  const half = { noiseKey: keysOf(201).noiseKey };
  assert.equal(verdict(rotation(1, 2, half), record), "key-taken");
  const stays = { signingKey, noiseKey: keysOf(201).noiseKey };
  assert.equal(verdict(rotation(1, 2, stays, [1, 1]), record), "key-taken");
  assert.equal(verdict(rotation(1, 5), record), "key-taken");
  assert.equal(verdict(rotation(1, 1), record), "key-taken");
});

test("[ENROL-20] both signatures are needed, each by its own key", () => {
  // SECURITY: half a certificate would do: a token without the keys, or keys without the token.
  for (const signers of [
    [1, T],
    [1, 1],
    [T, T],
    [T, 2],
    [2, 1],
  ] as const)
    assert.equal(verdict(admission(T, 1, {}, signers)), "malformed", String(signers));
  const record = withAgents(agent(1));
  for (const signers of [
    [2, 1],
    [1, 1],
    [2, 2],
    [T, 2],
  ] as const)
    assert.equal(verdict(rotation(1, 2, {}, signers), record), "malformed", String(signers));
});

test("[ENROL-26] what came in by a token and was revoked does not come in again", () => {
  // SECURITY: whoever kept the certificate of a revoked agent would bring it back to life.
  const one = verifiedOf(admission(T, 1));
  const { installation } = folded(open, [one]);
  const revoked = {
    ...installation,
    identities: installation.identities.filter(({ name }) => name !== "ci-1"),
  };
  assert.equal(withCertificate(revoked, one), "token-used");
  assert.deepEqual(folded(revoked, [one]).borne, []);
  assert.equal(folded(revoked, [verifiedOf(admission(T, 2))]).borne.length, 1);
  const ended = { ...open, tokens: [] };
  assert.deepEqual(folded(ended, [one]).installation.identities, ended.identities);
});

test("[ENROL-30] the present key of an active identity alone gives it new keys", () => {
  // SECURITY: a key that was given up, perhaps because it was stolen, would take the identity over.
  const record = withAgents(agent(1));
  const { installation: second } = folded(record, [verifiedOf(rotation(1, 2))]);
  const holder = second.identities.at(-1);
  assert.deepEqual(holder?.signingKey, keysOf(2).signingKey);
  assert.deepEqual(
    holder?.former.map(({ signingKey, untilMs }) => [toHex(signingKey), untilMs]),
    [[toHex(keysOf(1).signingKey), NOW_MS + 60_000]],
  );
  assert.equal(verdict(rotation(1, 3), second), "key-unknown", "a former key, still accepted");
  assert.equal(verdict(rotation(1, 2), second), "key-unknown", "the same one again");
  const both = folded(record, [verifiedOf(rotation(1, 2)), verifiedOf(rotation(1, 3))]);
  assert.deepEqual(both.installation, second, "at once or one after the other");
  const { installation: third } = folded(second, [verifiedOf(rotation(2, 3))]);
  assert.equal(verdict(rotation(1, 2), third), "key-unknown", "an old one after a newer");
  assert.equal(verdict(rotation(8, 9), record), "key-unknown");
  assert.equal(verdict(rotation(1, 2), withAgents(agent(1, { state: "suspended" }))), "suspended");
  assert.equal(verdict(rotation(1, 2), open), "key-unknown", "revoked");
  for (const number of [200, 201]) assert.equal(verdict(rotation(number, 2)), "by-root-only");
});

test("[ENROL-30] a rotation is taken when it is made, not later and not before the present keys", () => {
  // SECURITY: a certificate that was never used would be kept for the day when it harms.
  const record = withAgents(agent(1, { keyedMs: NOW_MS }));
  const { ROTATION_WINDOW_MS: window } = limits;
  assert.equal(verdict(rotation(1, 2), record, NOW_MS + window), "in");
  assert.equal(verdict(rotation(1, 2), record, NOW_MS + window + 1), "stale");
  assert.equal(verdict(rotation(1, 2), record, NOW_MS - window - 1), "stale");
  assert.equal(verdict(rotation(1, 2, { madeMs: NOW_MS - 1 }), record), "stale");
  const most = NOW_MS + limits.MAX_KEY_OVERLAP_MS;
  assert.equal(verdict(rotation(1, 2, { untilMs: most }), record), "in");
  assert.equal(verdict(rotation(1, 2, { untilMs: most + 1 }), record), "overlap");
  assert.equal(verdict(rotation(1, 2, { untilMs: NOW_MS }), record), "in");
  assert.equal(verdict(rotation(1, 2, { untilMs: NOW_MS - 1 }), record), "overlap");
});

test("[ENROL-31] former keys have a number, lapsed ones make room, an ssh-agent's may stay", () => {
  const { MAX_FORMER_KEYS: most } = limits;
  const former = Array.from({ length: most }, (_, i) => ({
    ...keysOf(20 + i),
    untilMs: NOW_MS + 1 + i,
  }));
  const record = withAgents(agent(1, { former }));
  assert.equal(verdict(rotation(1, 2), record), "former-keys-full");
  assert.equal(verdict(rotation(1, 2), record, NOW_MS + 1), "in");
  const stays = rotation(1, 2, { signingKey: keysOf(1).signingKey }, [1, 1]);
  const { installation } = folded(withAgents(agent(1)), [verifiedOf(stays)]);
  assert.deepEqual(installation.identities.at(-1)?.signingKey, keysOf(1).signingKey);
  assert.deepEqual(installation.identities.at(-1)?.noiseKey, keysOf(2).noiseKey);
});

test("a former key that has lapsed is nobody's, at once as one after the other", () => {
  const former = [{ ...keysOf(5), untilMs: NOW_MS }];
  const record = withAgents(agent(1, { former }));
  const both = [verifiedOf(rotation(1, 2)), verifiedOf(admission(T, 5))];
  const [first, second] = both.map((one) => [one]);
  const after = folded(record, first ?? []).installation;
  assert.deepEqual(folded(record, both).installation, folded(after, second ?? []).installation);
  assert.equal(folded(record, both).borne.length, 2);
});

test("an identity's rotations are counted back from its present keys", () => {
  const record = withAgents(agent(1), agent(11));
  const given = [rotation(1, 2), rotation(11, 12), admission(T, 7), rotation(2, 3)].map((one) =>
    verifiedOf(one),
  );
  const { installation, borne } = folded(record, given);
  assert.equal(borne.length, 4);
  const counted = installation.identities.map((one) => [one.name, rotationsOf(one, borne)]);
  assert.deepEqual(counted.slice(2), [
    ["ci-1", 2],
    ["ci-11", 1],
    ["ci-7", 0],
  ]);
});

test("the audit log names who comes in by which token, and whose keys are new", () => {
  const one = verifiedOf(rotation(1, 2));
  assert.equal(one.id, "", "a rotation lets nobody in");
  const record = withAgents(agent(1));
  assert.equal(certificateSubject(record, one), "new keys of ci-1");
  assert.equal(certificateSubject(folded(record, [one]).installation, one), "new keys of ci-1");
  assert.equal(certificateSubject(open, one), "new keys of nobody");
  const admitted = verifiedOf(admission(T, 1));
  const token = toHex(suite.ed25519PublicKey(seedOf(T))).slice(0, 8);
  assert.equal(certificateSubject(open, admitted), `ci-1 by token ${token}`);
  assert.equal(holderIn(withAgents(agent(1)), admitted), null);
});

test("what is kept of a certificate outlives the message that brought it", () => {
  const given = admission(T, 1);
  const before = Uint8Array.from(given);
  const one = verifiedOf(given);
  given.fill(0);
  assert.deepEqual(one.certified.certificate, before);
});

// Tokens, agents and an operator who signs, revokes and suspends, in any order; beside a model that
// counts who ever came in by which token, and knows whom the operator threw out.

type Op = { readonly do: string; readonly a: number; readonly b: number; readonly ms: number };
const op: fc.Arbitrary<Op> = fc.record({
  do: fc.constantFrom(
    "admit",
    "admit",
    "admit",
    "rotate",
    "rotate",
    "sign",
    "revoke",
    "suspend",
    "resume",
    "end",
    "replay",
    "old",
  ),
  a: fc.integer({ min: 0, max: 2 }),
  b: fc.integer({ min: 1, max: 12 }),
  ms: fc.constantFrom(0, 1, 20_000, 70_000),
});

test("[ENROL-21] [ENROL-25] [ENROL-26] no order of events lets in more, or anybody back", () => {
  // SECURITY: some sequence of coming in, signing and replaying would be a right that nobody gave.
  fc.assert(
    fc.property(fc.array(op, { minLength: 5, maxLength: 60, size: "max" }), (ops) => {
      let record = recordOf({
        tokens: [tokenOf(T, { uses: 1 }), tokenOf(T + 1, { uses: 3, untilMs: NOW_MS + 90_000 })],
      });
      let kept: readonly Verified[] = [];
      let nowMs = NOW_MS;
      const seen: Uint8Array[] = [];
      const cameIn = new Map<string, Set<string>>();
      const thrownOut = new Set<string>();
      const present = (): Installation => folded(record, kept).installation;
      const show = (certificate: Uint8Array): void => {
        const one = verified(suite, { certificate, acceptedMs: nowMs });
        assert.ok(one !== null);
        const next = withCertificate(present(), one);
        if (typeof next === "string") return;
        kept = [...kept, one];
        seen.push(certificate);
        // Applied at once or from the start, it is the same.
        assert.deepEqual(plain(present()), plain(next));
        if (one.certificate.form !== "admission") return;
        const token = toHex(one.certificate.body.token);
        const ids = cameIn.get(token) ?? new Set();
        assert.ok(!thrownOut.has(one.id), "it was thrown out");
        cameIn.set(token, ids.add(one.id));
      };
      const sign = (change: (given: Installation) => Partial<Installation>): void => {
        const before = present();
        record = { ...before, ...change(before), serial: record.serial + 1 };
        kept = folded(record, kept).borne;
      };
      for (const { do: what, a, b, ms } of ops) {
        nowMs += ms;
        const chosen = present().identities.filter(({ kind }) => kind === "ai")[a];
        if (what === "admit") show(admission(T + a, b));
        if (what === "rotate" && chosen !== undefined)
          for (let from = 1; from < 40; from++)
            if (toHex(keysOf(from).signingKey) === toHex(chosen.signingKey)) {
              show(rotation(from, 20 + b, { madeMs: nowMs, untilMs: nowMs + 60_000 }));
              break;
            }
        const earlier = seen[b % Math.max(1, seen.length)];
        if (what === "replay" && earlier !== undefined) show(earlier);
        if (what === "sign") sign(() => ({}));
        if (what === "revoke" && chosen !== undefined) {
          thrownOut.add(chosen.id);
          sign(({ identities }) => ({
            identities: identities.filter((one) => one.id !== chosen.id),
          }));
        }
        if ((what === "suspend" || what === "resume") && chosen !== undefined)
          sign(({ identities }) => ({
            identities: identities.map((one) =>
              one.id === chosen.id
                ? { ...one, state: what === "resume" ? "active" : "suspended" }
                : one,
            ),
          }));
        if (what === "end") sign(({ tokens }) => ({ tokens: tokens.filter((_, i) => i !== a) }));
        if (what === "old") kept = folded(record, [...kept, ...kept]).borne;
        for (const { id, kind } of present().identities)
          if (kind === "ai") {
            assert.ok(
              [...cameIn.values()].some((ids) => ids.has(id)),
              "it came in by a token",
            );
            assert.ok(!thrownOut.has(id), "it was thrown out");
          }
      }
      const uses = (number: number): number =>
        cameIn.get(toHex(suite.ed25519PublicKey(seedOf(number))))?.size ?? 0;
      assert.ok(uses(T) <= 1 && uses(T + 1) <= 3 && uses(T + 2) === 0);
    }),
    { numRuns: 60 },
  );
});

function plain(given: unknown): unknown {
  return JSON.parse(JSON.stringify(given, (_, v) => (v instanceof Uint8Array ? toHex(v) : v)));
}
