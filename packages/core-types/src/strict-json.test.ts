import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expectMembers, JsonError, MAX_JSON_DEPTH, readJson } from "./strict-json.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (text: string): unknown => readJson(utf8(text), 65_536);
const refuses = (text: string, reason: RegExp): void =>
  assert.throws(
    () => read(text),
    (error) => error instanceof JsonError && reason.test(error.message),
    text,
  );

/** As JSON.parse has it, but for the prototype. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const values = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    fc.string({ unit: "grapheme" }),
    fc.array(tie("any")),
    fc.dictionary(fc.string({ unit: "grapheme" }), tie("any")),
  ),
})).any;

test("[JSON-1] what JSON.stringify writes is read back, with any white space", () => {
  fc.assert(
    fc.property(values, fc.constantFrom(0, 1, "\t"), (value, space) => {
      const text = JSON.stringify(value, null, space);
      assert.deepEqual(plain(read(` ${text}\r\n`)), JSON.parse(text));
    }),
  );
  assert.equal(read('"\\u00e4\\n\\/\\ud83d\\ude00"'), "ä\n/😀");
});

test("[JSON-1] whatever is accepted, JSON.parse reads as the same", () => {
  const near = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom(...'{}[],:"\\0123456789.eE+-tnau \u0000\n'))
    .map(([text, at, put]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + put + text.slice(cut + (at % 2));
    });
  fc.assert(
    fc.property(near, (text) => {
      try {
        assert.deepEqual(plain(read(text)), plain(JSON.parse(text)));
      } catch (error) {
        assert.ok(error instanceof JsonError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("[JSON-1] what is not one value in UTF-8 is refused", () => {
  for (const text of ["", " ", "{", "[1,]", "{,}", "[1 2]", "tru", "'a'", '"a', "01", "+1", ".5"])
    refuses(text, /at character/);
  for (const text of ["1.", "1e", '"\\x"', '"\\u12"', '{"a" 1}', "{1:2}", '"\n"', "\u00a01"])
    refuses(text, /at character/);
  for (const text of ["1 2", "{}{}", "nullx", "[]]", "1\u0000"]) refuses(text, /follows the value/);
  refuses("\ufeff{}", /no JSON value/);
  assert.throws(() => readJson(Uint8Array.of(0x22, 0xff, 0x22), 10), /not UTF-8/);
});

test("[JSON-2] a member that stands there twice is refused, at any depth and however written", () => {
  // SECURITY: of two members of one name, the signer's tool shows one and the daemon obeys the other.
  refuses('{"a":1,"a":1}', /twice/);
  refuses('{"a":1,"b":[{"c":1,"d":2,"c":3}]}', /twice/);
  refuses('{"a":1,"\\u0061":2}', /twice/);
  refuses('{"__proto__":1,"__proto__":2}', /twice/);
});

test("[JSON-2] names like those of every object are ordinary members", () => {
  const value = readJson(utf8('{"__proto__":{"admin":true},"toString":1}'), 100);
  assert.deepEqual(Object.keys(value as object), ["__proto__", "toString"]);
  assert.equal((value as { readonly admin?: unknown }).admin, undefined);
  assert.throws(() => expectMembers(readJson(utf8("{}"), 10), ["toString"]), /missing/);
});

test("[JSON-2] a member more or less than the format has is refused", () => {
  const members = readJson(utf8('{"a":1,"b":2}'), 100);
  assert.equal(expectMembers(members, ["a"], ["b"]), members);
  assert.throws(() => expectMembers(members, ["a"]), /beside a/);
  assert.throws(() => expectMembers(members, ["a", "b", "c"]), /"c" is missing/);
  for (const value of [null, 1, "a", [], undefined])
    assert.throws(() => expectMembers(value, []), /not an object/);
});

test("[JSON-3] numbers that a double cannot hold, and what is no number, are refused", () => {
  assert.deepEqual(
    read("[9007199254740991,-9007199254740991,0.5,1e3]"),
    [9007199254740991, -9007199254740991, 0.5, 1000],
  );
  for (const text of ["9007199254740992", "-9007199254740993", "1e999", "-1.5e400", "1e21"])
    refuses(text, /out of range/);
  for (const text of ["NaN", "Infinity", "-Infinity", "-", "0x10", "1_000"])
    refuses(text, /at character/);
});

test("[JSON-3] a lone surrogate is refused, in texts and in names", () => {
  refuses('"\\ud800"', /lone surrogate/);
  refuses('{"\\udc00":1}', /lone surrogate/);
});

test("[JSON-4] depth and length are bounded", () => {
  // SECURITY: a text of brackets alone would otherwise end the daemon that reads it.
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  assert.ok(read(nested(MAX_JSON_DEPTH)));
  refuses(nested(MAX_JSON_DEPTH + 1), /levels/);
  refuses("[".repeat(65_536), /levels/);
  assert.throws(() => readJson(utf8('"aaaa"'), 5), /more than 5 bytes/);
});
