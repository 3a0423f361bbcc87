import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { RateWindows } from "./rate-windows.ts";

const WINDOW = limits.RATE_WINDOW_MS;

test("[RATE-1] the last call of the limit is let through, the next one is not", () => {
  // SECURITY: a program that was taken over could read every secret one after the other.
  const windows = new RateWindows();
  for (let i = 0; i < 30; i++) assert.equal(windows.take("a", 30, 1_000 + i), 0);
  assert.equal(windows.take("a", 30, 1_100), WINDOW - 100);
  assert.equal(windows.take("b", 30, 1_100), 0, "others are counted by themselves");
  assert.equal(windows.take("a", 30, 1_000 + WINDOW - 1), 1);
  assert.equal(windows.take("a", 30, 1_000 + WINDOW), 0);
  assert.equal(windows.take("a", 30, 1_000 + WINDOW), 1, "the second call of then still counts");
});

const steps = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), ms: fc.nat(WINDOW / 3) }), {
  maxLength: 200,
});

test("[RATE-1] no window of any place holds more than the limit, and the wait is exact", () => {
  const runs = fc.property(fc.integer({ min: 1, max: 9 }), steps, (limit, given) => {
    const windows = new RateWindows();
    const admitted: Record<string, number[]> = { a: [], b: [], c: [] };
    let now = 0;
    for (const { key, ms } of given) {
      now += ms;
      const times = admitted[key] as number[];
      const inside = times.filter((time) => now - time < WINDOW);
      const wait = windows.take(key, limit, now);
      assert.equal(wait === 0, inside.length < limit);
      if (wait === 0) times.push(now);
      else assert.equal(wait, (inside[0] as number) + WINDOW - now);
    }
  });
  fc.assert(runs, { numRuns: RUNS });
});

test("[RATE-3] further keys are counted together, and bring no key its calls back", () => {
  // SECURITY: whoever can make up keys would have the owner forget its count, or fill its memory.
  const windows = new RateWindows(100);
  for (let i = 0; i < 5; i++) assert.equal(windows.take("target", 5, 0), 0);
  for (let i = 0; i < 1_000; i++) windows.take(`made up ${i}`, 5, 1);
  assert.ok(windows.size <= 102);
  assert.notEqual(windows.take("target", 5, 2), 0);
  assert.notEqual(windows.take("late", 5, 2), 0, "one more stranger shares what is left of others");
  assert.equal(windows.take("late", 5, WINDOW + 2), 0);
  assert.ok(windows.size <= 102);
});

test("[RATE-3] as many keys as there may be cost a bounded memory", () => {
  const windows = new RateWindows();
  for (let i = 0; i < 2 * limits.MAX_RATE_KEYS; i++) windows.take(String(i), 30, 0);
  assert.ok(windows.size <= limits.MAX_RATE_KEYS + 1);
});
