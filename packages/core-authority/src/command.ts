import { equalBytes } from "@sesame/core-crypto";
import { bytes, list, nullable, struct, text, bool } from "@sesame/core-types";
import {
  MAX_COMMAND_ARGUMENTS,
  MAX_COMMAND_RULES,
  MAX_PATH_BYTES,
  MAX_PATTERN_BYTES,
} from "./limits.ts";

// Which commands may be run with secrets that the caller may use and not read. Matched on the list
// of arguments, never on a line for a shell. docs/AUTHORITY.md, Commands.

export const commandRulesSchema = list(
  struct({
    path: text(MAX_PATH_BYTES),
    sha256: nullable(bytes(32, 32)),
    args: list(text(MAX_PATTERN_BYTES), MAX_COMMAND_ARGUMENTS),
    directory: nullable(text(MAX_PATH_BYTES)),
    plain: bool,
  }),
  MAX_COMMAND_RULES,
);

/** One command that a grant admits. */
export type CommandRule = {
  /** Absolute path of the program. */
  readonly path: string;
  /** Of the program's content, 32 bytes; null: whatever lies there. */
  readonly sha256: Uint8Array | null;
  /** A pattern for each argument after the program's name; `**` as the last for all further ones. */
  readonly args: readonly string[];
  /** Absolute path of the directory to run in; null: any. */
  readonly directory: string | null;
  /** Whether its output may be handed on unredacted. */
  readonly plain: boolean;
};

/** A command that somebody wants to run. */
export type Command = {
  /** Absolute path, in normal form. */
  readonly path: string;
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  /** Absolute path of the directory, in normal form. */
  readonly directory: string;
  readonly plain: boolean;
};

/** The rules of a grant that limits commands. */
export type CommandRules = readonly CommandRule[];

const ANY_REST = "**";

/** True for an absolute path that has one spelling: no empty, `.` or `..` segment, no NUL. */
export function isPlainPath(path: string): boolean {
  if (path === "/") return true;
  if (!path.startsWith("/") || path.includes("\0")) return false;
  const segments = path.slice(1).split("/");
  return segments.every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

/** True if a rule is of the form that can be signed. */
export function isCommandRule({ path, args, directory }: CommandRule): boolean {
  return (
    isPlainPath(path) &&
    path !== "/" &&
    (directory === null || isPlainPath(directory)) &&
    args.every((pattern, i) => isArgumentPattern(pattern, i === args.length - 1))
  );
}

/**
 * The digests that a program may have for a command to be admitted by every grant of a chain.
 *
 * @param limits - the rules of each grant that limits commands
 * @returns null if it is not admitted; else what the program's SHA-256 has to be: one of each list
 */
export function admitted(
  limits: readonly CommandRules[],
  command: Command,
): readonly (readonly Uint8Array[])[] | null {
  const demands: Uint8Array[][] = [];
  for (const rules of limits) {
    const fitting = rules.filter((rule) => admits(rule, command));
    if (fitting.length === 0) return null;
    const digests = fitting.flatMap(({ sha256 }) => (sha256 === null ? [] : [sha256]));
    // A rule without a digest takes every program.
    if (digests.length === fitting.length) demands.push(digests);
  }
  return demands;
}

/** True if a program's SHA-256 meets what `admitted` demands. */
export function meetsDigests(
  demands: readonly (readonly Uint8Array[])[],
  sha256: Uint8Array,
): boolean {
  return demands.every((digests) => digests.some((digest) => equalBytes(digest, sha256)));
}

/** Whether a rule takes a command, its program's content aside. */
function admits(rule: CommandRule, command: Command): boolean {
  return (
    rule.path === command.path &&
    (rule.directory === null || rule.directory === command.directory) &&
    (rule.plain || !command.plain) &&
    takesArguments(rule.args, command.args)
  );
}

function takesArguments(patterns: readonly string[], args: readonly string[]): boolean {
  const open = patterns.at(-1) === ANY_REST;
  const fixed = open ? patterns.slice(0, -1) : patterns;
  if (open ? args.length < fixed.length : args.length !== fixed.length) return false;
  return fixed.every((pattern, i) => takesArgument(pattern, args[i] ?? ""));
}

/** One character of an argument, or any run of them. */
type Token = string | typeof ANY_RUN;
const ANY_RUN = Symbol("any run");

/** `*` is any run of characters; a backslash takes the next character for itself. */
function tokensOf(pattern: string): readonly Token[] | null {
  const tokens: Token[] = [];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i += 1) {
    const character = characters[i] ?? "";
    if (character === "*") {
      if (tokens.at(-1) === ANY_RUN) return null;
      tokens.push(ANY_RUN);
    } else if (character === "\\") {
      i += 1;
      const escaped = characters[i];
      if (escaped !== "*" && escaped !== "\\") return null;
      tokens.push(escaped);
    } else tokens.push(character);
  }
  return tokens;
}

/** True for a pattern of one argument; the last may stand for all further ones. */
function isArgumentPattern(pattern: string, last: boolean): boolean {
  if (pattern === ANY_REST) return last;
  return !pattern.includes("\0") && tokensOf(pattern) !== null;
}

function takesArgument(pattern: string, argument: string): boolean {
  const tokens = tokensOf(pattern);
  if (tokens === null) return false;
  // An option is admitted by name only: it may send the program elsewhere.
  if (tokens[0] === ANY_RUN && argument.startsWith("-")) return false;
  const characters = [...argument];
  let t = 0;
  let c = 0;
  let star = -1;
  let resumeAt = 0;
  while (c < characters.length) {
    if (tokens[t] === ANY_RUN) {
      star = t++;
      resumeAt = c;
    } else if (t < tokens.length && tokens[t] === characters[c]) {
      t++;
      c++;
    } else if (star >= 0) {
      // The last run takes one character more; earlier ones need no second try.
      t = star + 1;
      c = ++resumeAt;
    } else return false;
  }
  while (tokens[t] === ANY_RUN) t++;
  return t === tokens.length;
}

/** A pattern that takes exactly this argument. */
export function exactArgument(argument: string): string {
  return argument.replaceAll(/[\\*]/g, "\\$&");
}
