// Secrets to environment variables, for `env` and `export`. Pure; all or nothing.
import { Fault } from "@sesame/core-types";
import { MAX_ENTRY_BYTES, variableNames, variableValue } from "@sesame/core-types/environment";
import { quoted } from "../printable.ts";

export interface FetchedSecret {
  readonly profile: string;
  readonly name: string;
  /** Any bytes; not retained, the caller wipes them. */
  readonly value: Uint8Array;
}

export interface Fetched {
  /** In order of precedence: the first profile that has a variable wins. Not empty. */
  readonly profiles: readonly string[];
  readonly secrets: readonly FetchedSecret[];
  readonly prefix: string | null;
}

/** A secret that is left out because a profile further left sets the same variable. */
export interface Shadowed {
  readonly variable: string;
  readonly profile: string;
  readonly name: string;
  readonly by: string;
}

export interface Selection {
  /** Variable to value, without NUL; profiles in order of precedence, then as fetched. */
  readonly variables: ReadonlyMap<string, string>;
  readonly shadowed: readonly Shadowed[];
}

/**
 * Chooses the variables that a set of secrets gives.
 *
 * @throws {Fault} data: a name has no variable or is refused, two secrets of one profile
 *   collide, or a value holds NUL or is not UTF-8; the text names the secret, never the value
 */
export function selectVariables(fetched: Fetched): Selection {
  const variables = new Map<string, string>();
  const shadowed: Shadowed[] = [];
  const winners = new Map<string, string>();
  for (const [profile, secrets] of byProfile(fetched)) {
    for (const [variable, name] of variableNames(secrets.keys(), fetched.prefix)) {
      const by = winners.get(variable);
      if (by !== undefined) {
        shadowed.push({ variable, profile, name, by });
        continue;
      }
      winners.set(variable, profile);
      variables.set(variable, variableValue(profile, name, secrets.get(name) ?? new Uint8Array()));
    }
  }
  return { variables, shadowed };
}

/**
 * The environment of the program that `sesame env` becomes: the parent's, the secrets over it, and
 * `SESAME_PROFILES`. Nothing else is added, removed or changed.
 *
 * @throws {Fault} data: as `selectVariables`, or a value is too long for an environment
 */
export function buildEnvironment(
  parent: Readonly<Record<string, string | undefined>>,
  fetched: Fetched,
): { readonly env: Record<string, string>; readonly shadowed: readonly Shadowed[] } {
  const { variables, shadowed } = selectVariables(fetched);
  const entries = new Map<string, string>();
  for (const [name, value] of Object.entries(parent)) {
    if (value !== undefined) entries.set(name, value);
  }
  for (const [variable, value] of variables) {
    if (variable.length + Buffer.byteLength(value) + 2 > MAX_ENTRY_BYTES) {
      throw new Fault(
        "data",
        `the value of ${variable} is too long for an environment variable (128 KiB)`,
        "write it to a file with `sesame secret get`",
      );
    }
    entries.set(variable, value);
  }
  entries.set("SESAME_PROFILES", fetched.profiles.join(","));
  return { env: Object.fromEntries(entries), shadowed };
}

/**
 * Variables of the parent that Node could not decode as UTF-8 (or that hold U+FFFD themselves):
 * they reach the child changed, so the caller has to say so.
 */
export function undecodable(parent: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(parent)
    .filter(([name, value]) => `${name}${value}`.includes("\u{fffd}"))
    .map(([name]) => name);
}

function byProfile(fetched: Fetched): Map<string, Map<string, Uint8Array>> {
  const groups = new Map<string, Map<string, Uint8Array>>();
  for (const profile of fetched.profiles) groups.set(profile, new Map());
  for (const { profile, name, value } of fetched.secrets) {
    const group = groups.get(profile);
    if (group === undefined || group.has(name)) {
      throw new Fault(
        "fault",
        `secret ${quoted(name)} of profile ${quoted(profile)} was not asked for, or came twice`,
        "run `sesame doctor`",
      );
    }
    group.set(name, value);
  }
  return groups;
}
