import assert from "node:assert/strict";
import { test } from "node:test";
import { isIdentityName, isProfileName, isSecretName, isTopicName } from "./names.ts";

test("[NAME-1] a profile name cannot leave its directory", () => {
  // SECURITY: a profile name becomes a file name, so a path in it would reach other files.
  const good = ["work", "a", "A.b-c_9", "0", "x".repeat(64)];
  const bad = ["", ".", "..", "a..b", "-a", "_a", ".a", "a/b", "a\0", "a b", "a\n", "ä"];
  for (const name of good) assert.ok(isProfileName(name), name);
  for (const name of [...bad, "x".repeat(65), "/etc"]) assert.ok(!isProfileName(name), name);
});

test("[NAME-1] a name of an identity is a word", () => {
  for (const name of ["operator", "ci-1", "a..b"]) assert.ok(isIdentityName(name), name);
  for (const name of ["", "-x", "a b", "a/b", "a\x1b[31m", "x".repeat(65)])
    assert.ok(!isIdentityName(name), name);
});

for (const [what, fits] of [
  ["secret", isSecretName],
  ["topic", isTopicName],
] as const)
  test(`[NAME-1] a ${what} name is a path of words without dots alone`, () => {
    for (const name of ["a", "db/password", "a.b/c-d/_e", "...", "x".repeat(256)])
      assert.ok(fits(name), name);
    for (const name of ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a b", "a\n", "é", "*"])
      assert.ok(!fits(name), name);
    assert.ok(!fits("x".repeat(257)));
  });
