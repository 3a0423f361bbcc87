import { isPattern, parseScope, VERBS, type Scope } from "@sesame/core-authority";
import {
  expectMembers,
  IDENTITY_KINDS,
  isProfileName,
  JsonError,
  limits as wire,
  readJson,
  type JsonObject,
  type JsonValue,
} from "@sesame/core-types";
import { PolicyError } from "./failures.ts";
import { expectHeld } from "./held.ts";
import * as limits from "./limits.ts";
import {
  DAYS,
  MODES,
  type Demands,
  type Mode,
  type Policy,
  type Rate,
  type Rule,
  type Span,
  type What,
  type Who,
} from "./policy.ts";

// The text of a policy: JSON that people write. docs/POLICY.md, Text.

const FORMAT = 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RULE_NAME = /^[a-z0-9][a-z0-9-]{0,23}$/;
const CLOCK = /^([01]\d|2[0-3]):([0-5]\d)$/;
const MEMBERS = ["policy", "installation", "version", "createdMs", "mode", "rules"];
const MIDNIGHT = "24:00";
const MINUTES_A_DAY = 1_440;

/** What the signer adds to what somebody wrote. */
export type Stamp = Pick<Policy, "installation" | "version" | "createdMs">;

/**
 * Reads a policy.
 *
 * @throws {PolicyError} policy-malformed, policy-invalid
 */
export function parsePolicy(text: Uint8Array): Policy {
  return reading(() => {
    const given = expectMembers(readJson(text, wire.MAX_POLICY_BYTES), MEMBERS);
    const { installation, version, createdMs } = given;
    if (given["policy"] !== FORMAT) throw invalid("this release reads policies of format 1");
    if (typeof installation !== "string" || !UUID.test(installation))
      throw invalid("`installation` is no id");
    if (!isCount(version) || version < 1) throw invalid("`version` is no number from 1 on");
    if (!isCount(createdMs)) throw invalid("`createdMs` is no time");
    // A higher one would leave later policies no room.
    if (version > createdMs) throw invalid("`version` is higher than `createdMs`");
    return { installation, version, createdMs, ...bodyOf(given) };
  });
}

/**
 * The text to be signed of what somebody wrote: an object with `mode` and `rules`.
 *
 * @throws {PolicyError} policy-malformed, policy-invalid, policy-unheld
 */
export function stampPolicy(source: Uint8Array, stamp: Stamp): Uint8Array {
  return reading(() => {
    const given = expectMembers(readJson(source, wire.MAX_POLICY_BYTES), ["mode", "rules"]);
    const { installation, version, createdMs } = stamp;
    const { mode, rules } = given;
    const text = { policy: FORMAT, installation, version, createdMs, mode, rules };
    const bytes = new TextEncoder().encode(`${JSON.stringify(text)}\n`);
    expectHeld(parsePolicy(bytes));
    return bytes;
  });
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof JsonError) throw new PolicyError("policy-malformed", cause.message);
    throw cause;
  }
}

function bodyOf({ mode, rules }: JsonObject): { mode: Mode; rules: readonly Rule[] } {
  const found = MODES.find((word) => word === mode);
  if (found === undefined) throw invalid(`\`mode\` is one of: ${MODES.join(", ")}`);
  if (!Array.isArray(rules) || rules.length > limits.MAX_RULES)
    throw invalid(`\`rules\` is a list of at most ${limits.MAX_RULES}`);
  const read = rules.map((rule: JsonValue) => ruleOf(rule));
  if (new Set(read.map(({ name }) => name)).size < read.length)
    throw invalid("two rules have the same name");
  return { mode: found, rules: read };
}

function ruleOf(given: JsonValue): Rule {
  const { name, who, what, demand } = expectMembers(given, ["name", "demand"], ["who", "what"]);
  if (typeof name !== "string" || !RULE_NAME.test(name))
    throw invalid("the name of a rule is of up to 24 of a-z, 0-9 and -");
  try {
    return { name, who: whoOf(who), what: whatOf(what), demands: demandsOf(demand) };
  } catch (cause) {
    // Scopes have errors of their own; all of them are about this rule.
    const reason = cause instanceof Error ? cause.message : "";
    const code = cause instanceof JsonError ? "policy-malformed" : "policy-invalid";
    throw new PolicyError(code, `rule ${name}: ${reason}`);
  }
}

function whoOf(given: JsonValue | undefined): Who {
  if (given === undefined) return { kinds: null, names: null };
  const { kinds, names } = expectMembers(given, [], ["kinds", "names"]);
  const isNamePattern = (text: string): boolean => isPattern(text) && !/\/|^\*\*$/.test(text);
  return {
    kinds: wordsOf(kinds, "kinds", (text) => IDENTITY_KINDS.find((kind) => kind === text)),
    names: wordsOf(names, "names", (text) => (isNamePattern(text) ? text : undefined)),
  };
}

