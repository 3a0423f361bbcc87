// Writes the generated blocks of the documents from the tables of the code; with --check it only
// compares. A block stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { STRIKES } from "../packages/core-audit/src/blocks/strikes.ts";
import * as core from "../packages/core-types/src/index.ts";
import { RULES } from "../packages/core-audit/src/signals/rules.ts";
import { FACTORS } from "../packages/core-audit/src/signals/score.ts";
import { exchange } from "./docs-exchange.mjs";

const { AUTHENTICATIONS, BLOCK_REASONS, DENIALS, describe, EXIT_CODES, EXPOSURES, KEY_MEMORY } =
  core;
const { limits, MESSAGES, RATE_CLASSES, RATE_LIMITS } = core;
const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const DOCUMENTS = ["docs/PROTOCOL.md", "docs/POLICY.md", "docs/EXIT_CODES.md", "docs/SIGNALS.md"];

const row = (...cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(...head), row(...head.map(() => "---")), ...rows].join("\n");
const code = (text) => `\`${text}\``;
const hex = (number) => `0x${number.toString(16).padStart(4, "0")}`;

function messages() {
  const rows = Object.entries(MESSAGES).map(([name, message]) =>
    message.form === "event"
      ? row(
          code(name),
          hex(message.tag),
          message.level,
          `event of ${message.from}`,
          "",
          "",
          "",
          "",
          "",
          "",
        )
      : row(
          code(name),
          hex(message.tag),
          message.level,
          message.owner === "*" ? "the target" : message.owner,
          message.needs ?? "",
          message.sealed ? "yes" : "no",
          message.audit,
          `${message.deadlineMs / 1000} s`,
          message.idempotent ? "yes" : "no",
          message.inPanic ? "yes" : "no",
        ),
  );
  const head = [
    "kind",
    "tag",
    "level",
    "answered by",
    "needs",
    "sealed",
    "audit",
    "deadline",
    "repeat",
    "in panic",
  ];
  const shapes = Object.entries(MESSAGES).map(([name, { params, result }]) =>
    result === undefined
      ? `${name} ${describe(params)}`
      : `${name} ${describe(params)}\n    -> ${describe(result)}`,
  );
  return `${table(head, rows)}\n\n\`\`\`text\n${shapes.join("\n")}\n\`\`\``;
}

/** What no policy holds back. */
function repairs() {
  const names = Object.entries(MESSAGES).flatMap(([name, { repair }]) =>
    repair ? [code(name)] : [],
  );
  return names.sort().join(", ");
}

function denials() {
  const rows = Object.entries(DENIALS).map(([name, { exit, text, hint }]) =>
    row(code(name), `${EXIT_CODES[exit].code}`, text, hint.replaceAll("|", "\\|")),
  );
  return table(["code", "exit", "text", "hint"], rows);
}

function exitCodes() {
  const rows = Object.entries(EXIT_CODES).map(([name, entry]) => {
    const codes = Object.entries(DENIALS).filter(([, { exit }]) => exit === name);
    return row(entry.code, entry.meaning, codes.map(([denial]) => code(denial)).join(", "));
  });
  return table(["code", "meaning", "denials"], rows);
}

/** Names and comments come from the source, values from the module. */
function bounds() {
  const source = readFileSync(root("packages/core-types/src/limits.ts"), "utf8");
  const rows = [];
  let comment = "";
  for (const [, text, name] of source.matchAll(/\/\*\* ([^*]*) \*\/|^export const (\w+)/gm)) {
    if (text !== undefined) comment = text;
    else
      rows.push(row(code(name), limits[name].toLocaleString("en").replaceAll(",", " "), comment));
  }
  return table(["name", "value", "meaning"], rows);
}

/** The closed vocabulary of trust vectors. */
function trust() {
  const words = [
    ["authentication", AUTHENTICATIONS],
    ["exposure", EXPOSURES],
  ].flatMap(([factor, meanings]) =>
    Object.entries(meanings).map(([word, meaning], i) => row(factor, i, code(word), meaning)),
  );
  const memory = Object.entries(KEY_MEMORY).map(([kind, percent]) => row(code(kind), percent));
  return `${table(["factor", "byte", "word", "meaning"], words)}\n\n${table(["memory of keys", "percent"], memory)}`;
}

function rates() {
  const classes = Object.keys(RATE_CLASSES);
  const rows = Object.entries(RATE_LIMITS).map(([kind, limit]) =>
    row(kind, ...classes.map((name) => limit[name] ?? "no limit")),
  );
  const meanings = Object.entries(RATE_CLASSES).map(([name, what]) => `${code(name)}: ${what}`);
  const atLength = Object.entries(MESSAGES).filter(([, kind]) => kind.atLength === true);
  const long = atLength.map(([name]) => code(name)).join(", ");
  return `${table(["kind of identity", ...classes.map(code)], rows)}\n\n${meanings.join("; ")} (${long}). Other kinds that need none are not counted.`;
}

function rules() {
  const rows = Object.entries(RULES).map(([name, { severity, meaning }]) =>
    row(code(name), severity, meaning),
  );
  return table(["rule", "severity", "meaning"], rows);
}

function factors() {
  const rows = Object.entries(FACTORS).map(([name, { weight, meaning }]) =>
    row(code(name), weight, meaning),
  );
  return table(["factor", "weight", "meaning"], rows);
}

function blockReasons() {
  const rows = Object.entries(BLOCK_REASONS).map(([name, meaning]) => row(code(name), meaning));
  return table(["reason", "meaning"], rows);
}

function strikes() {
  const minutes = (ms) => `${ms / 60_000} min`;
  const rows = Object.entries(STRIKES).map(([name, { count, withinMs, blockMs, meaning }]) =>
    row(code(name), meaning, count, minutes(withinMs), minutes(blockMs)),
  );
  return table(["reason", "what counts", "so many", "within", "block for"], rows);
}

const BLOCKS = {
  repair: repairs,
  "block-reasons": blockReasons,
  strikes,
  rules,
  factors,
  rates,
  trust,
  messages,
  denials,
  limits: bounds,
  "exit-codes": exitCodes,
  exchange,
};

async function generated(path) {
  const text = readFileSync(root(path), "utf8");
  const filled = text.replace(
    /(<!-- begin ([\w-]+) -->)[^]*?(<!-- end \2 -->)/g,
    (_, begin, name, end) => `${begin}\n\n${BLOCKS[name]()}\n\n${end}`,
  );
  const options = await resolveConfig(root(path));
  return { text, filled: await format(filled, { ...options, parser: "markdown" }) };
}

for (const path of DOCUMENTS) {
  const { text, filled } = await generated(path);
  if (text === filled) continue;
  if (process.argv.includes("--check")) {
    console.error(`${path} is not what the code says; run: npm run docs`);
    process.exitCode = 1;
  } else writeFileSync(root(path), filled);
}
