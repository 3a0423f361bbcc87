import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_CAPABILITIES } from "@sesame/core-types";
import { rightsOf } from "./rights.ts";

const usage = { name: "Fault", exit: "usage" };

test("[ENROL-16] an applicant gets its kind's defaults, and of these what it asked for", () => {
  // SECURITY: an agent would be given whatever it writes into its own request.
  const ai = DEFAULT_CAPABILITIES.ai;
  assert.deepEqual(rightsOf("ai", "", null, false), { capabilities: ai, left: "" });
  assert.deepEqual(rightsOf("ai", "secret-list", null, false), {
    capabilities: ["secret-list"],
    left: "",
  });
  assert.deepEqual(rightsOf("ai", "secret-list secret-use:ci/* secret-read", null, false), {
    capabilities: ["secret-list"],
    left: "secret-read secret-use:ci/*",
  });
  assert.deepEqual(rightsOf("ai", "secret-use:ci/* secret-read secret-use+2", null, false), {
    capabilities: [],
    left: "secret-read secret-use+2",
  });
});

test("[ENROL-16] the operator gives less by naming it, and more only by saying so", () => {
  // SECURITY: a slip of the operator would let an agent read values.
  assert.deepEqual(rightsOf("ai", "secret-list secret-use", "secret-list", false), {
    capabilities: ["secret-list"],
    left: "secret-use",
  });
  assert.deepEqual(rightsOf("ai", "secret-read:ci/* secret-list+1", "secret-read", true), {
    capabilities: ["secret-read"],
    left: "secret-list+1",
  });
  assert.deepEqual(rightsOf("ai", "", "", false), { capabilities: [], left: "" });
  assert.throws(() => rightsOf("ai", "", "secret-read", false), usage);
  assert.deepEqual(rightsOf("ai", "", "secret-list,secret-read", true).capabilities, [
    "secret-read",
    "secret-list",
  ]);
  assert.throws(() => rightsOf("ai", "", "secret-raed", true), usage);
});

test("what is no scope is no wish", () => {
  for (const text of ["secret-use:", "everything", "audit-read:x", "secret-use:../x"])
    assert.throws(() => rightsOf("ai", text, null, false), usage, text);
});
