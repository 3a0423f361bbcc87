import {
  CAPABILITIES,
  limits,
  list,
  NAMED_CAPABILITIES,
  oneOf,
  struct,
  text,
  uint,
  type Capability,
} from "@sesame/core-types";
import { AuthorityError } from "./errors.ts";
import { MAX_CHAIN, MAX_ENTRIES, MAX_PATTERNS, MAX_SCOPE_CHARACTERS } from "./limits.ts";
import { areDisjoint, implies, isPattern, matches } from "./pattern.ts";

// Scopes form a lattice whose meet is exact, because an entry holds a conjunction of patterns:
// where two patterns overlap, the overlap of globs need not be a glob, but it is the set of both.
// `delegate{n, s}` is a number at each entry of s: how often that right may be handed on. So
// nothing can be handed on that is not held. docs/AUTHORITY.md, Scopes.

/** What can be done; `delegate` is not done but says how far the others may be handed on. */
export type Verb = Exclude<Capability, "delegate">;

export const VERBS: readonly Verb[] = CAPABILITIES.filter((word) => word !== "delegate");

/** Verbs that are about a secret's name and so may be limited to patterns. */
const NAMED: ReadonlySet<Verb> = new Set<Verb>(NAMED_CAPABILITIES);

/** A right to names that match all of the patterns; without patterns: to everything. */
export type Entry = {
  readonly capability: Verb;
  /** Sorted; none follows from another. */
  readonly patterns: readonly string[];
  /** How often the right may be handed on, 0 to MAX_CHAIN. */
  readonly depth: number;
};

/** In normal form: sorted entries, none of which is covered by another. Made by `scopeOf`. */
export type Scope = readonly Entry[];

export const NOTHING: Scope = [];

export const scopeSchema = list(
  struct({
    capability: oneOf(VERBS),
    patterns: list(text(limits.MAX_SECRET_NAME), MAX_PATTERNS),
    depth: uint,
  }),
  MAX_ENTRIES,
);

/**
 * The normal form of a set of entries.
 *
 * @throws {AuthorityError} if an entry is not well-formed or the scope is too large
 */
export function scopeOf(entries: readonly Entry[]): Scope {
  for (const entry of entries) check(entry);
  return widest(entries.flatMap((entry) => normalEntry(entry) ?? []));
}

/**
 * What an identity may do by its enrolment: each capability, for all names. With `delegate` or
 * `admin` all of it may be handed on.
 */
export function enrolledScope(capabilities: readonly Capability[]): Scope {
  const delegates = capabilities.includes("delegate") || capabilities.includes("admin");
  const depth = delegates ? MAX_CHAIN : 0;
  const verbs = capabilities.filter((word) => word !== "delegate");
  return scopeOf(verbs.map((capability) => ({ capability, patterns: [], depth })));
}

/**
 * Whether a scope allows a capability.
 *
 * @param name - the secret concerned; null if none is, which only entries without pattern allow
 * @param depth - asked for the right to hand it on so often
 */
export function covers(scope: Scope, capability: Verb, name: string | null, depth = 0): boolean {
  return scope.some(
    (entry) =>
      (entry.capability === capability || entry.capability === "admin") &&
      entry.depth >= depth &&
      entry.patterns.every((pattern) => name !== null && matches(pattern, name)),
  );
}

/** Whether a scope has the capability for some names, so that results can be filtered by `covers`. */
export function coversSome(scope: Scope, capability: Verb): boolean {
  return scope.some((entry) => entry.capability === capability || entry.capability === "admin");
}

/**
 * Exactly what both scopes cover.
 *
 * @throws {AuthorityError} scope-too-large, if that has no form within the limits
 */
export function meet(a: Scope, b: Scope): Scope {
  return widest(a.flatMap((left) => b.flatMap((right) => meetEntries(left, right) ?? [])));
}

/**
 * What either scope covers.
 *
 * @throws {AuthorityError} scope-too-large, if that has no form within the limits
 */
export function join(a: Scope, b: Scope): Scope {
  return widest([...a, ...b]);
}

/** True only if `b` covers whatever `a` covers; a false may be one that could not be proved. */
export function within(a: Scope, b: Scope): boolean {
  return a.every((entry) => b.some((other) => isWithin(entry, other)));
}

/** What the holder of a scope can hand on at most. */
export function handOn(scope: Scope): Scope {
  return scopeOf(
    scope.flatMap((entry) => (entry.depth > 0 ? { ...entry, depth: entry.depth - 1 } : [])),
  );
}

/** `capability[:pattern[&pattern…]][+depth]`, joined by spaces. */
export function printScope(scope: Scope): string {
  return scope.map(printEntry).join(" ");
}

