import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import { requestedProfiles } from "./profiles.ts";

test("the option goes before the variable, and the variable before the default", () => {
  assert.deepEqual(requestedProfiles("work", "home"), ["work"]);
  assert.deepEqual(requestedProfiles(null, "home"), ["home"]);
  assert.equal(requestedProfiles(null, undefined), null);
  assert.equal(requestedProfiles(null, " , "), null);
});

test("names are trimmed, empty ones dropped, each kept once, an organisation set aside", () => {
  assert.deepEqual(requestedProfiles(" b , a,,b, acme.org:c , x:y:d ", undefined), [
    "b",
    "a",
    "c",
    "d",
  ]);
});

test("an option that names nothing is an error, not the default", () => {
  for (const flag of ["", " ", ",,"]) {
    assert.throws(() => requestedProfiles(flag, "home"), /no profile is named/);
  }
});

test("what is no profile name is refused and shown safely", () => {
  for (const bad of ["org:", "../etc", ".hidden", "a b", "ä", "x".repeat(65), "a,b/c"]) {
    assert.throws(() => requestedProfiles(bad, undefined), Fault, bad);
    assert.throws(() => requestedProfiles(null, bad), Fault, bad);
  }
  assert.throws(
    () => requestedProfiles("a,\u{1b}[2J\u{202e}b", undefined),
    (error: unknown) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.exit, "data");
      assert.equal(error.message, `"\\u{1b}[2J\\u{202e}b" does not name a profile`);
      return true;
    },
  );
});

test("more profiles than an installation has are refused", () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`).join();
  assert.equal(requestedProfiles(many(256), undefined)?.length, 256);
  assert.throws(() => requestedProfiles(many(257), undefined), /too many/);
});
