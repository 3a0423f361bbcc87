import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attempted, parseThrottle, type Throttle, throttleText, waitMs } from "./throttle.ts";

test("[VAULT-24] the waits are 0, 1, 2, 4 … 60 s", () => {
  let throttle: Throttle = { failures: 0, sinceMs: 0 };
  const waits = [waitMs(throttle, 0)];
  for (let i = 0; i < 9; i++) {
    throttle = attempted(throttle, 0);
    waits.push(waitMs(throttle, 0) / 1_000);
  }
  assert.deepEqual(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test("[VAULT-24] whatever the clock does, a wait is 0 to 60 s and none is shorter than due", () => {
  // SECURITY: a wait that a clock could shorten would let a thief try passwords without end.
  const times = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(fc.nat(1e9), times, times, (failures, sinceMs, nowMs) => {
      const wait = waitMs({ failures, sinceMs }, nowMs);
      const due = failures === 0 ? 0 : Math.min(60, 2 ** (failures - 1)) * 1_000;
      assert.ok(wait >= 0 && wait <= 60_000);
      if (nowMs < sinceMs + due) assert.ok(wait >= Math.min(due, sinceMs + due - nowMs));
      else assert.equal(wait, 0);
    }),
  );
});

test("[VAULT-24] a throttle file is read back, anything else is refused", () => {
  fc.assert(
    fc.property(fc.nat(), (failures) => {
      assert.equal(parseThrottle(throttleText({ failures, sinceMs: 0 })), failures);
    }),
  );
  const most = Number.MAX_SAFE_INTEGER;
  assert.equal(
    parseThrottle(throttleText(attempted({ failures: most, sinceMs: 0 }, 0))),
    most,
    "the count stays readable at its end",
  );
  for (const text of ["", "{}", '{"failures":-1}\n', '{"failures":1e3}\n', '{"failures":1}']) {
    assert.equal(parseThrottle(text), null);
  }
});