/**
 * Reads what `printScope` writes, in any order.
 *
 * @throws {AuthorityError} if a word is not an entry, or one that no name can match
 */
export function parseScope(given: string): Scope {
  const words = given.match(/\S+/g) ?? [];
  if (words.length > MAX_ENTRIES) throw tooLarge(`more than ${MAX_ENTRIES} entries`);
  return scopeOf(words.map(parseEntry));
}

function parseEntry(word: string): Entry {
  const [, verb, patterns, depth] = /^([a-z-]+)(?::([^+]*))?(?:\+([1-9]))?$/.exec(word) ?? [];
  const capability = VERBS.find((known) => known === verb);
  if (capability === undefined)
    throw new AuthorityError("capability-invalid", `${shown(word)} names no capability`);
  const entry = { capability, patterns: patterns?.split("&") ?? [], depth: Number(depth ?? 0) };
  if (normalEntry(entry) === null)
    throw new AuthorityError("pattern-invalid", `no name can match ${shown(word)}`);
  return entry;
}

function printEntry({ capability, patterns, depth }: Entry): string {
  const names = patterns.length > 0 ? `:${patterns.join("&")}` : "";
  return capability + names + (depth > 0 ? `+${depth}` : "");
}

/** The start of a text from outside, in printable characters. */
function shown(given: string): string {
  return JSON.stringify(given.slice(0, 80));
}

function check({ capability, patterns, depth }: Entry): void {
  if (!VERBS.includes(capability))
    throw new AuthorityError("capability-invalid", "not a capability that can be granted");
  if (patterns.length > 0 && !NAMED.has(capability))
    throw new AuthorityError("pattern-invalid", `${capability} takes no pattern`);
  const bad = patterns.find((pattern) => !isPattern(pattern));
  if (bad !== undefined) throw new AuthorityError("pattern-invalid", `${shown(bad)} is no pattern`);
  if (!Number.isInteger(depth) || depth < 0 || depth > MAX_CHAIN)
    throw new AuthorityError("depth-invalid", `a depth is a number from 0 to ${MAX_CHAIN}`);
}

/** Without patterns that follow from others; null if no name can match. */
function normalEntry(entry: Entry): Entry | null {
  const all = [...new Set(entry.patterns)].sort();
  if (all.some((one) => all.some((other) => areDisjoint(one, other)))) return null;
  // Of two that differ at most one follows from the other: they never mean the same.
  const follows = (pattern: string): boolean =>
    all.some((other) => other !== pattern && implies(other, pattern));
  const patterns = all.filter((pattern) => !follows(pattern));
  return { capability: entry.capability, patterns, depth: entry.depth };
}

function meetEntries(a: Entry, b: Entry): Entry | null {
  if (a.capability !== b.capability && a.capability !== "admin" && b.capability !== "admin")
    return null;
  return normalEntry({
    capability: a.capability === "admin" ? b.capability : a.capability,
    patterns: [...a.patterns, ...b.patterns],
    depth: Math.min(a.depth, b.depth),
  });
}

function isWithin(a: Entry, b: Entry): boolean {
  return (
    (b.capability === "admin" || a.capability === b.capability) &&
    a.depth <= b.depth &&
    b.patterns.every((wide) => a.patterns.some((narrow) => implies(narrow, wide)))
  );
}

/**
 * The entries that no other covers. They are taken in an order of their own, those with the fewest
 * patterns first, so that a refusal does not depend on the order in which they came.
 */
function widest(entries: readonly Entry[]): Scope {
  const candidates = sorted(entries).sort((a, b) => a.patterns.length - b.patterns.length);
  let kept: Entry[] = [];
  for (const entry of candidates) {
    if (kept.some((other) => isWithin(entry, other))) continue;
    if (entry.patterns.length > MAX_PATTERNS)
      throw tooLarge(`an entry with more than ${MAX_PATTERNS} patterns`);
    kept = kept.filter((other) => !isWithin(other, entry));
    if (kept.push(entry) > MAX_ENTRIES) throw tooLarge(`more than ${MAX_ENTRIES} entries`);
  }
  const characters = kept.flatMap(({ patterns }) => patterns).join("").length;
  if (characters > MAX_SCOPE_CHARACTERS)
    throw tooLarge(`patterns of more than ${MAX_SCOPE_CHARACTERS} characters`);
  return sorted(kept);
}

/** By their text, each once. */
function sorted(entries: readonly Entry[]): Entry[] {
  const byText = new Map(entries.map((entry) => [printEntry(entry), entry]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function tooLarge(what: string): AuthorityError {
  return new AuthorityError("scope-too-large", `the scope would need ${what}`);
}
