import type { Command, Flags } from "./commands.ts";
import type { Request } from "./parse.ts";

// Loading commander takes a fifth of the time that `sesame secret get` has. Plain command lines
// are read here, by the same table; whatever is not plain (help, abbreviations, mistakes) is
// commander's. Where this answers, commander would answer the same.

type Flag = { readonly name: string; readonly takesValue: boolean; readonly means: boolean };

/** As commander takes it: `--no-NAME` sets NAME to false, which is true without it. */
const NEGATED = /^no-/;

/** The request of a plain command line, or null if commander is to look at it. */
export function quickParse(commands: readonly Command[], argv: readonly string[]): Request | null {
  const command = commands.find((candidate) => startsWith(argv, wordsOf(candidate)));
  if (command === undefined) return null;
  const names = wordsOf(command);
  const known = knownFlags(command);
  const flags: Record<string, string | boolean> = presets(command);
  const words: string[] = [];
  let rest = argv.slice(names.length);
  while (rest.length > 0) {
    const [first = "", ...others] = rest;
    if (first === "--") {
      words.push(...others);
      break;
    }
    if (!first.startsWith("-")) {
      if (command.passThrough === true) {
        words.push(...rest);
        break;
      }
      words.push(first);
      rest = others;
      continue;
    }
    const flag = known.get(first);
    if (flag === undefined) return null;
    const [value] = others;
    if (flag.takesValue && (value === undefined || value.startsWith("-"))) return null;
    flags[flag.name] = flag.takesValue ? (value as string) : flag.means;
    rest = flag.takesValue ? others.slice(1) : others;
  }
  if (!fits(command, words.length)) return null;
  return { command, words, flags: flags as Flags, json: flags["json"] === true };
}

function startsWith(argv: readonly string[], names: readonly string[]): boolean {
  return names.every((name, i) => argv[i] === name);
}

/** The words that name a command: those of its usage before the first argument. */
export function wordsOf({ usage }: Command): string[] {
  return usage.split(" ").filter((word) => !isArgument(word));
}

/** As commander writes them: `<name>`, or `[name]` for one that may be left out. */
export function isArgument(word: string): boolean {
  return word.startsWith("<") || word.startsWith("[");
}

function fits({ usage }: Command, count: number): boolean {
  const takes = usage.split(" ").filter(isArgument);
  const least = takes.filter((word) => word.startsWith("<")).length;
  return count >= least && (usage.includes("...") || count <= takes.length);
}

function knownFlags(command: Command): ReadonlyMap<string, Flag> {
  const known = new Map<string, Flag>([
    ["--json", { name: "json", takesValue: false, means: true }],
  ]);
  for (const [syntax] of command.flags ?? []) {
    const long = /--([a-z-]+)/.exec(syntax)?.[1] ?? "";
    const means = !NEGATED.test(long);
    const flag = { name: nameOf(long), takesValue: syntax.includes("<"), means };
    for (const spelling of syntax.match(/--?[a-z-]+(?=[, ]|$)/g) ?? []) known.set(spelling, flag);
  }
  return known;
}

function presets(command: Command): Record<string, string | boolean> {
  const given: Record<string, string | boolean> = {};
  for (const [syntax, , preset] of command.flags ?? []) {
    const long = /--([a-z-]+)/.exec(syntax)?.[1];
    if (long === undefined) continue;
    if (preset !== undefined) given[nameOf(long)] = preset;
    if (NEGATED.test(long)) given[nameOf(long)] = true;
  }
  return given;
}

/** As commander names it. */
function nameOf(long: string): string {
  return long
    .replace(NEGATED, "")
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
