import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { DAY_MS, logOf, type Given } from "../testing/entries.ts";
import { Conducts, type Conduct } from "./conducts.ts";
import { FACTORS, measure, scoreOf, type FactorName, type Measures } from "./score.ts";
import type { Finding } from "./watch.ts";

const names = Object.keys(FACTORS) as FactorName[];
const all = (value: number | null): Measures =>
  Object.fromEntries(names.map((name) => [name, value])) as Measures;
const NOW = 400 * DAY_MS;

test("the weights are those of a hundred points", () => {
  assert.equal(
    Object.values(FACTORS).reduce((sum, { weight }) => sum + weight, 0),
    100,
  );
});

test("[SIGNAL-7] exact values", () => {
  const cases: readonly (readonly [Measures, number, number])[] = [
    [all(1), 100, 100],
    [all(0), 0, 100],
    [all(0.5), 50, 100],
    [all(null), 0, 0],
    // 20 of 20 measured points, and a ceiling of 20 + 80 / 2.
    [{ ...all(null), identity: 1 }, 60, 20],
    [{ ...all(null), identity: 0 }, 0, 20],
    // 73 of 73, and a ceiling of 73 + 27 / 2.
    [{ ...all(1), attestation: null, servers: null }, 86, 73],
    // 15 × 0.8 of 15, and a ceiling of 12 + 42.5.
    [{ ...all(null), compliance: 0.8 }, 54, 15],
    [{ ...all(1), errors: 0 }, 90, 100],
    [{ ...all(1), age: 0.3 }, 94, 100],
  ];
  for (const [measures, score, confidence] of cases)
    assert.deepEqual(scoreOf(measures), { score, confidence }, JSON.stringify(measures));
});

// Doubles of fast-check are as often tiny as they are near 1.
const share = fc.integer({ min: 0, max: 1_000 }).map((thousandths) => thousandths / 1_000);
const value = fc.option(share);
const measures = fc.record(
  Object.fromEntries(names.map((name) => [name, value])) as Record<FactorName, typeof value>,
);

test("[SIGNAL-8] a lower value never raises the score, nor does silence about a good one", () => {
  // SECURITY: whoever misbehaves, or hides how well it behaved, would be trusted more.
  const property = fc.property(
    measures,
    fc.constantFrom(...names),
    share,
    (given, name, factor) => {
      const before = given[name];
      if (before === null) return;
      const { score } = scoreOf(given);
      assert.ok(score >= 0 && score <= 100);
      assert.ok(scoreOf({ ...given, [name]: before * factor }).score <= score);
      if (before >= 0.5) assert.ok(scoreOf({ ...given, [name]: null }).score <= score);
    },
  );
  fc.assert(property, { numRuns: RUNS * 5 });
});

const NO_CONDUCT: Conduct = {
  calls: 0,
  notAllowed: 0,
  failed: 0,
  approved: 0,
  rejected: 0,
  since: null,
};

function conductOf(given: readonly Given[], now = NOW): Conduct {
  const conducts = new Conducts({ declared: () => null, isHuman: () => false });
  for (const entry of logOf(given)) conducts.take(entry);
  return conducts.of("ci", now);
}

test("conduct counts the calls of the identity, for 90 days, and its age for ever", () => {
  const long = NOW - 90 * DAY_MS;
  const conduct = conductOf([
    { time: long, outcome: "refused:fault" },
    { time: long + DAY_MS },
    { time: NOW, outcome: "refused:capability-missing/expired" },
    { time: NOW, outcome: "refused:rate-limited" },
    { time: NOW, outcome: "refused:secret-not-found" },
    { time: NOW, action: "daemon.start" },
    { time: NOW, actor: { name: "other" }, outcome: "refused:fault" },
    { time: NOW, control: { type: "segment", number: 2 } },
  ]);
  assert.deepEqual(conduct, { ...NO_CONDUCT, calls: 4, notAllowed: 2, failed: 1, since: long });
});

const evidence = { conduct: NO_CONDUCT, findings: [], proofs: [], log: null, nowMs: NOW } as const;

