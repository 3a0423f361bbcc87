import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import {
  AuthorityError,
  authorityLimits,
  coversSome,
  decodeGrant,
  draftGrant,
  encodeGrant,
  enrolledScope,
  grantStatement,
  isCommandRule,
  parseScope,
  printScope,
  REASONS,
  resolveChain,
  type CommandRules,
  type Grant,
  type PointOfUse,
  type Scope,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { GRANT_OWNERS, holdGrants, ownersOf, type GrantOwner } from "@sesame/core-ipc/grants";
import {
  fileFault,
  requireInstallation,
  signWith,
  type HeldKeys,
  type Installation,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  dominates,
  Fault,
  isIdentityName,
  isProfileName,
  levelRank,
  limits,
  MESSAGES,
  toHex,
  type Identity,
  type Level,
} from "@sesame/core-types";
import { connect, openKeys, pathsOf, withBus, type Context } from "../context.ts";
import { durationMs, durationText } from "../duration.ts";
import { findProgram } from "../io/exec.ts";
import { fileDigest } from "../io/file-digest.ts";
import { print } from "../io/print.ts";
import { table, type Outcome } from "../render.ts";
import { printable } from "../printable.ts";

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
};

type Terms = Pick<Grant, "delegatee" | "parent" | "scope"> &
  Partial<
    Pick<Grant, "profiles" | "ttlMs" | "heartbeatMs" | "maxUses" | "pointOfUse" | "commands">
  >;

/**
 * Gives another identity some of one's own rights, for a time.
 *
 * @param words - the command that may be run with what the scope lets use: a program, and a pattern
 *   for each of its arguments
 */
export async function grantCreate(
  context: Context,
  words: readonly string[],
  flags: CreateFlags,
): Promise<Outcome> {
  const installation = requireInstallation(suite, pathsOf(context));
  const to = named(installation, required(flags.to, "--to"));
  const scope = scopeOfFlags(required(flags.scope, "--scope"), flags.depth);
  const given = {
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
  };
  const giver = await opened(context);
  return withBus(giver, async (bus) => {
    const above = given.parent === null ? [] : await chainOf(bus, given.parent);
    const made = await give(giver, installation, bus, given, above);
    return createdOutcome(installation, made);
  });
}

export function grantList(context: Context): Promise<Outcome> {
  const installation = requireInstallation(suite, pathsOf(context));
  return withBus(context, async (bus) => {
    const rows = (await all(bus)).map(({ grant, usesLeft }) =>
      summary(installation, grant, usesLeft),
    );
    const cells = rows.map((row) => [
      row.id,
      row.from,
      row.to,
      row.scope,
      row.profiles === null ? "all" : row.profiles.join(","),
      durationText(row.endsMs - Date.now()),
      row.usesLeft === null ? "" : String(row.usesLeft),
    ]);
    return {
      text: table(["GRANT", "FROM", "TO", "SCOPE", "PROFILES", "ENDS IN", "USES"], cells),
      data: { grants: rows },
    };
  });
}

export function grantShow(context: Context, id: string): Promise<Outcome> {
  const installation = requireInstallation(suite, pathsOf(context));
  return withBus(context, async (bus) => {
    const chain = await chainOf(bus, id);
    const effective = resolveChain(chain, trustOf(installation), Date.now());
    const links = chain.map(({ grant }) => summary(installation, grant, null));
    const lines = links.map((link) => [
      link.id,
      link.from,
      link.to,
      link.scope,
      link.profiles === null ? "all" : link.profiles.join(","),
      durationText(link.heartbeatMs),
      new Date(link.endsMs).toISOString(),
    ]);
    const scope = effective.allowed ? printScope(effective.scope) : "";
    return {
      text: [
        table(["GRANT", "FROM", "TO", "SCOPE", "PROFILES", "HEARTBEAT", "ENDS"], lines),
        ...links.flatMap(({ id: of, commands }) =>
          (commands ?? []).map((command) => printable(`${of} runs: ${command.join(" ")}`)),
        ),
        effective.allowed
          ? `Together: ${printable(scope)}`
          : `Together nothing: ${REASONS[effective.reason]}.`,
        ...links.flatMap(({ id: of, program }) =>
          program === null ? [] : [`${of} only by ${printable(program.path)}: ${program.sha256}`],
        ),
      ].join("\n"),
      data: { chain: links, scope },
    };
  });
}

