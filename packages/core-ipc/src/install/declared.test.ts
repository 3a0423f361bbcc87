import assert from "node:assert/strict";
import { test } from "node:test";
import { declaredBy } from "./declared.ts";

test("[SIGNAL-4] the manifest is what was declared, and the record's rights without one", () => {
  const capabilities = ["secret-read", "lock"] as const;
  assert.deepEqual(declaredBy({ wants: "", capabilities }), capabilities);
  assert.deepEqual(declaredBy({ wants: "secret-use:ci/* secret-list", capabilities }), [
    "secret-list",
    "secret-use",
    "status-read",
    "profile-list",
  ]);
});
