import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import { durationMs } from "./duration.ts";

test("times are read with their unit, up to the longest", () => {
  const most = 60 * 60_000;
  assert.equal(durationMs("0s", "--wait", most), 0);
  assert.equal(durationMs("90s", "--wait", most), 90_000);
  assert.equal(durationMs("60m", "--wait", most), most);
  assert.equal(durationMs("1h", "--wait", most), most);
  for (const bad of ["", "s", "5", "-1s", "1.5m", "61m", "2h", "1d", "1 m", "99999999s"])
    assert.throws(() => durationMs(bad, "--wait", most), Fault, bad);
});
