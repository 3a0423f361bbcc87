import assert from "node:assert/strict";
import { test } from "node:test";
import { dominates, LEVELS } from "./level.ts";

test("[ROUTE-1] a clearance reaches its own level and those below it, and no other", () => {
  // SECURITY: the order of levels is what keeps a message from those who are not cleared for it.
  const order = ["open", "internal", "profile-scoped", "secrets-only"] as const;
  assert.deepEqual(LEVELS, order);
  order.forEach((clearance, has) =>
    order.forEach((level, needs) => assert.equal(dominates(clearance, level), has >= needs)),
  );
});