/** The same grant from now on; the old one ends. */
export async function grantRenew(context: Context, id: string): Promise<Outcome> {
  const installation = requireInstallation(suite, pathsOf(context));
  const giver = await opened(context);
  return withBus(giver, async (bus) => {
    const [old, ...above] = await chainOf(bus, id);
    if (old === undefined) throw new Denial("capability-missing");
    const { ttlMs, heartbeatMs, maxUses, profiles, pointOfUse, commands, ...rest } = old.grant;
    const { delegatee, parent, scope } = rest;
    const terms = { ttlMs, heartbeatMs, maxUses, profiles, pointOfUse, commands };
    const made = await give(
      giver,
      installation,
      bus,
      { delegatee, parent, scope, ...terms },
      above,
    );
    await revokeEverywhere(bus, { grant: id, identity: null });
    return createdOutcome(installation, made);
  });
}

export function grantRevoke(
  context: Context,
  id: string | undefined,
  { identity }: { readonly identity?: string },
): Promise<Outcome> {
  if ((id === undefined) === (identity === undefined))
    throw new Fault("usage", "name one grant, or `--identity`", "`sesame grant list` shows them");
  const installation = requireInstallation(suite, pathsOf(context));
  const of = identity === undefined ? null : named(installation, identity).id;
  return withBus(context, async (bus) => {
    const changed = await revokeEverywhere(bus, { grant: id ?? null, identity: of });
    const what = identity === undefined ? `grant ${id}` : `every grant to and from ${identity}`;
    return {
      text: changed ? `Ended: ${printable(what)}.` : `Nothing was alive: ${printable(what)}.`,
      data: { grant: id ?? null, identity: identity ?? null, changed },
    };
  });
}

