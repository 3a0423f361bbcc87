import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import {
  AuthorityError,
  authorityLimits,
  coversSome,
  isCommandRule,
  parseScope,
  printScope,
  type CommandRules,
  type Grant,
  type PointOfUse,
  type Restrictions,
  type Scope,
} from "@sesame/core-authority";
import { fileFault, type Installation } from "@sesame/core-ipc/daemon";
import {
  AUTHENTICATIONS,
  Denial,
  Fault,
  isAuthentication,
  isIdentityName,
  isProfileName,
  meetsMinimum,
  NO_MINIMUM,
  type Identity,
  type Minimum,
} from "@sesame/core-types";
import { findIdentity } from "../agents/find.ts";
import type { Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { findProgram } from "../io/exec.ts";
import { fileDigest } from "../io/file-digest.ts";

export type CreateFlags = {
  readonly to?: string;
  readonly scope?: string;
  readonly profile?: string;
  readonly ttl?: string;
  readonly heartbeat?: string;
  readonly maxUses?: string;
  readonly depth?: string;
  readonly exe?: string;
  readonly parent?: string;
  readonly anyCommand?: boolean;
  readonly directory?: string;
  readonly unpinned?: boolean;
  readonly unredacted?: boolean;
  readonly minPosture?: string;
  readonly minAuthentication?: string;
};

/** What a grant says, but for what every grant has. */
export type Terms = Pick<Grant, "delegatee" | "parent" | "scope"> & Partial<Restrictions>;

/**
 * What the flags of `sesame grant create` ask for.
 *
 * @param words - the command that may be run with what the scope lets use
 * @throws {Fault} usage, not-found
 */
export function termsOf(
  context: Context,
  installation: Installation,
  words: readonly string[],
  flags: CreateFlags,
): Terms {
  const to = named(installation, required(flags.to, "--to"));
  const scope = scopeOfFlags(required(flags.scope, "--scope"), flags.depth);
  return {
    delegatee: to.id,
    parent: flags.parent ?? null,
    scope,
    ...(flags.profile === undefined ? {} : { profiles: profilesOf(flags.profile) }),
    ...(flags.ttl === undefined
      ? {}
      : { ttlMs: durationMs(flags.ttl, "--ttl", authorityLimits.MAX_TTL_MS) }),
    ...(flags.heartbeat === undefined
      ? {}
      : {
          heartbeatMs: durationMs(flags.heartbeat, "--heartbeat", authorityLimits.MAX_HEARTBEAT_MS),
        }),
    ...(flags.maxUses === undefined ? {} : { maxUses: numberOf(flags.maxUses, "--max-uses") }),
    commands: commandsOf(context, words, flags, scope),
    ...(flags.exe === undefined ? {} : { pointOfUse: programAt(flags.exe) }),
    minimum: minimumOf(flags),
  };
}

/** Null if nothing is asked. */
function minimumOf(flags: CreateFlags): Minimum | null {
  const { minPosture = "0", minAuthentication: authentication = "none" } = flags;
  const posture = numberOf(minPosture.replace(/%$/, ""), "--min-posture");
  if (posture > 100) throw new Fault("usage", "--min-posture is above 100", "give a percentage");
  if (!isAuthentication(authentication)) {
    const proofs = Object.keys(AUTHENTICATIONS).join(", ");
    throw new Fault("usage", "--min-authentication is no proof", `one of ${proofs}`);
  }
  const minimum = { authentication, posture };
  return meetsMinimum(NO_MINIMUM, minimum) ? null : minimum;
}

/** `--depth` is for entries that say nothing of it themselves. */
function scopeOfFlags(text: string, depth: string | undefined): Scope {
  try {
    const scope = parseScope(text);
    if (depth === undefined) return scope;
    const levels = numberOf(depth, "--depth");
    return parseScope(
      scope
        .map((entry) => printScope([entry.depth > 0 ? entry : { ...entry, depth: levels }]))
        .join(" "),
    );
  } catch (cause) {
    if (!(cause instanceof AuthorityError)) throw cause;
    throw new Fault(
      "usage",
      `--scope: ${cause.message}`,
      "write it like 'secret-read:ci/* secret-list'",
    );
  }
}

/**
 * The one command of the command line. Its program is pinned to its content, since whoever is to
 * run it may be able to write where it lies.
 */
function commandsOf(
  { env }: Context,
  words: readonly string[],
  flags: CreateFlags,
  scope: Scope,
): CommandRules | null {
  const uses = coversSome(scope, "secret-use");
  if (words.length === 0) {
    // A grant below another is limited by that one.
    if (!uses || flags.anyCommand === true || flags.parent !== undefined) return null;
    throw new Fault(
      "usage",
      "which command may be run with these secrets?",
      "`… -- PROGRAM ARGUMENT…` with `*` in an argument, `**` for all further ones; or `--any-command`, which lets it print them",
    );
  }
  if (!uses)
    throw new Fault("usage", "a command needs `secret-use` in the scope", "or leave it out");
  const [, ...args] = words;
  const path = resolve(findProgram(words, env));
  const sha256 = flags.unpinned === true ? null : fileDigest(path);
  const directory = flags.directory === undefined ? null : realPathOf(flags.directory);
  const rule = { path, sha256, args, directory, plain: flags.unredacted === true };
  if (isCommandRule(rule)) return [rule];
  throw new Fault(
    "usage",
    "this command cannot be granted as it is written",
    "`*` stands for any text within an argument, `**` as the last argument for all further ones; `\\*` for itself",
  );
}

/** As the kernel names the program, and its content now. */
function programAt(given: string): PointOfUse {
  const path = realPathOf(given);
  return { path, sha256: fileDigest(path) };
}

/** As the kernel names a program, and `sesame run` its directory. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw fileFault(cause, path);
  }
}

function profilesOf(text: string): string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))].sort();
  if (!names.every(isProfileName)) throw new Denial("name-invalid", "name of a profile");
  return names;
}

/** The identity of a name. */
export function named({ identities }: Installation, name: string): Identity {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  return findIdentity(identities, name);
}

function required(value: string | undefined, flag: string): string {
  if (value === undefined)
    throw new Fault("usage", `${flag} is missing`, "`sesame grant create --help`");
  return value;
}

function numberOf(text: string, flag: string): number {
  if (!/^\d{1,7}$/.test(text))
    throw new Fault("usage", `${flag} is no number`, "give a whole number");
  return Number(text);
}
