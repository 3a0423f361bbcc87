import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { unpack } from "msgpackr";
import { arbitraryOf } from "../../../test/helpers/arbitrary.ts";
import { RUNS } from "../../../test/helpers/runs.ts";
import { decode, encode, utf8Length } from "./codec.ts";
import { Violation } from "./errors.ts";
import { auditRecordSchema, checkpointSchema, denialSchema, MESSAGES } from "./messages.ts";
import { bool, bytes, list, nothing, nullable, oneOf, struct, text, uint } from "./schema.ts";
import type { Node, Schema } from "./schema.ts";

const SCHEMAS: readonly (readonly [string, Node])[] = [
  ...Object.entries(MESSAGES).flatMap(([name, row]): [string, Node][] =>
    row.form === "request"
      ? [
          [`${name} params`, row.params],
          [`${name} result`, row.result],
        ]
      : [[name, row.params]],
  ),
  ["a denial", denialSchema],
  ["a checkpoint", checkpointSchema],
  ["an audit record", auditRecordSchema],
];

/** What a general MessagePack decoder sees: structs are arrays, the rest is the same. */
function plain(node: Node, value: unknown): unknown {
  switch (node.type) {
    case "struct":
      return Object.entries(node.fields).map(([name, field]) =>
        plain(field, (value as Record<string, unknown>)[name]),
      );
    case "list":
      return (value as unknown[]).map((item) => plain(node.of, item));
    case "secret":
      return plain(node.of, value);
    case "nullable":
      return value === null ? null : plain(node.of, value);
    case "bytes":
      return [...(value as Uint8Array)];
    default:
      return value;
  }
}

/** The same of what msgpackr returns: its byte strings are Buffers, its large integers bigints. */
function seen(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.map(seen) : value;
}

for (const [name, schema] of SCHEMAS) {
  test(`[CODEC-1] ${name}: any value comes back as it was, also from another decoder`, () => {
    fc.assert(
      fc.property(arbitraryOf(schema), (value) => {
        const encoded = encode(schema, value);
        assert.deepEqual(decode(schema, encoded), value);
        assert.deepEqual(seen(unpack(encoded)), plain(schema, value));
      }),
      { numRuns: RUNS / 4 },
    );
  });

  test(`[CODEC-2] ${name}: bytes that decode are the only encoding of their value`, () => {
    // SECURITY: two encodings of one value let an attacker slip past whoever compares bytes.
    const damaged = arbitraryOf(schema).chain((value) => {
      const encoded = encode(schema, value);
      const at = fc.nat(encoded.length - 1);
      return fc.tuple(at, fc.nat(255), fc.nat(encoded.length)).map(([i, byte, end]) => {
        const given = encoded.slice(0, end === 0 ? encoded.length : Math.max(end, i + 1));
        given[i] = byte;
        return given;
      });
    });
    fc.assert(
      fc.property(damaged, (given) => onlyEncoding(schema, given)),
      { numRuns: RUNS / 2 },
    );
  });
}

function onlyEncoding(schema: Schema<unknown>, given: Uint8Array): void {
  let value: unknown;
  try {
    value = decode(schema, given);
  } catch (cause) {
    assert.ok(cause instanceof Violation, String(cause));
    assert.equal(cause.rule, "CODEC-2");
    return;
  }
  assert.deepEqual(encode(schema, value), given.slice());
}

test("[CODEC-2] hostile bytes are refused with a Violation and nothing else", () => {
  // SECURITY: an exception of another kind would leave the connection's error path.
  const schemas = SCHEMAS.map(([, schema]) => schema);
  fc.assert(
    fc.property(fc.constantFrom(...schemas), fc.uint8Array({ maxLength: 200 }), onlyEncoding),
    { numRuns: RUNS * 10 },
  );
});

