import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "@sesame/core-types";
import { durationMs, durationText } from "./duration.ts";

test("times are read with their unit, up to the longest", () => {
  const most = 60 * 60_000;
  assert.equal(durationMs("0s", "--wait", most), 0);
  assert.equal(durationMs("90s", "--wait", most), 90_000);
  assert.equal(durationMs("60m", "--wait", most), most);
  assert.equal(durationMs("1h", "--wait", most), most);
  assert.equal(durationMs("2d", "--wait", 48 * most), 48 * most);
  for (const bad of ["", "s", "5", "-1s", "1.5m", "61m", "2h", "1d", "1 m", "99999999s"])
    assert.throws(() => durationMs(bad, "--wait", most), Fault, bad);
});

test("what is written comes back as it was", () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), (seconds) => {
      const ms = seconds * 1_000;
      assert.equal(durationMs(durationText(ms), "--ttl", ms), ms);
    }),
  );
});
