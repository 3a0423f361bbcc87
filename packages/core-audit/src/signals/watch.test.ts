import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { MESSAGES, type Capability } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { DAY_MS, logOf, type Given } from "../testing/entries.ts";
import { APPLICANTS, BURST, FORGERIES, QUIET_MS, REFUSALS, RULES } from "./rules.ts";
import { Watch, type Finding } from "./watch.ts";

const DECLARED: Readonly<Record<string, readonly Capability[]>> = {
  ci: ["secret-read"],
  operator: ["admin"],
};

function findings(given: readonly Given[]): Finding[] {
  const watch = new Watch({
    declared: (name) => DECLARED[name] ?? null,
    isHuman: (name) => name === "operator",
  });
  return logOf(given).flatMap((entry) => watch.take(entry));
}

const rulesOf = (given: readonly Given[]): string[] => findings(given).map(({ rule }) => rule);

/** The same entry so often, a millisecond apart. */
function times(count: number, given: Given, from = 0): Given[] {
  return Array.from({ length: count }, (_, i) => ({ time: from + i, ...given }));
}

const MISSING = "refused:capability-missing";

/** A rule, what fulfils it with its last entry, and what comes close. */
const CASES: readonly (readonly [string, readonly Given[], readonly Given[]])[] = [
  [
    "undeclared",
    [{ action: "secret.list", outcome: `${MISSING}/expired` }],
    [{ action: "secret.get", outcome: MISSING }],
  ],
  [
    "undeclared",
    [{ action: "bus.request", object: "vault.lock", outcome: "refused:clearance-too-low" }],
    [{ action: "bus.request", object: "status.get", outcome: "refused:clearance-too-low" }],
  ],
  [
    "new-verb",
    [{}, { action: "secret.fetch", time: DAY_MS }],
    [{}, { action: "secret.fetch", time: DAY_MS - 1 }],
  ],
  [
    "new-program",
    [{ actor: { exe: "/usr/bin/a" } }, { actor: { exe: "/tmp/a" } }],
    [{ actor: { exe: "/usr/bin/a" } }, { actor: { exe: null } }, { actor: { exe: "/usr/bin/a" } }],
  ],
  ["read-burst", times(BURST.count + 1, {}), times(BURST.count, {})],
  [
    "refusals",
    times(REFUSALS.count, { outcome: "refused:secret-not-found" }),
    times(REFUSALS.count - 1, { outcome: "refused:secret-not-found" }),
  ],
  [
    "refusals",
    [{ action: "bus.refusals", object: "940 more", outcome: "suppressed" }],
    [{ action: "bus.refusals", object: "9 more", outcome: "suppressed" }],
  ],
  [
    "forgeries",
    times(FORGERIES.count, { actor: { name: null }, outcome: "refused:seal-replayed" }),
    times(FORGERIES.count - 1, { actor: { name: null }, outcome: "refused:seal-replayed" }),
  ],
  [
    "forgeries",
    times(FORGERIES.count, { action: "bus.violation", object: "FRAME-2", outcome: "closed" }),
    times(FORGERIES.count, { action: "bus.connection", outcome: "closed:stalled" }),
  ],
  [
    "applicants",
    times(APPLICANTS.count, { actor: { name: null }, action: "agent.enroll" }),
    times(APPLICANTS.count, {
      actor: { name: null },
      action: "agent.enroll",
      outcome: "refused:name-taken",
    }).slice(0, REFUSALS.count - 1),
  ],
  [
    "gap",
    [{ control: { type: "gap", bytes: 7, hash: "", file: "" } }],
    [{ control: { type: "segment", number: 2 } }],
  ],
];

for (const [i, [rule, fulfils, close]] of CASES.entries())
  test(`[SIGNAL-3] ${rule} speaks with the entry that fulfils it, and not before (${i + 1})`, () => {
    // SECURITY: what somebody does with a stolen key goes by without anybody being told.
    const made = findings(fulfils);
    assert.deepEqual(
      made.map((one) => [one.rule, one.seq]),
      [[rule, fulfils.length - 1]],
    );
    assert.deepEqual(rulesOf(close), []);
  });

test("every rule is shown to speak", () => {
  assert.deepEqual(new Set(CASES.map(([rule]) => rule)), new Set(Object.keys(RULES)));
});

test("[SIGNAL-3] what is further apart than the rule says does not count together", () => {
  const apart = (count: number, withinMs: number, given: Given): Given[] =>
    Array.from({ length: count }, (_, i) => ({
      ...given,
      time: i * Math.ceil(withinMs / (count - 1)),
    }));
  const quiet = [
    apart(REFUSALS.count, REFUSALS.withinMs, { outcome: "refused:secret-not-found" }),
    apart(FORGERIES.count, FORGERIES.withinMs, { outcome: "refused:seal-stale" }),
    apart(BURST.count + 1, BURST.withinMs, {}),
  ];
  for (const given of quiet) assert.deepEqual(rulesOf(given), []);
});

test("[SIGNAL-4] people have bursts and new ideas, and nobody drifts who is in no record", () => {
  const operator = { actor: { name: "operator" } };
  const busy = times(3 * BURST.count, operator);
  assert.deepEqual(rulesOf([...busy, { ...operator, action: "secret.list", time: DAY_MS }]), []);
  assert.deepEqual(
    rulesOf([{ actor: { name: "gone" }, action: "vault.lock", outcome: MISSING }]),
    [],
  );
});

test("[SIGNAL-5] a rule is quiet for an hour about what it has told", () => {
  const drift = (action: string, time: number): Given => ({ action, time, outcome: MISSING });
  const given = [
    drift("vault.lock", 0),
    drift("vault.lock", QUIET_MS - 1),
    drift("profile.create", QUIET_MS - 1),
    drift("vault.lock", QUIET_MS),
  ];
  assert.deepEqual(
    findings(given).map(({ seq }) => seq),
    [0, 2, 3],
  );
});

const actions = fc.constantFrom(
  ...Object.keys(MESSAGES),
  "bus.request",
  "bus.violation",
  "bus.refusals",
);
const entries = fc.array(
  fc.record({
    action: actions,
    outcome: fc.constantFrom("ok", MISSING, "refused:seal-stale", "refused:fault", "closed"),
    time: fc.nat(3 * DAY_MS),
    actor: fc.record({ name: fc.constantFrom("ci", "operator", "gone", null) }),
  }),
  { maxLength: 300 },
);

test("[SIGNAL-1] the same log gives the same findings, each named after an entry of it", () => {
  fc.assert(
    fc.property(entries, (given) => {
      const made = findings(given);
      assert.deepEqual(findings(given), made);
      for (const { seq, time } of made) assert.equal(logOf(given)[seq]?.time, time);
    }),
    { numRuns: RUNS },
  );
});

test("[SIGNAL-6] a log full of strangers costs no more than a bound", () => {
  // SECURITY: whoever can be refused under many names would exhaust the watcher's memory.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const watch = new Watch({ declared: () => [], isHuman: () => false });
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 50_000; i++) {
    const [entry] = logOf([{ actor: { name: `made-up-${i}` }, time: i, outcome: MISSING }]);
    if (entry !== undefined) watch.take(entry);
  }
  collect();
  // What 50 000 are remembered in is 40 MiB.
  assert.ok(process.memoryUsage().heapUsed - before < 16 * 1024 * 1024);
  assert.ok(watch instanceof Watch, "it is in use until here");
});