const LONGER_FORMS: readonly (readonly [string, Schema<unknown>, string])[] = [
  ["5 in two bytes", uint, "cc05"],
  ["255 in three bytes", uint, "cd00ff"],
  ["65535 in five bytes", uint, "ce0000ffff"],
  ["2^32 - 1 in nine bytes", uint, "cf00000000ffffffff"],
  ["2^53", uint, "cf0020000000000000"],
  ["2^64 - 1", uint, "cfffffffffffffffff"],
  ["a negative integer", uint, "ff"],
  ["a signed integer", uint, "d005"],
  ["a float", uint, "ca3f800000"],
  ["a text with a long length", text(9), "d90161"],
  ["a text with a longer length", text(9), "da000161"],
  ["a text of 4-byte length", text(9), "db0000000161"],
  ["bytes as text", bytes(9), "a161"],
  ["text as bytes", text(9), "c40161"],
  ["bytes with a long length", bytes(9), "c5000161"],
  ["a text that is not UTF-8", text(9), "a1ff"],
  ["an overlong UTF-8 form", text(9), "a2c1a1"],
  ["a surrogate in UTF-8", text(9), "a3eda080"],
  ["a list with a long length", list(bool, 9), "dc0001c3"],
  ["a list with a longer length", list(bool, 9), "dd00000001c3"],
  ["a map", struct({ a: bool }), "81a161c3"],
  ["an extension", struct({ a: bool }), "d40000"],
  ["true as 1", bool, "01"],
  ["an unknown word", oneOf(["a", "b"]), "a163"],
  ["too many fields", struct({ a: bool }), "92c3c3"],
  ["too few fields", struct({ a: bool, b: bool }), "91c3"],
  ["a byte after the value", nothing, "9000"],
  ["nothing at all", nothing, ""],
  ["null where none may be", bool, "c0"],
  ["a list above its bound", list(bool, 2), "93c3c3c3"],
  ["bytes above their bound", bytes(1), "c4020000"],
  ["bytes below their bound", bytes(2, 2), "c40100"],
  ["a text above its bound", text(1), "a26161"],
  ["a name with a bad form", text(9, "profile-name"), "a22e2e"],
];

for (const [what, schema, hex] of LONGER_FORMS)
  test(`[CODEC-2] refused: ${what}`, () => {
    const given = new Uint8Array(Buffer.from(hex, "hex"));
    assert.throws(() => decode(schema, given), { name: "Violation", rule: "CODEC-2" });
  });

test("[CODEC-1] refused to encode: what its schema does not allow", () => {
  const wrong: readonly (readonly [Schema<unknown>, unknown])[] = [
    [uint, -1],
    [uint, 1.5],
    [uint, Number.NaN],
    [uint, 2 ** 53],
    [uint, "1"],
    [bool, 1],
    [text(3), "abcd"],
    [text(3), "ää"],
    [text(9), "\ud800"],
    [text(9), null],
    [text(9, "secret-name"), "a//b"],
    [bytes(2), new Uint8Array(3)],
    [bytes(2, 1), new Uint8Array(0)],
    [bytes(2), "ab"],
    [list(bool, 1), [true, true]],
    [list(bool, 1), true],
    [oneOf(["a"]), "b"],
    [struct({ a: bool }), null],
    [struct({ a: bool }), {}],
    [nullable(bool), undefined],
  ];
  for (const [schema, value] of wrong)
    assert.throws(() => encode(schema, value), { name: "Violation", rule: "CODEC-1" });
});

test("[CODEC-3] an announced length costs nothing until its bytes are there", () => {
  // SECURITY: a few bytes that announce 2^32 items would take the memory of the whole bus.
  const heads = ["ddffffffff", "dcffff", "c6ffffffff", "c5ffff", "daffff", "9f"];
  const schemas: readonly Schema<unknown>[] = [
    list(list(uint, 2 ** 32), 2 ** 32),
    bytes(2 ** 32),
    text(65_535),
  ];
  // What a decoder allocates for these does not depend on what they announce.
  const attempt = (): void => {
    for (const schema of schemas)
      for (const head of heads)
        assert.throws(() => decode(schema, Buffer.from(head, "hex")), { rule: "CODEC-2" });
  };
  attempt();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  attempt();
  const after = process.memoryUsage();
  assert.ok(after.heapUsed - heapUsed < 4 * 1024 * 1024);
  assert.ok(after.arrayBuffers - arrayBuffers < 1024 * 1024);
});

test("[CODEC-3] byte strings are views of what arrived, not copies", () => {
  const from = encode(bytes(64), new Uint8Array(64).fill(7));
  assert.equal(decode(bytes(64), from).buffer, from.buffer);
});

test("[CODEC-1] lists and lengths round trip where their encoding grows", () => {
  for (const length of [0, 15, 16, 17, 31, 32, 255, 256, 65_535, 65_536, 70_000]) {
    const items = Array.from({ length }, (_, i) => i % 2 === 0);
    assert.deepEqual(decode(list(bool, 70_000), encode(list(bool, 70_000), items)), items);
    const data = new Uint8Array(length).fill(1);
    assert.deepEqual(decode(bytes(70_000), encode(bytes(70_000), data)), data);
    if (length > 65_535) continue;
    const words = "x".repeat(length);
    assert.equal(decode(text(65_535), encode(text(65_535), words)), words);
  }
});

test("a text's length in UTF-8 is what an encoder makes of it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (given) => {
      assert.equal(utf8Length(given), Buffer.byteLength(given));
    }),
    { numRuns: RUNS },
  );
});
