import assert from "node:assert/strict";
import { test } from "node:test";
import { unitIn } from "./evidence.ts";

test("the unit is the innermost one of the control group", () => {
  assert.equal(unitIn("0::/system.slice/job.service\n"), "job.service");
  const scope = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n";
  assert.equal(unitIn(scope), "run-r1.scope");
  assert.equal(unitIn("0::/system.slice/job.service/part\n"), "job.service");
  assert.equal(unitIn("4:memory:/\n0::/system.slice/a.service\n"), "a.service");
  for (const none of ["", "0::/\n", "0::/..\n", "0::/user.slice\n", "0::/a.services/b\n"])
    assert.equal(unitIn(none), null);
});
