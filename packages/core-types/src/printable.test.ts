import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { printable, printableJson, quoted } from "./printable.ts";

const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(fromUnit) });

function fromUnit(unit: number): string {
  return String.fromCharCode(unit);
}

test("no control, bidi, zero-width or line-separating character passes", () => {
  // SECURITY: whoever names a secret or writes an error text would drive the reader's terminal.
  const hostile =
    "a\u{1b}[2J\u{9b}31m\r\n\t\u{7}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{7f}\ud800z";
  const safe =
    "a\\u{1b}[2J\\u{9b}31m\\r\\n\\t\\u{7}\\u{202e}\\u{2066}" +
    "\\u{200b}\\u{2028}\\u{feff}\\u{7f}\\u{d800}z";
  assert.equal(printable(hostile), safe);
  fc.assert(
    fc.property(anyText, (text) => {
      for (const shown of [printable(text), quoted(text), printableJson(text)]) {
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }
    }),
  );
});

test("ordinary text of any language is left alone", () => {
  const text = `Grüße, мир, 世界, 👍, e\u{301} "quoted" \\ 'x'`;
  assert.equal(printable(text), text);
});

test("a quoted name cannot pretend to end, and is short", () => {
  assert.equal(quoted(`a" is fine; "b\\`), `"a\\" is fine; \\"b\\\\"`);
  assert.equal(quoted("x".repeat(1_000_000)), `"${"x".repeat(80)}…"`);
  assert.equal(quoted("👍".repeat(81)), `"${"👍".repeat(80)}…"`);
  assert.equal(quoted("👍".repeat(80)), `"${"👍".repeat(80)}"`);
});

test("JSON keeps its value, on one line", () => {
  fc.assert(
    fc.property(fc.jsonValue(), anyText, (value, text) => {
      const json = printableJson({ value, text });
      assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify({ value, text })));
      assert.doesNotMatch(json, /[\n\r]/);
    }),
  );
  assert.equal(printableJson(undefined), "null");
});