/** Sends heartbeats while a command runs; without one, until it is interrupted. */
export async function grantHold(
  context: Context,
  command: readonly string[],
  { grant }: { readonly grant?: string },
): Promise<Outcome> {
  const { runBeside } = await import("../io/run-beside.ts");
  const stop = new AbortController();
  const started = Promise.withResolvers<readonly string[]>();
  const ended: string[] = [];
  const holding = holdGrants({
    connect: () => connect(context),
    ...(grant === undefined ? {} : { grants: grant.split(",") }),
    signal: stop.signal,
    held: started.resolve,
    ended: (id) => {
      ended.push(id);
      print(2, `sesame: grant ${printable(id)} has ended\n`);
    },
  });
  const first = await Promise.race([started.promise, holding.then(() => [])]);
  if (first.length === 0)
    throw new Fault(
      "not-found",
      "there is no grant to hold",
      "`sesame grant list` shows those that are alive",
    );
  if (command.length > 0) {
    const code = await runBeside(command, context.env);
    stop.abort();
    await holding;
    process.exitCode = code;
    return { text: "", data: undefined };
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  print(2, `sesame: holding ${first.length}; stop with Ctrl-C\n`);
  await holding;
  return { text: "", data: { held: first, ended } };
}

type Created = {
  readonly chain: readonly SignedGrant[];
  readonly effective: Scope;
  readonly warnings: readonly string[];
};

type Giver = Context & { readonly keys: HeldKeys };

/** With the keys of the one who gives: a passphrase is asked for once. */
async function opened(context: Context): Promise<Giver> {
  const keys = context.keys ?? (await openKeys(context));
  if (keys !== null) return { ...context, keys };
  throw new Fault("config", `there is no key file of ${context.identity}`, "run `sesame init`");
}

async function give(
  { env, identity, keys }: Giver,
  installation: Installation,
  bus: BusClient,
  terms: Terms,
  above: readonly SignedGrant[],
): Promise<Created> {
  const from = named(installation, identity);
  const to = installation.identities.find(({ id }) => id === terms.delegatee);
  if (to === undefined)
    throw new Fault("not-found", "its delegatee is gone", "`sesame agent list`");
  try {
    const draft = draftGrant(
      { installation: installation.id, delegator: from.id, kind: to.kind, ...terms },
      { wallMs: Date.now(), random: (length) => suite.randomBytes(length) },
    );
    const statement = grantStatement(draft);
    const signature = await signWith(suite, keys, statement, env["SSH_AUTH_SOCK"]);
    const chain = [{ grant: draft, signature }, ...above];
    // The owner says no without a reason; what can be known here is said here.
    const verdict = resolveChain(chain, trustOf(installation), Date.now());
    if (!verdict.allowed)
      throw new Fault(
        "denied",
        `this grant would give nothing: ${REASONS[verdict.reason]}`,
        hintFor(from, above),
      );
    await register(bus, chain, verdict.scope);
    return { chain, effective: verdict.scope, warnings: warningsFor(to, verdict.scope) };
  } catch (cause) {
    if (cause instanceof AuthorityError) throw new Fault("usage", cause.message, LIMITS);
    throw cause;
  } finally {
    keys.signingSeed?.fill(0);
  }
}

function createdOutcome(
  installation: Installation,
  { chain, effective, warnings }: Created,
): Outcome {
  const [leaf] = chain;
  if (leaf === undefined) throw new RangeError("an empty chain");
  const link = summary(installation, leaf.grant, leaf.grant.maxUses);
  const scope = printScope(effective);
  const lines = [
    `Grant ${link.id}: ${link.to} may ${scope}`,
    `until ${new Date(link.endsMs).toISOString()}, while a heartbeat comes every ${durationText(link.heartbeatMs)}:`,
    `  sesame --as ${link.to} grant hold`,
    ...(link.commands ?? []).map((command) => `to run: ${command.join(" ")}`),
    ...(scope === link.scope
      ? []
      : [`Of what was asked, the rest is not yours to give: ${link.scope}`]),
    ...warnings.map((warning) => `Note: ${warning}`),
  ];
  return {
    text: lines.map(printable).join("\n"),
    data: { ...link, effective: scope, warnings },
  };
}

const LIMITS = `at most ${durationText(authorityLimits.MAX_TTL_MS)} long, a heartbeat every ${durationText(authorityLimits.MIN_HEARTBEAT_MS)} to ${durationText(authorityLimits.MAX_HEARTBEAT_MS)}`;

function hintFor(from: Identity, above: readonly SignedGrant[]): string {
  const own = enrolledScope(from.capabilities);
  if (above.length > 0 || own.some(({ depth }) => depth > 0))
    return "`sesame grant show` says what the grant above lets you hand on";
  return "name the grant that you draw on: `--parent ID`; `sesame grant list` shows it";
}

/** Clearance is a matter of its own: what the delegatee's does not reach, no grant opens. */
function warningsFor(to: Identity, scope: Scope): string[] {
  const rows = Object.values(MESSAGES).flatMap((row) => (row.form === "request" ? [row] : []));
  return [...new Set(scope.map(({ capability }) => capability))].flatMap((capability) => {
    const levels = rows.filter(({ needs }) => needs === capability).map(({ level }) => level);
    const least = levels.reduce<Level | null>(
      (low, level) => (low === null || levelRank(level) < levelRank(low) ? level : low),
      null,
    );
    return least === null || dominates(to.clearance, least)
      ? []
      : [
          `${to.name} is cleared for ${to.clearance} and cannot use ${capability}, which takes ${least}`,
        ];
  });
}

/** With every owner of what the grant gives: with all of them, or with none. */
async function register(
  bus: BusClient,
  chain: readonly SignedGrant[],
  effective: Scope,
): Promise<void> {
  const owners = ownersOf(effective.map(({ capability }) => capability));
  if (owners.length === 0)
    throw new Fault(
      "usage",
      "no daemon answers what this would allow",
      "`sesame grant create --help`",
    );
  const grant = chain[0]?.grant.id ?? null;
  const done: GrantOwner[] = [];
  try {
    for (const owner of owners) {
      await owner.ask(bus, "issue", { chain: chain.map(encodeGrant) });
      done.push(owner);
    }
  } catch (cause) {
    for (const owner of done) await owner.ask(bus, "revoke", { grant, identity: null });
    throw cause;
  }
}

/** True if it was alive with one of the owners. Each is asked, whatever another says. */
async function revokeEverywhere(
  bus: BusClient,
  what: { readonly grant: string | null; readonly identity: string | null },
): Promise<boolean> {
  const answers = await Promise.allSettled(
    GRANT_OWNERS.map((owner) => owner.ask(bus, "revoke", what)),
  );
  for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  return answers.some((answer) => answer.status === "fulfilled" && answer.value.changed);
}

/** From the first owner that has it. */
async function chainOf(bus: BusClient, id: string): Promise<SignedGrant[]> {
  let refusal: unknown = new Denial("capability-missing");
  for (const owner of GRANT_OWNERS)
    try {
      const { chain } = await owner.ask(bus, "show", { grant: id });
      return chain.map((one) => decodeGrant(one));
    } catch (cause) {
      refusal = cause;
      if (!(cause instanceof Denial) || cause.code !== "capability-missing") break;
    }
  throw refusal;
}

type Living = { readonly grant: Grant; readonly usesLeft: number | null };

/** Each once, with the fewest uses that an owner has left for it. */
async function all(bus: BusClient): Promise<Living[]> {
  const found = new Map<string, Living>();
  for (const owner of GRANT_OWNERS)
    for (let after: string | null = null; ;) {
      const { grants } = await owner.ask(bus, "list", { after });
      for (const { grant: encoded, usesLeft } of grants) {
        const { grant } = decodeGrant(encoded);
        const other = found.get(grant.id)?.usesLeft ?? usesLeft;
        const least = usesLeft === null || other === null ? null : Math.min(usesLeft, other);
        found.set(grant.id, { grant, usesLeft: least });
        after = grant.id;
      }
      if (grants.length < limits.MAX_GRANTS_LISTED) break;
    }
  return [...found.values()].sort((a, b) => (a.grant.id < b.grant.id ? -1 : 1));
}

type Summary = {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly parent: string | null;
  readonly scope: string;
  readonly profiles: readonly string[] | null;
  readonly endsMs: number;
  readonly heartbeatMs: number;
  readonly usesLeft: number | null;
  /** Program and patterns of its arguments, of each command; null: any, as far as the scope goes. */
  readonly commands: readonly (readonly string[])[] | null;
  /** The only program that may use it. */
  readonly program: { readonly path: string; readonly sha256: string } | null;
};

function summary(installation: Installation, grant: Grant, usesLeft: number | null): Summary {
  const nameOf = (id: string): string =>
    installation.identities.find((identity) => identity.id === id)?.name ?? id;
  const { pointOfUse } = grant;
  return {
    id: grant.id,
    from: nameOf(grant.delegator),
    to: nameOf(grant.delegatee),
    parent: grant.parent,
    scope: printScope(grant.scope),
    profiles: grant.profiles,
    endsMs: grant.issuedAtMs + grant.ttlMs,
    heartbeatMs: grant.heartbeatMs,
    usesLeft,
    commands: grant.commands?.map(({ path, args }) => [path, ...args]) ?? null,
    program:
      pointOfUse === null ? null : { path: pointOfUse.path, sha256: toHex(pointOfUse.sha256) },
  };
}

function trustOf(installation: Installation): Parameters<typeof resolveChain>[1] {
  const { id, identities } = installation;
  return {
    installation: id,
    party: (of) => {
      const identity = identities.find((one) => one.id === of);
      return identity === undefined
        ? null
        : {
            scope: enrolledScope(identity.capabilities),
            signingKey: identity.signingKey,
            revoked: identity.state !== "active",
          };
    },
    verifier: suite,
  };
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

function named({ identities }: Installation, name: string): Identity {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  const identity = identities.find((one) => one.name === name);
  if (identity === undefined)
    throw new Fault("not-found", `there is no identity ${name}`, "`sesame agent list` shows them");
  return identity;
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
