import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import dotenv from "dotenv";
import fc from "fast-check";
import { toDotenv } from "./dotenv.ts";
import { toJson } from "./json.ts";
import { toShell } from "./shell.ts";

/** Values as secrets hold them: any Unicode text without NUL, with what parsers trip over. */
const value = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        "`",
        "\\",
        "\n",
        "\r",
        "\\n",
        "\\r",
        "#",
        " ",
        "$",
        "!",
        "=",
        "\u2028",
      ),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
      fc.constantFrom(
        "$(id)",
        "${X}",
        "\\'",
        '\\"',
        "\nV0='",
        "\u{1}",
        "\u{7f}",
        "\u{81}",
        "\u{feff}",
      ),
    ),
  })
  .map((text) => text.replaceAll("\0", ""));

const values = fc.array(value, { minLength: 1, maxLength: 300, size: "max" });

const PEM = `-----BEGIN X-----\nMIIB!"$x\`y'\\n\n-----END X-----\n`;

function named(list: readonly string[]): Map<string, string> {
  return new Map(list.map((text, index) => [`V${index}`, text]));
}

/** All strings of up to `length` letters of an alphabet. */
function strings(alphabet: string, length: number): string[] {
  if (length === 0) return [""];
  const shorter = strings(alphabet, length - 1);
  const longest = shorter.filter((text) => text.length === length - 1);
  return [...shorter, ...longest.flatMap((text) => [...alphabet].map((letter) => text + letter))];
}

/** Without rc files: bash reads them when its stdin is a socket. */
const SHELLS = { sh: [], bash: ["--norc"] } as const;

function evaluate(
  shell: keyof typeof SHELLS,
  locale: string,
  variables: ReadonlyMap<string, string>,
): string[] {
  const names = [...variables.keys()].map((name) => `"$${name}"`).join(" ");
  const script = `eval "$(cat)"; printf '%s\\0' ${names}`;
  const result = spawnSync(shell, [...SHELLS[shell], "-c", script], {
    input: toShell(variables),
    env: { PATH: process.env["PATH"], LC_ALL: locale },
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(result.stderr.toString(), "");
  return result.stdout.toString().split("\0").slice(0, -1);
}

for (const shell of ["sh", "bash"] as const) {
  // SECURITY: a value that leaves its quotes would run as a command in the shell that evaluates it.
  test(`${shell} evaluates the shell form back to the same bytes`, () => {
    for (const locale of ["C", "C.UTF-8"]) {
      const check = (list: readonly string[]): void => {
        assert.deepEqual(evaluate(shell, locale, named(list)), list);
      };
      check([PEM, "\n\n", "", "'", "a'b'", ...strings(`'"\\\n$!`, 3)]);
      fc.assert(fc.property(values, check), { numRuns: 10 });
    }
  });
}

test("the shell form is exported, and empty for nothing", () => {
  assert.equal(toShell(new Map([["A", "it's"]])), `export A='it'\\''s'\n`);
  assert.equal(toShell(new Map()), "");
});

/** The values that have a dotenv form, and those that are refused. */
function split(list: readonly string[]): { written: string[]; refused: string[] } {
  const written: string[] = [];
  const refused: string[] = [];
  for (const text of list) {
    try {
      toDotenv(new Map([["X", text]]));
      written.push(text);
    } catch (error) {
      assert.ok(error instanceof Fault && error.exit === "data");
      refused.push(text);
    }
  }
  return { written, refused };
}

function checkDotenv(list: readonly string[]): void {
  const variables = named(list);
  const text = toDotenv(variables);
  for (const fast of [false, true]) {
    const parse: (text: string, options?: object) => Record<string, string> = dotenv.parse;
    assert.deepEqual(Object.entries(parse(text, { fast })), [...variables]);
  }
}

const TRICKY = `'"\`\\#\n\rnr a\u2028`;

test("dotenv parses its form back to the same values, next to any others", () => {
  // SECURITY: a value that reaches into the next line would set another variable.
  checkDotenv([PEM.replaceAll("\\n", "\\t"), "", " ", "a # b", "\r\n", "it's", `say "hi"`]);
  checkDotenv(split(strings(TRICKY, 4)).written);
  fc.assert(
    fc.property(values, (list) => checkDotenv(split(list).written)),
    { numRuns: 100 },
  );
});

test("dotenv refuses only values that no quoting holds", () => {
  const { refused } = split(strings(`'"\`\\#\n\rn`, 5));
  assert.notEqual(refused.length, 0);
  for (const text of refused) {
    const crEscaped = text.replaceAll("\r", "\\r");
    for (const body of [text, crEscaped, crEscaped.replaceAll("\n", "\\n")]) {
      for (const quote of ["", "'", '"', "`"]) {
        const parsed = dotenv.parse(`X=${quote}${body}${quote}\n#${quote}.\n`);
        assert.notEqual(parsed["X"], text, JSON.stringify({ text, body, quote }));
      }
    }
  }
});

test("a value that dotenv cannot hold is refused by name, its text untold", () => {
  assert.throws(
    () =>
      toDotenv(
        new Map([
          ["A", "1"],
          ["API_KEY", `hunter2'"\`#`],
          ["B", "2"],
        ]),
      ),
    (error: unknown) => {
      assert.ok(error instanceof Fault);
      assert.match(error.message, /API_KEY/);
      assert.match(error.hint, /--format json/);
      return !`${error.message}${error.hint}`.includes("hunter2");
    },
  );
  assert.equal(toDotenv(new Map()), "");
});

test("JSON is one line that parses back to the same values", () => {
  fc.assert(
    fc.property(values, (list) => {
      const variables = named(list).set("__proto__", "kept");
      const text = toJson(variables);
      assert.match(text, /^[^\n]*\n$/);
      assert.deepEqual(Object.entries(JSON.parse(text) as object), [...variables]);
    }),
    { numRuns: 20 },
  );
  assert.equal(toJson(new Map()), "{}\n");
});
