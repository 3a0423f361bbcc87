import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault, type ExitClass } from "../errors.ts";
import fc from "fast-check";
import { variableName, variableNames } from "./names.ts";

function faulty(exit: ExitClass, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault);
    assert.equal(error.exit, exit);
    assert.match(error.message, message);
    assert.notEqual(error.hint, "");
    return true;
  };
}

test("every character but letters and digits becomes an underscore, in upper case", () => {
  assert.equal(variableName("db/main-url.v2", null), "DB_MAIN_URL_V2");
  assert.equal(variableName("api_key", "app"), "app_API_KEY");
  assert.equal(variableName("2fa", "APP_1"), "APP_1_2FA");
  assert.equal(variableName("ıß", "P"), "P___");
});

test("a name that starts with a digit needs a prefix", () => {
  assert.throws(
    () => variableName("2fa", null),
    faulty("data", /"2fa".*"2FA" starts with a digit/),
  );
});

test("a prefix has to be an identifier itself", () => {
  for (const prefix of ["", "1A", "A-B", "A=B", "A B", "É", "A\n", "x".repeat(65)]) {
    assert.throws(() => variableName("a", prefix), faulty("usage", /cannot start/), prefix);
  }
});

test("a refused variable is refused with and through a prefix", () => {
  // SECURITY: a secret called `ld-preload`, or `preload` under the prefix `LD`, would load a library.
  assert.throws(() => variableName("ld-preload", null), faulty("data", /"ld-preload".*LD_PRELOAD/));
  assert.throws(() => variableName("preload", "ld"), faulty("data", /ld_PRELOAD.*libraries/));
  assert.equal(variableName("ld-preload", "APP"), "APP_LD_PRELOAD");
});

test("two secrets of one variable are an error that names both", () => {
  // SECURITY: a secret whose name maps to another's variable would replace its value unseen.
  assert.throws(
    () => variableNames(["x", "api-key", "api.key"], null),
    faulty("data", /"api-key" and "api\.key" would both be API_KEY/),
  );
  assert.deepEqual(
    [...variableNames(["b", "a/c"], null)],
    [
      ["B", "b"],
      ["A_C", "a/c"],
    ],
  );
});

test("a result is always an identifier", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.option(fc.string()), (secret, prefix) => {
      try {
        assert.match(variableName(secret, prefix), /^[A-Za-z_][A-Za-z0-9_]*$/);
      } catch (error) {
        assert.ok(error instanceof Fault);
      }
    }),
  );
});
