import assert from "node:assert/strict";
import { test } from "node:test";
import { CAPABILITIES, DEFAULT_CAPABILITIES, hasCapability } from "./capability.ts";

test("[OWNER-1] a capability stands for itself, and admin for all", () => {
  for (const needed of CAPABILITIES) {
    assert.ok(hasCapability(["admin"], needed));
    assert.ok(!hasCapability([], needed));
    for (const held of CAPABILITIES)
      assert.equal(hasCapability([held], needed), held === needed || held === "admin");
  }
});

test("[OWNER-1] an agent does not read values unless it is told so", () => {
  // SECURITY: an agent that may read by default hands every secret to whoever prompts it.
  for (const kind of ["ai", "service", "extension", "daemon"] as const)
    for (const value of ["secret-read", "secret-write", "admin", "delegate"] as const)
      assert.ok(!hasCapability(DEFAULT_CAPABILITIES[kind], value), `${kind} ${value}`);
});
