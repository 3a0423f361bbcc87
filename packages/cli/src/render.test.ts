import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial, DENIALS, EXIT_CODES, Fault, isDenialCode, Violation } from "@sesame/core-types";
import {
  exitCodeOf,
  mayColour,
  paint,
  renderError,
  renderOutcome,
  reportOf,
  table,
} from "./render.ts";

const PLAIN = { json: false, colour: false };

test("a result is text for people and one line of JSON for programs", () => {
  const outcome = { text: "2 secrets", data: { names: ["a", "b\n"] } };
  assert.equal(renderOutcome(outcome, false), "2 secrets\n");
  assert.equal(renderOutcome(outcome, true), `{"names":["a","b\\n"]}\n`);
  assert.equal(renderOutcome({ text: "", data: null }, false), "");
  assert.equal(renderOutcome({ text: "", data: null }, true), "null\n");
});

test("an error has its message and hint, in both forms", () => {
  const denial = new Denial("vault-locked", "work");
  assert.equal(
    renderError(denial, PLAIN),
    "sesame: the vault of profile work is locked\n  hint: `sesame unlock -p work`\n",
  );
  assert.deepEqual(JSON.parse(renderError(denial, { json: true, colour: true })), {
    error: {
      code: "vault-locked",
      message: "the vault of profile work is locked",
      hint: "`sesame unlock -p work`",
      exit: 79,
    },
  });
  assert.equal(renderError(new Fault("io", "full", ""), PLAIN), "sesame: full\n");
  assert.equal(
    renderError(new Fault("io", "full", ""), { json: false, colour: true }),
    "\u{1b}[31msesame:\u{1b}[0m full\n",
  );
});

test("every error has the exit code of the table", () => {
  for (const code of Object.keys(DENIALS)) {
    assert.ok(isDenialCode(code));
    assert.equal(exitCodeOf(new Denial(code)), EXIT_CODES[DENIALS[code].exit].code);
  }
  assert.equal(exitCodeOf(new Fault("config", "m", "h")), 78);
  assert.equal(exitCodeOf(new Violation("FRAME-2", "too long")), 76);
  assert.equal(reportOf(new Violation("FRAME-2", "too long")).code, "FRAME-2");
  assert.equal(exitCodeOf(new TypeError("x")), 70);
  assert.equal(exitCodeOf("text"), 70);
});

test("the text of an unexpected error is not shown, its place is", () => {
  // SECURITY: an internal error that quotes a value would put a secret on the screen and into logs.
  let error: unknown;
  try {
    JSON.parse("hunter2\n    at hunter2");
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof Error && error.message.includes("hunter2"));
  for (const json of [false, true]) {
    const shown = renderError(error, { json, colour: false });
    assert.match(shown, /internal failure: SyntaxError at /);
    assert.doesNotMatch(shown, /hunter2/);
  }
  assert.doesNotMatch(renderError("hunter2", PLAIN), /hunter2/);
  const system = Object.assign(new Error("open '/x'"), { code: "ENOENT" });
  assert.match(reportOf(system).message, /^internal failure: Error ENOENT at .*render\.test/);
});

test("untrusted text in errors and tables cannot drive the terminal", () => {
  // SECURITY: a name chosen by another identity would move the cursor or fake lines of output.
  const hostile = "x\u{1b}]0;t\u{7}\nsesame: ok\u{9b}2J";
  const shown = [
    renderError(new Fault("io", hostile, hostile), PLAIN),
    renderError(new Denial("profile-unknown", hostile), { json: true, colour: false }),
    renderOutcome({ text: "", data: [hostile] }, true),
    `${table(["name"], [[hostile]])}\n`,
  ];
  for (const text of shown) assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
  assert.deepEqual(
    shown.map((text) => text.split("\n").length - 1),
    [2, 1, 1, 2],
  );
});

test("colour needs a terminal that can show it, and nobody who minds", () => {
  const terminal = { isTTY: true };
  assert.equal(mayColour(terminal, { TERM: "xterm" }), true);
  assert.equal(mayColour(terminal, { TERM: "xterm", NO_COLOR: "" }), true);
  assert.equal(mayColour(terminal, { TERM: "xterm", NO_COLOR: "0" }), false);
  assert.equal(mayColour(terminal, { TERM: "dumb" }), false);
  assert.equal(mayColour({}, { TERM: "xterm" }), false);
  assert.equal(paint("x", "bold", true), "\u{1b}[1mx\u{1b}[0m");
  assert.equal(paint("x", "bold", false), "x");
});

test("a table aligns its columns and leaves no blanks at line ends", () => {
  const rows = [
    ["work", "locked", ""],
    ["größe", "open", "default"],
  ];
  assert.equal(
    table(["profile", "vault", "note"], rows),
    "profile  vault   note\nwork     locked\ngröße    open    default",
  );
  assert.equal(table(["profile"], []), "");
});
