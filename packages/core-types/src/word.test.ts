import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reader, utf8Length, Writer } from "./codec.ts";

test("remembered words are read as if they were not remembered", () => {
  const word = fc.oneof(fc.constantFrom("a", "b", "ab", "ba", "é", "topic/one"), fc.string());
  fc.assert(
    fc.property(fc.array(word, { maxLength: 60 }), (given) => {
      const wellFormed = given.filter((one) => one.isWellFormed() && utf8Length(one) < 0xffff);
      const writer = new Writer(new Uint8Array(65_536));
      for (const one of wellFormed) writer.text(one);
      const reader = new Reader(writer.out.subarray(0, writer.at));
      assert.deepEqual(
        wellFormed.map(() => reader.word()),
        wellFormed,
      );
    }),
  );
});

test("a remembered word does not change with the buffer that it was read from", () => {
  const bytes = new Uint8Array([0xa2, 0x61, 0x62]);
  assert.equal(new Reader(bytes).word(), "ab");
  bytes[2] = 0x63;
  assert.equal(new Reader(bytes).word(), "ac");
  assert.equal(new Reader(new Uint8Array([0xa2, 0x61, 0x62])).word(), "ab");
});
