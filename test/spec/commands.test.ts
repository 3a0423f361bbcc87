import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS, GROUPS } from "../../packages/cli/src/commands.ts";
import { sources, type Source } from "../helpers/sources.ts";

// Hints and documents name commands. Whoever follows one must not end in a usage error.

const EVERYWHERE = ["--as", "--json", "--help", "-h"];
const known = COMMANDS.map(({ usage, flags = [], passThrough = false }) => ({
  words: usage.split(/ [<[]/)[0]?.split(" ") ?? [],
  flags: [
    ...EVERYWHERE,
    ...flags.flatMap(([flag]) => flag.match(/(?<![\w-])--?[a-z][a-z-]*/g) ?? []),
  ],
  passThrough,
}));
const groups = new Set(known.flatMap(({ words }) => (words.length > 1 ? words[0] : [])));

/** What stands behind `sesame` in backticks, or behind a shell's prompt. */
function mentions({ path, text }: Source): string[] {
  const quoted = [...text.matchAll(/`sesame ([^`\n]*?)\\?`/g)];
  const typed = path.endsWith(".md") ? [...text.matchAll(/^\$ (?:\w+=\S* )?sesame (.*)$/gm)] : [];
  return [...quoted, ...typed].map(([, given = ""]) => given.replace(/\s(#|\||[0-9]?[<>]).*$/, ""));
}

/** What is wrong with a mention; null: nothing. */
function wrong(mention: string): string | null {
  // Signed texts begin with the same word; where the command is a variable, nothing is known.
  if (/ v\d|version \d/.test(mention) || /^(\$\{|COMMAND |help\b)/.test(mention)) return null;
  const words = mention
    .replace(/^(--as \S+|--json)\s+/, "")
    .trim()
    .split(/\s+/);
  const [first = ""] = words;
  if (words.length === 1 && (groups.has(first) || first === "" || first === "…")) return null;
  const command = known
    .filter((one) => one.words.every((word, i) => word === words[i]))
    .sort((a, b) => b.words.length - a.words.length)[0];
  if (command === undefined) return "there is no such command";
  const rest = words.slice(command.words.length);
  const end = rest.indexOf("--");
  const own = command.passThrough && end >= 0 ? rest.slice(0, end) : rest;
  const flag = own.find((word) => /^--?[a-z]/.test(word) && !command.flags.includes(word));
  return flag === undefined ? null : `there is no flag ${flag}`;
}

test("every command that a hint or a document names is there, with its flags", () => {
  const all = sources("packages/*/src/**/*.ts", "*.md", "docs/**/*.md", "examples/**/*.md");
  const named = all
    .filter(({ path }) => !/\.test(-helper)?\.ts$/.test(path))
    .flatMap((source) => mentions(source).map((mention) => ({ path: source.path, mention })));
  assert.ok(named.length > 150, `only ${named.length} were found`);
  const bad = named.flatMap(({ path, mention }) => {
    const reason = wrong(mention);
    return reason === null ? [] : [`${path}: sesame ${mention}: ${reason}`];
  });
  assert.deepEqual(bad, []);
});

test("a command or flag that is not there is found", () => {
  for (const good of ["agent", "--as ci agent status", "env -p work -- make --all", "approve ID"])
    assert.equal(wrong(good), null, good);
  for (const bad of ["agent remove ci", "panic --end", "audit verify --follow", "init --force"])
    assert.notEqual(wrong(bad), null, bad);
});

test("the help says what each group of commands is for, and names no other", () => {
  const prefixes = known.flatMap(({ words }) =>
    words.slice(0, -1).map((_, i) => words.slice(0, i + 1).join(" ")),
  );
  assert.deepEqual(Object.keys(GROUPS), [...new Set(prefixes)].sort());
});
