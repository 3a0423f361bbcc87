import assert from "node:assert/strict";
import { test } from "node:test";
import { lastWords } from "./last-words.ts";

function line(daemon: string, level: string, event: string, more: object = {}): string {
  return `${JSON.stringify({ time: "t", level, daemon, event, ...more })}\n`;
}

test("the daemon's own last error counts, with its hint", () => {
  const log =
    line("a", "error", "old") +
    line("a", "error", "not set up", { hint: "run `sesame init`" }) +
    line("a", "info", "stopping") +
    line("b", "error", "other") +
    "\n";
  assert.deepEqual(lastWords(log, "a"), { message: "not set up", hint: "run `sesame init`" });
  assert.deepEqual(lastWords(log, "b"), { message: "other", hint: null });
  assert.equal(lastWords(log, "c"), null);
});

test("an unexpected error is told without its stack", () => {
  const error = "TypeError: x is not a function\n    at f (file:1:2)";
  const words = lastWords(line("a", "error", "fault", { error }), "a");
  assert.deepEqual(words, { message: "TypeError: x is not a function", hint: null });
});

test("without such a line it is the last bare one, bounded", () => {
  const log = `first\n{ not JSON\n  ${"x".repeat(9_000)}\n${line("b", "error", "other")}\n\n`;
  assert.deepEqual(lastWords(log, "a"), { message: "x".repeat(500), hint: null });
  assert.equal(lastWords("{ cut off", "a")?.message, "{ cut off");
  assert.equal(lastWords("", "a"), null);
});
