import assert from "node:assert/strict";
import { test } from "node:test";
import { STRIKES } from "@sesame/core-audit";
import { REFUSALS_PER_MINUTE, RefusalLimit, type Party } from "./refusals.ts";

const stranger = (uid: number): Party => ({ name: null, uid });

function admitted(limit: RefusalLimit, party: Party, nowMs: number, times: number): number {
  let count = 0;
  for (let i = 0; i < times; i++) if (limit.admits(party, nowMs)) count++;
  return count;
}

test("refusals beyond the limit of a minute are counted and told once", () => {
  // SECURITY: a refused client could fill the disk with its refusals, and nothing is released then.
  const limit = new RefusalLimit();
  const noisy = stranger(1000);
  assert.equal(admitted(limit, noisy, 5, REFUSALS_PER_MINUTE), REFUSALS_PER_MINUTE);
  assert.deepEqual(limit.takeSuppressed(5), []);
  assert.equal(admitted(limit, noisy, 6, 7), 0);
  assert.deepEqual(limit.takeSuppressed(6), [{ party: noisy, count: 7 }]);
  assert.deepEqual(limit.takeSuppressed(6), [], "counted once");

  assert.equal(admitted(limit, noisy, 60_004, 2), 0, "the minute is not over");
  assert.equal(admitted(limit, noisy, 60_005, 1), 1, "the next minute begins");
  assert.deepEqual(limit.takeSuppressed(60_005), [{ party: noisy, count: 2 }], "it outlives it");
});

test("one party's refusals leave the others their own", () => {
  // SECURITY: a noisy program could hide another one's attempts behind the count.
  const limit = new RefusalLimit();
  admitted(limit, stranger(1000), 1, 1_000);
  assert.equal(admitted(limit, stranger(2000), 1, 1), 1);
  assert.equal(admitted(limit, { name: "ci", uid: 1000 }, 1, 1), 1);
});

test("memory does not grow with the number of parties, and none goes uncounted", () => {
  // SECURITY: endlessly many names would exhaust the daemon's memory.
  const limit = new RefusalLimit();
  for (let n = 0; n < 5_000; n++) limit.admits({ name: `n${n}`, uid: 1 }, 1);
  const counted = limit.takeSuppressed(1).reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted, 5_000 - 1_024 - REFUSALS_PER_MINUTE);
});

test("[STRIKE-2] what strikes is recorded, however much else a party was refused", () => {
  // SECURITY: who has himself refused often enough could forge and guess off the record, unstruck.
  const limit = new RefusalLimit();
  const ci: Party = { name: "ci", uid: 1000 };
  admitted(limit, ci, 1, 10 * REFUSALS_PER_MINUTE);
  for (const strike of Object.keys(STRIKES)) {
    let recorded = 0;
    for (let i = 0; i < 200; i++) if (limit.admits(ci, 1, strike)) recorded++;
    assert.equal(recorded, REFUSALS_PER_MINUTE, strike);
  }
  for (const { count } of Object.values(STRIKES)) assert.ok(count <= REFUSALS_PER_MINUTE);
});

test("an identity whose name is a number is none of that user's strangers", () => {
  // SECURITY: strangers could hide what it does, and it what they do.
  const limit = new RefusalLimit();
  admitted(limit, stranger(1000), 1, 1_000);
  assert.equal(admitted(limit, { name: "1000", uid: 1000 }, 1, 1), 1);
  assert.equal(admitted(limit, { name: null, identity: "1000", uid: 1 }, 1, 1), 1);
});
