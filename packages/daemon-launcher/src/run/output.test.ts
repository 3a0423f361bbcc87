import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "@sesame/core-types";
import { patternsOf } from "../redact/patterns.ts";
import { Redactor } from "../redact/redactor.ts";
import { Output } from "./output.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

test("[RUN-11] a stream is full at its bound, and is read piece by piece", () => {
  // SECURITY: a program that prints without end would take the launcher's memory.
  const output = new Output(null);
  assert.ok(output.empty);
  output.push(Buffer.alloc(limits.MAX_RUN_OUTPUT - 1, "a"));
  assert.ok(!output.full);
  output.push(Buffer.from("bc"));
  assert.ok(output.full);
  assert.equal(output.take().length, limits.MAX_RUN_OUTPUT);
  assert.equal(text(output.take()), "c");
  assert.ok(output.empty);
});

test("[RUN-13] what is held back comes with the end", () => {
  const output = new Output(new Redactor(patternsOf("s", Buffer.from("secret"))));
  output.push(Buffer.from("a secret and a sec"));
  assert.equal(text(output.take()), "a [redacted s] and a ");
  output.end();
  output.end();
  assert.equal(text(output.take()), "sec");
});
