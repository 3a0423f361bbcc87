import assert from "node:assert/strict";
import { test } from "node:test";
import { limits, stampUuidV7 } from "@sesame/core-types";
import { handClock } from "../testing/pair.ts";
import { ReplayWindow } from "./replay-window.ts";

const WINDOW = limits.SEALED_WINDOW_MS;

function start(): {
  window: ReplayWindow;
  clock: ReturnType<typeof handClock>;
  id: (agoMs?: number) => Uint8Array;
} {
  const clock = handClock();
  const window = new ReplayWindow(clock.wallMs, clock.monotonicMs);
  let number = 0;
  const id = (agoMs = 0): Uint8Array => {
    const random = new Uint8Array(16);
    new DataView(random.buffer).setUint32(12, ++number);
    return stampUuidV7(random, clock.wallMs() - agoMs);
  };
  return { window, clock, id };
}

test("[SEAL-3] an id is accepted once", () => {
  // SECURITY: a bus host that repeats a recorded call would have it done twice.
  const { window, clock, id } = start();
  const call = id();
  assert.equal(window.check(call), "fresh");
  assert.equal(window.check(call), "replayed");
  clock.turn(WINDOW);
  assert.equal(window.check(call), "replayed");
  clock.turn(1);
  assert.equal(window.check(call), "stale");
});

test("[SEAL-4] an id is accepted within the window, either side of now", () => {
  const { window, clock, id } = start();
  clock.turn(10 * WINDOW);
  assert.equal(window.check(id(WINDOW)), "fresh");
  assert.equal(window.check(id(WINDOW + 1)), "stale");
  assert.equal(window.check(id(-WINDOW)), "fresh");
  assert.equal(window.check(id(-WINDOW - 1)), "stale");
});

test("[SEAL-3] an id from the future is remembered until it is past", () => {
  const { window, clock, id } = start();
  const call = id(-WINDOW);
  assert.equal(window.check(call), "fresh");
  for (let i = 0; i < 2; i++) {
    clock.turn(WINDOW);
    assert.equal(window.check(call), "replayed");
  }
  clock.turn(1);
  assert.equal(window.check(call), "stale");
});

test("[SEAL-3] setting the clock back does not make room for a replay", () => {
  // SECURITY: forgetting by the wall clock would let a call in again that the clock returned to.
  const { window, clock, id } = start();
  clock.turn(10 * WINDOW);
  const call = id();
  assert.equal(window.check(call), "fresh");
  clock.turn(WINDOW);
  clock.setBack(WINDOW);
  assert.equal(window.check(call), "replayed");
  // Nor setting it ahead for a while.
  clock.setBack(-3 * WINDOW);
  assert.equal(window.check(id()), "fresh");
  clock.setBack(3 * WINDOW);
  assert.equal(window.check(call), "replayed");
});

test("[SEAL-10] what may have been accepted before a restart is stale", () => {
  // SECURITY: the window is empty after a restart, so a recorded call would pass once more.
  const { clock, id } = start();
  const call = id();
  clock.turn(5);
  const restarted = new ReplayWindow(clock.wallMs, clock.monotonicMs);
  assert.equal(restarted.check(call), "stale");
  assert.equal(restarted.check(id()), "fresh");
  // Setting the clock back does not shut out callers for longer than the window.
  clock.setBack(10 * WINDOW);
  assert.equal(restarted.check(id()), "stale");
  clock.turn(2 * WINDOW + 1);
  assert.equal(restarted.check(id()), "fresh");
});

test("[SEAL-10] for exactly twice the window, whatever the clocks showed at the start", () => {
  // SECURITY: a clock that is set back after a restart would make room for what was accepted before.
  const { clock, id } = start();
  clock.turn(10 * WINDOW);
  const before = id(1);
  const restarted = new ReplayWindow(clock.wallMs, clock.monotonicMs);
  clock.turn(WINDOW - 1);
  assert.equal(restarted.check(before), "stale");
  clock.turn(WINDOW + 1);
  clock.setBack(2 * WINDOW + 1);
  assert.equal(restarted.check(id()), "stale");
  clock.turn(1);
  assert.equal(restarted.check(id(1)), "fresh");
});

test("[SEAL-8] the window is bounded, refuses beyond its bound, and empties with time", () => {
  // SECURITY: a flood of calls would otherwise take the owner's memory, or push out ids that
  // must not come back.
  const { window, clock, id } = start();
  const first = id();
  assert.equal(window.check(first), "fresh");
  for (let i = 1; i < limits.MAX_SEEN_CALLS; i++) window.check(id());
  assert.equal(window.check(id()), "full");
  assert.equal(window.check(first), "replayed");
  clock.turn(2 * WINDOW + 1);
  assert.equal(window.check(id()), "fresh");
});
