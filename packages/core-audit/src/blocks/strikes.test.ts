import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "@sesame/core-types";
import { CI, entryOf, OTHER, type Given } from "../testing/entries.ts";
import { STRIKES, Strikes, type Strike, type StrikeReason } from "./strikes.ts";

/** What counts under each rule, one after the other. */
const COUNTED: Readonly<Record<StrikeReason, readonly Given[]>> = {
  forgery: [
    { outcome: "refused:seal-replayed", actor: { name: null, by: "daemon-secrets" } },
    { outcome: "refused:seal-malformed", actor: { name: null, by: "daemon-secrets" } },
    { outcome: "refused:proof-invalid" },
    { action: "bus.violation", object: "FRAME-2", outcome: "closed" },
    { action: "bus.violation", object: "ENVELOPE-1", outcome: "closed" },
    { action: "bus.violation", object: "CODEC-3", outcome: "closed" },
  ],
  guessing: [{ outcome: "refused:factor-rejected" }, { outcome: "refused:totp-rejected" }],
  flooding: [{ outcome: "refused:rate-limited" }],
};

/** What happens to whoever does nothing wrong. */
const INNOCENT: readonly Given[] = [
  { outcome: "ok" },
  { outcome: "refused:seal-stale" },
  { outcome: "refused:seal-not-authentic" },
  { outcome: "refused:seal-full" },
  { outcome: "refused:capability-missing" },
  { outcome: "refused:capability-missing/expired" },
  { outcome: "refused:secret-not-found" },
  { outcome: "refused:throttled" },
  { action: "bus.violation", object: "ROUTE-4", outcome: "closed" },
  { action: "bus.violation", object: "FLOW-4", outcome: "closed" },
  { action: "bus.violation", object: "OVER-FRAME-1", outcome: "closed" },
  { action: "bus.violation", object: null, outcome: "closed" },
  { action: "secret.get", object: "FRAME-2", outcome: "ok" },
  { outcome: "rate-limited" },
  { action: "bus.connection", outcome: "closed:stalled" },
  { action: "bus.refusals", object: "900 more", outcome: "suppressed" },
];

function struck(given: readonly Given[]): Strike[] {
  const strikes = new Strikes();
  return given.flatMap((one, i) => strikes.take(entryOf(i + 1, one)) ?? []);
}

/** So many of them, spread evenly over a time. */
function spread(reason: StrikeReason, count: number, overMs: number): Given[] {
  const counted = COUNTED[reason];
  return Array.from({ length: count }, (_, i) => ({
    ...counted[i % counted.length],
    time: Math.floor((i * overMs) / Math.max(1, count - 1)),
  }));
}

for (const reason of Object.keys(STRIKES) as StrikeReason[])
  test(`[STRIKE-2] ${reason} strikes with the entry that fulfils it, names them all, and once`, () => {
    // SECURITY: whoever forges, guesses or floods could go on until somebody looks.
    const { count, withinMs, blockMs } = STRIKES[reason];
    const near = spread(reason, count, withinMs - 1);
    const [strike, ...more] = struck(near);
    assert.deepEqual(more, []);
    assert.equal(strike?.reason, reason);
    assert.equal(strike?.identity, CI);
    assert.equal(strike?.untilMs, withinMs - 1 + blockMs);
    assert.deepEqual(
      strike?.evidence.map(({ seq }) => seq),
      Array.from({ length: count }, (_, i) => i + 1),
    );
    assert.ok(count <= limits.MAX_EVIDENCE);
    assert.deepEqual(struck(near.slice(1)), [], "one too few");
    assert.deepEqual(struck(spread(reason, count, withinMs)), [], "too far apart");
    assert.equal(struck([...near, ...near.slice(1)]).length, 1, "what counted counts no more");
    assert.equal(struck([...near, ...near]).length, 2);
  });

test("[STRIKE-2] so many within so long block for so long", () => {
  const minutes = Object.entries(STRIKES).map(([reason, { count, withinMs, blockMs }]) => [
    reason,
    count,
    withinMs / 60_000,
    blockMs / 60_000,
  ]);
  assert.deepEqual(minutes, [
    ["forgery", 5, 60, 24 * 60],
    ["guessing", 10, 60, 60],
    ["flooding", 60, 10, 15],
  ]);
});

test("of more than 4096 identities the one that struck longest ago is forgotten", () => {
  const { count } = STRIKES.forgery;
  const forged = spread("forgery", count, 1);
  const others = Array.from({ length: 4_096 }, (_, i) => ({
    ...forged[0],
    actor: { identity: `other-${i}` },
  }));
  const between = (crowd: readonly Given[]): number =>
    struck([...forged.slice(0, -1), ...crowd, ...forged.slice(-1)]).length;
  assert.equal(between(others.slice(1)), 1);
  assert.equal(between(others), 0);
});

test("[STRIKE-1] strikes count against the identity whose key was proved, not against a name", () => {
  // SECURITY: anybody could have somebody else blocked by failing in his name.
  const { count } = STRIKES.forgery;
  const forged = spread("forgery", count, 1);
  const attackers = forged.map((given) => ({ ...given, actor: { name: "ci", identity: OTHER } }));
  assert.deepEqual(
    struck(attackers).map(({ identity }) => identity),
    [OTHER],
  );
  const strangers = forged.map((given) => ({ ...given, actor: { name: null, identity: null } }));
  assert.deepEqual(struck(strangers), []);
  const both = forged.flatMap((given, i) => [i === 0 ? {} : given, attackers[i] ?? {}]);
  assert.deepEqual(
    struck(both).map(({ identity }) => identity),
    [OTHER],
    "others' attempts do not add to one's own",
  );
  assert.deepEqual(struck([...forged.slice(1), ...attackers.slice(1)]), [], "nor to anybody's");
  const several = (Object.keys(STRIKES) as StrikeReason[]).flatMap((reason) =>
    spread(reason, STRIKES[reason].count - 1, 1),
  );
  assert.deepEqual(struck(several), [], "and each reason counts by itself");
});

test("[STRIKE-1] what nobody did and what the log says of itself strikes nobody", () => {
  const strikes = new Strikes();
  for (const [i, given] of spread("forgery", 50, 1).entries()) {
    const entry = entryOf(i + 1, given);
    assert.equal(strikes.take({ ...entry, actor: null }), null);
    assert.equal(strikes.take({ ...entry, control: { type: "segment", number: 2 } }), null);
  }
});

test("[STRIKE-2] what comes of restarts, clocks, mistakes and others strikes nobody", () => {
  // SECURITY: an attacker could have the honest blocked by making their calls fail.
  const given = Array.from({ length: 50 }, () => INNOCENT).flat();
  assert.deepEqual(struck(given), []);
});
