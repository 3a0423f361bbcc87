import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "./codec.ts";
import { Denial, DENIALS, EXIT_CODES, isDenialCode, type DenialCode } from "./errors.ts";
import { denialSchema } from "./messages.ts";

const codes = Object.keys(DENIALS) as DenialCode[];

test("[DENIAL-1] every denial has a text, a hint and an exit class of the table", () => {
  for (const code of codes) {
    const { exit, text, hint } = DENIALS[code];
    assert.ok(Object.hasOwn(EXIT_CODES, exit), code);
    assert.ok((EXIT_CODES[exit].code as number) !== 0, code);
    assert.ok(text.length > 0 && hint.length > 0, code);
    encode(denialSchema, { code, detail: "", retryAfterMs: 0 });
  }
});

test("exit codes are distinct and outside what a shell uses for signals and lookups", () => {
  const numbers = Object.values(EXIT_CODES).map(({ code }) => code as number);
  assert.equal(new Set(numbers).size, numbers.length);
  for (const number of numbers)
    assert.ok(number === 0 || number === 130 || (number >= 64 && number < 126));
});

test("a denial names its detail where the text has a place for it", () => {
  const denial = new Denial("vault-locked", "work", 250);
  assert.equal(denial.message, "the vault of profile work is locked");
  assert.equal(denial.hint, "`sesame unlock -p work`");
  assert.equal(denial.retryAfterMs, 250);
  assert.equal(new Denial("busy", "work").message, DENIALS.busy.text);
});

test("[DENIAL-1] a code from outside is looked up in the table's own entries only", () => {
  // SECURITY: an inherited name such as `constructor` would be taken for a row of the table.
  for (const code of codes) assert.ok(isDenialCode(code));
  for (const code of ["", "constructor", "toString", "__proto__", "BUSY"])
    assert.ok(!isDenialCode(code));
});