function whatOf(given: JsonValue | undefined): What {
  if (given === undefined) return { capabilities: null, profiles: null, secrets: null };
  const fields = ["capabilities", "profiles", "secrets"];
  const { capabilities, profiles, secrets } = expectMembers(given, [], fields);
  return {
    capabilities: wordsOf(capabilities, "capabilities", (text) =>
      VERBS.find((verb) => verb === text),
    ),
    profiles: wordsOf(profiles, "profiles", (text) => (isProfileName(text) ? text : undefined)),
    secrets: wordsOf(secrets, "secrets", (text) => (isPattern(text) ? text : undefined)),
  };
}

function demandsOf(given: JsonValue | undefined): Demands {
  const fields = ["ceiling", "times", "posture", "trust", "rate", "totp", "approval"];
  const { ceiling, times, posture, trust, rate, totp, approval } = expectMembers(given, [], fields);
  const demands: Demands = {
    ceiling: ceiling === undefined ? null : ceilingOf(ceiling),
    times: times === undefined ? null : timesOf(times),
    posture: posture === undefined ? null : shareOf(posture, "posture"),
    trust: trust === undefined ? null : shareOf(trust, "trust"),
    rate: rate === undefined ? null : rateOf(rate),
    totp: isDemanded(totp, "totp"),
    approval: isDemanded(approval, "approval"),
  };
  if (Object.values(demands).every((one) => one === null || one === false))
    throw invalid("`demand` demands nothing");
  return demands;
}

function ceilingOf(given: JsonValue): Scope {
  if (typeof given !== "string") throw invalid("`ceiling` is the text of a scope");
  return parseScope(given);
}

function timesOf(given: JsonValue): readonly Span[] {
  if (!Array.isArray(given) || given.length > limits.MAX_SPANS)
    throw invalid(`\`times\` is a list of at most ${limits.MAX_SPANS}`);
  return given.map((span: JsonValue) => {
    const { days, from, to } = expectMembers(span, ["days", "from", "to"]);
    const [fromMinute, toMinute] = [minuteOf(from), minuteOf(to)];
    if (fromMinute >= toMinute) throw invalid("a span of time ends after it has begun");
    const found = wordsOf(days, "days", (text) => DAYS.find((day) => day === text)) ?? [];
    return { days: found, fromMinute, toMinute };
  });
}

function minuteOf(given: JsonValue | undefined): number {
  if (given === MIDNIGHT) return MINUTES_A_DAY;
  const [, hours, minutes] = CLOCK.exec(typeof given === "string" ? given : "") ?? [];
  if (hours === undefined) throw invalid("times of the day are 00:00 to 24:00, UTC");
  return Number(hours) * 60 + Number(minutes);
}

function rateOf(given: JsonValue): Rate {
  const { uses, seconds } = expectMembers(given, ["uses", "seconds"]);
  if (!isCount(uses) || uses < 1 || uses > limits.MAX_RATE_USES)
    throw invalid(`\`uses\` is a number from 1 to ${limits.MAX_RATE_USES}`);
  if (!isCount(seconds) || seconds < 1 || seconds > limits.MAX_RATE_SECONDS)
    throw invalid(`\`seconds\` is a number from 1 to ${limits.MAX_RATE_SECONDS}`);
  return { uses, withinMs: seconds * 1_000 };
}

function shareOf(given: JsonValue, field: string): number {
  if (typeof given === "number" && given > 0 && given <= 1) return given;
  throw invalid(`\`${field}\` is a number above 0, up to 1`);
}

function isDemanded(given: JsonValue | undefined, field: string): boolean {
  if (given === undefined || given === true) return given === true;
  throw invalid(`\`${field}\` is true or left out`);
}

/** Null: not given. An empty list would name nobody, and is refused. */
function wordsOf<T>(
  given: JsonValue | undefined,
  field: string,
  read: (text: string) => T | undefined,
): readonly T[] | null {
  if (given === undefined) return null;
  if (!Array.isArray(given) || given.length < 1 || given.length > limits.MAX_WORDS)
    throw invalid(`\`${field}\` is a list of 1 to ${limits.MAX_WORDS}`);
  return given.map((text: JsonValue) => {
    const word = typeof text === "string" ? read(text) : undefined;
    if (word === undefined) throw invalid(`\`${field}\` holds what is none`);
    return word;
  });
}

function isCount(given: JsonValue | undefined): given is number {
  return typeof given === "number" && Number.isSafeInteger(given) && given >= 0;
}

function invalid(reason: string): PolicyError {
  return new PolicyError("policy-invalid", reason);
}