test("each factor is what the log has of it, and nothing is measured without evidence", () => {
  assert.deepEqual(measure(evidence), all(null));
  const since = NOW - 8 * DAY_MS;
  const conduct = { calls: 10, notAllowed: 2, failed: 1, approved: 3, rejected: 1, since };
  const finding: Finding = {
    rule: "refusals",
    severity: "medium",
    who: "ci",
    what: "",
    seq: 0,
    time: NOW,
  };
  const old = { ...finding, rule: "gap" as const, time: NOW - 90 * DAY_MS };
  const full = measure({
    ...evidence,
    conduct,
    findings: [finding, finding, old],
    proofs: ["key-and-pid", "key"],
    log: "torn",
  });
  assert.deepEqual(full, {
    identity: 0.5,
    attestation: 3 / 4,
    compliance: 7 / 9,
    consistency: 1 - Math.tanh(0.5),
    servers: null,
    errors: 7 / 8,
    audit: 0.5,
    age: 0.5,
  });
  const ages = [0, 7, 30, 90].flatMap((days) => [days * DAY_MS - 1, days * DAY_MS]);
  assert.deepEqual(
    ages.map((ms) => measure({ ...evidence, conduct: { ...conduct, since: NOW - ms } }).age),
    [0.3, 0.3, 0.3, 0.5, 0.5, 0.75, 0.75, 1],
  );
});

test("[SIGNAL-8] a further refusal or finding never raises the score", () => {
  // SECURITY: as above, with the log itself.
  const outcome = fc.constantFrom("ok", "refused:capability-missing", "refused:secret-not-found");
  const log = fc.array(fc.record({ outcome, time: fc.constant(NOW) }), { minLength: 1 });
  const score = (conduct: Conduct): number =>
    scoreOf(measure({ ...evidence, conduct, log: "whole" })).score;
  fc.assert(
    fc.property(
      log,
      fc.constantFrom("refused:capability-missing", "refused:fault"),
      (given, bad) => {
        const before = conductOf(given);
        const after = conductOf([...given, { outcome: bad, time: NOW }]);
        assert.ok(score(after) <= score(before));
      },
    ),
    { numRuns: RUNS },
  );
});

test("attestation is what others answered, never what it answered itself", () => {
  // SECURITY: who may answer would praise itself.
  const answer = (words: string, name = "operator", outcome = "ok"): Given => ({
    action: "approval.answer",
    object: `${words} 1a2b3c4d`,
    actor: { name },
    outcome,
    time: NOW,
  });
  const { approved, rejected } = conductOf([
    answer("once secret-read ci"),
    answer("for secret-use ci"),
    answer("never secret-read ci"),
    answer("once secret-read other"),
    answer("once secret-read ci", "ci"),
    answer("once secret-read ci", "operator", "refused:capability-missing"),
    answer(""),
  ]);
  assert.deepEqual([approved, rejected], [2, 1]);
});

test("[SIGNAL-10] who comes in under a former name begins anew", () => {
  // SECURITY: whoever gets the name of a revoked identity would have the trust that this one earned.
  const conducts = new Conducts({ declared: () => null, isHuman: () => false });
  const reload = { action: "bus.reload", actor: { name: "operator" } };
  const taken = [
    {},
    { actor: { name: "other" } },
    { ...reload, object: "suspended ci" },
    { action: "secret.set", object: "removed ci" },
  ];
  for (const entry of logOf(taken)) conducts.take(entry);
  assert.equal(conducts.of("ci", 0).calls, 2);
  for (const entry of logOf([{ ...reload, object: "removed ci" }])) conducts.take(entry);
  assert.deepEqual(conducts.of("ci", 0), { ...conducts.of("nobody", 0) });
  assert.equal(conducts.of("ci", 0).since, null);
  assert.equal(conducts.of("other", 0).calls, 1);
  for (const entry of logOf([{ time: 5 }])) conducts.take(entry);
  assert.equal(conducts.of("ci", 5).since, 5);
});
