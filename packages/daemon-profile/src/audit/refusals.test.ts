import assert from "node:assert/strict";
import { test } from "node:test";
import { REFUSALS_PER_MINUTE, RefusalLimit } from "./refusals.ts";

test("refusals beyond the limit of a minute are counted and told once", () => {
  // SECURITY: a refused client could fill the disk with its refusals, and nothing is released then.
  const limit = new RefusalLimit();
  const admitted = (uid: number, nowMs: number, times: number): number => {
    let count = 0;
    for (let i = 0; i < times; i++) if (limit.admits(uid, nowMs)) count++;
    return count;
  };
  assert.equal(admitted(1000, 5, REFUSALS_PER_MINUTE), REFUSALS_PER_MINUTE);
  assert.deepEqual(limit.takeSuppressed(), []);
  assert.equal(admitted(1000, 6, 7), 0);
  assert.equal(admitted(2000, 6, 1), 1, "one user's refusals leave the others their own");
  assert.deepEqual(limit.takeSuppressed(), [{ uid: 1000, count: 7 }]);
  assert.deepEqual(limit.takeSuppressed(), [], "counted once");

  assert.equal(admitted(1000, 60_004, 2), 0, "the minute is not over");
  assert.equal(admitted(1000, 60_005, 1), 1, "the next minute begins");
  assert.deepEqual(limit.takeSuppressed(), [{ uid: 1000, count: 2 }], "the count outlives it");
});
