import {
  AuthorityError,
  authorityLimits,
  decodeGrant,
  draftGrant,
  encodeGrant,
  enrolledScope,
  parseScope,
  printScope,
  REASONS,
  resolveChain,
  signGrant,
  type Grant,
  type Scope,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { loadKeyFile, requireInstallation, type Installation } from "@sesame/core-ipc/daemon";
import {
  BUS_HOST,
  Denial,
  dominates,
  Fault,
  isIdentityName,
  isProfileName,
  levelRank,
  limits,
  MESSAGES,
  VAULT_OWNER,
  type Identity,
  type Level,
} from "@sesame/core-types";
import { connect, keyFileOf, pathsOf, withBus, type Context } from "../context.ts";
import { durationMs, durationText } from "../duration.ts";
import { print } from "../io/print.ts";
import { table, type Outcome } from "../render.ts";
import { printable } from "../printable.ts";

export type CreateFlags = {
  readonly to?: string;
  readonly scope?: string;
  readonly profile?: string;
  readonly ttl?: string;
  readonly heartbeat?: string;
  readonly "max-uses"?: string;
  readonly depth?: string;
  readonly parent?: string;
};

type Terms = Pick<Grant, "delegatee" | "parent" | "scope"> &
  Partial<
    Pick<Grant, "profiles" | "ttlMs" | "heartbeatMs" | "maxUses" | "pointOfUse" | "commands">
  >;

/** Gives another identity some of one's own rights, for a time. */
export function grantCreate(context: Context, flags: CreateFlags): Promise<Outcome> {
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
    ...(flags["max-uses"] === undefined
      ? {}
      : { maxUses: numberOf(flags["max-uses"], "--max-uses") }),
  };
  return withBus(context, async (bus) => {
    const above = given.parent === null ? [] : await chainOf(bus, given.parent);
    const made = await give(context, installation, bus, given, above);
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
        effective.allowed
          ? `Together: ${printable(scope)}`
          : `Together nothing: ${REASONS[effective.reason]}.`,
      ].join("\n"),
      data: { chain: links, scope },
    };
  });
}

/** The same grant from now on; the old one ends. */
export function grantRenew(context: Context, id: string): Promise<Outcome> {
  const installation = requireInstallation(suite, pathsOf(context));
  return withBus(context, async (bus) => {
    const [old, ...above] = await chainOf(bus, id);
    if (old === undefined) throw new Denial("capability-missing");
    const { ttlMs, heartbeatMs, maxUses, profiles, pointOfUse, commands, ...rest } = old.grant;
    const { delegatee, parent, scope } = rest;
    const terms = { ttlMs, heartbeatMs, maxUses, profiles, pointOfUse, commands };
    const made = await give(
      context,
      installation,
      bus,
      { delegatee, parent, scope, ...terms },
      above,
    );
    await bus.call("grant.revoke", { grant: id, identity: null });
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
    const { changed } = await bus.call("grant.revoke", { grant: id ?? null, identity: of });
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
  const { holdGrants } = await import("@sesame/core-ipc/grants");
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

async function give(
  context: Context,
  installation: Installation,
  bus: BusClient,
  terms: Terms,
  above: readonly SignedGrant[],
): Promise<Created> {
  const from = named(installation, context.identity);
  const keys = loadKeyFile(suite, keyFileOf(pathsOf(context), context.identity));
  if (keys === null)
    throw new Fault("config", `there is no key file of ${from.name}`, "run `sesame init`");
  const to = installation.identities.find(({ id }) => id === terms.delegatee);
  if (to === undefined)
    throw new Fault("not-found", "its delegatee is gone", "`sesame agent list`");
  try {
    const draft = draftGrant(
      { installation: installation.id, delegator: from.id, kind: to.kind, ...terms },
      { wallMs: Date.now(), random: (length) => suite.randomBytes(length) },
    );
    const signed = signGrant(draft, (message) => suite.ed25519Sign(keys.signingSeed, message));
    const chain = [signed, ...above];
    // The owner says no without a reason; what can be known here is said here.
    const verdict = resolveChain(chain, trustOf(installation), Date.now());
    if (!verdict.allowed)
      throw new Fault(
        "denied",
        `this grant would give nothing: ${REASONS[verdict.reason]}`,
        hintFor(from, above),
      );
    await bus.call("grant.issue", { chain: chain.map(encodeGrant) });
    return { chain, effective: verdict.scope, warnings: warningsFor(to, verdict.scope) };
  } catch (cause) {
    if (cause instanceof AuthorityError) throw new Fault("usage", cause.message, LIMITS);
    throw cause;
  } finally {
    keys.signingSeed.fill(0);
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
    const owned = rows.some(({ needs, owner }) => needs === capability && owner === VAULT_OWNER);
    if (!owned && capability !== "admin" && levels.length > 0)
      return [`${capability} is answered by ${BUS_HOST}, which goes by enrolment alone`];
    return least === null || dominates(to.clearance, least)
      ? []
      : [
          `${to.name} is cleared for ${to.clearance} and cannot use ${capability}, which takes ${least}`,
        ];
  });
}

async function chainOf(bus: BusClient, id: string): Promise<SignedGrant[]> {
  return (await bus.call("grant.show", { grant: id })).chain.map((one) => decodeGrant(one));
}

async function all(bus: BusClient): Promise<{ grant: Grant; usesLeft: number | null }[]> {
  const found: { grant: Grant; usesLeft: number | null }[] = [];
  for (;;) {
    const after = found.at(-1)?.grant.id ?? null;
    const { grants } = await bus.call("grant.list", { after });
    found.push(
      ...grants.map(({ grant, usesLeft }) => ({ grant: decodeGrant(grant).grant, usesLeft })),
    );
    if (grants.length < limits.MAX_GRANTS_LISTED) return found;
  }
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
};

function summary(installation: Installation, grant: Grant, usesLeft: number | null): Summary {
  const nameOf = (id: string): string =>
    installation.identities.find((identity) => identity.id === id)?.name ?? id;
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
            revoked: false,
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
