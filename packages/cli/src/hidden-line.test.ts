import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HiddenLine, type Typed } from "./hidden-line.ts";

function type(line: HiddenLine, input: string | Uint8Array): Typed {
  let typed: Typed = "more";
  for (const byte of Buffer.from(input)) typed = line.type(byte);
  return typed;
}

function typedText(input: string): string {
  const line = new HiddenLine();
  assert.equal(type(line, input), "more");
  return Buffer.from(line.bytes).toString();
}

test("Enter, Ctrl-C, Ctrl-\\ and Ctrl-D end a line", () => {
  assert.equal(type(new HiddenLine(), "a\r"), "done");
  assert.equal(type(new HiddenLine(), "\n"), "done");
  assert.equal(type(new HiddenLine(), "a\u{3}"), "interrupted");
  assert.equal(type(new HiddenLine(), "a\u{1c}"), "interrupted");
  assert.equal(type(new HiddenLine(), "\u{4}"), "end");
  assert.equal(type(new HiddenLine(), "a\u{4}"), "done");
});

test("backspace removes one character of any length, and stops at the start", () => {
  assert.equal(typedText("aß€👍\u{7f}"), "aß€");
  assert.equal(typedText("aß€👍\u{8}\u{7f}\u{7f}"), "a");
  assert.equal(typedText("a\u{7f}\u{7f}\u{7f}b"), "b");
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 })), (texts) => {
      const line = new HiddenLine();
      const characters = [...texts.join("")].filter((character) => character >= " ");
      type(line, characters.join(""));
      type(line, "\u{7f}".repeat(characters.length));
      assert.equal(line.bytes.length, 0);
    }),
  );
});

test("keys that send sequences, and other control keys, add nothing", () => {
  assert.equal(typedText("a\u{1b}[Ab\u{1b}[3~c\u{1b}OPd\u{1b}[1;5De"), "abcde");
  assert.equal(typedText("a\0\u{1}\u{1a}\u{1b}b"), "ab");
  assert.equal(typedText("a\tb"), "a\tb");
  assert.equal(type(new HiddenLine(), "\u{1b}[1\r"), "done");
});

test("beyond 4096 bytes the line says so, until it is cleared", () => {
  // SECURITY: a password that was cut unseen would be weaker than the one that was chosen.
  const line = new HiddenLine();
  type(line, "x".repeat(4096));
  assert.equal(line.overflowed, false);
  type(line, "x");
  assert.equal(line.overflowed, true);
  type(line, "\u{7f}");
  assert.equal(line.overflowed, true);
  type(line, "\u{15}y");
  assert.equal(line.overflowed, false);
  assert.equal(Buffer.from(line.bytes).toString(), "y");
});

test("what is erased or cleared is wiped from the buffer", () => {
  // SECURITY: erased characters that stay in memory would be read from a dump of the process.
  const line = new HiddenLine();
  type(line, "geheim€\u{7f}\u{7f}");
  const memory = new Uint8Array(line.bytes.buffer);
  assert.deepEqual(memory.subarray(0, 9), new Uint8Array([...Buffer.from("gehei"), 0, 0, 0, 0]));
  type(line, "\u{15}");
  assert.ok(memory.every((byte) => byte === 0));
});
