import {
  AuthorityError,
  authorityLimits,
  draftGrant,
  enrolledScope,
  grantStatement,
  printScope,
  REASONS,
  resolveChain,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { holdGrants } from "@sesame/core-ipc/grants";
import { grantTrust, signWith, type HeldKeys, type Installation } from "@sesame/core-ipc/daemon";
import { Denial, Fault, type Identity } from "@sesame/core-types";
import { connect, openKeys, pathsOf, withBus, type Context } from "../context.ts";
import { durationText } from "../duration.ts";
import { chainOf, livingGrants, register, revokeEverywhere } from "../grants/owners.ts";
import {
  createdOutcome,
  minimumText,
  postureWarning,
  summary,
  warningsFor,
  type Created,
} from "../grants/summary.ts";
import { named, termsOf, type CreateFlags, type Terms } from "../grants/terms.ts";
import { presentMembers } from "../io/members.ts";
import { print } from "../io/print.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";

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
  const giver = await opened(context);
  return withBus(giver, async (bus) => {
    const installation = await presentMembers(bus, pathsOf(context));
    const given = termsOf(context, installation, words, flags);
    const above = given.parent === null ? [] : await chainOf(bus, given.parent);
    const made = await give(giver, installation, bus, given, above);
    return createdOutcome(installation, made);
  });
}

export function grantList(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const installation = await presentMembers(bus, pathsOf(context));
    const rows = (await livingGrants(bus)).map(({ grant, usesLeft }) =>
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
  return withBus(context, async (bus) => {
    const installation = await presentMembers(bus, pathsOf(context));
    const chain = await chainOf(bus, id);
    const effective = resolveChain(chain, trustNow(installation), Date.now());
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
        ...links.flatMap((link) => minimumText(link).map((text) => `${link.id} ${text}`)),
      ].join("\n"),
      data: { chain: links, scope },
    };
  });
}

/** The same grant from now on; the old one ends. */
export async function grantRenew(context: Context, id: string): Promise<Outcome> {
  const giver = await opened(context);
  return withBus(giver, async (bus) => {
    const installation = await presentMembers(bus, pathsOf(context));
    const [old, ...above] = await chainOf(bus, id);
    if (old === undefined) throw new Denial("capability-missing");
    const { id: _id, issuedAtMs: _issued, nonce: _nonce, delegator: _from, ...terms } = old.grant;
    const made = await give(giver, installation, bus, terms, above);
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
  return withBus(context, async (bus) => {
    const installation = await presentMembers(bus, pathsOf(context));
    const of = identity === undefined ? null : named(installation, identity).id;
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
    const verdict = resolveChain(chain, trustNow(installation), Date.now());
    if (!verdict.allowed)
      throw new Fault(
        "denied",
        `this grant would give nothing: ${REASONS[verdict.reason]}`,
        hintFor(from, above),
      );
    await register(bus, chain, verdict.scope);
    const { minimum, scope } = verdict;
    const unmet =
      minimum.posture === 0 ? [] : postureWarning(minimum, (await bus.call("trust.own", {})).trust);
    return { chain, effective: scope, warnings: [...warningsFor(to, scope), ...unmet] };
  } catch (cause) {
    if (cause instanceof AuthorityError) throw new Fault("usage", cause.message, LIMITS);
    throw cause;
  } finally {
    keys.signingSeed?.fill(0);
  }
}

const LIMITS = `at most ${durationText(authorityLimits.MAX_TTL_MS)} long, a heartbeat every ${durationText(authorityLimits.MIN_HEARTBEAT_MS)} to ${durationText(authorityLimits.MAX_HEARTBEAT_MS)}`;

function trustNow(installation: Installation): ReturnType<typeof grantTrust> {
  return grantTrust(suite, installation, Date.now());
}

function hintFor(from: Identity, above: readonly SignedGrant[]): string {
  const own = enrolledScope(from.capabilities);
  if (above.length > 0 || own.some(({ depth }) => depth > 0))
    return "`sesame grant show` says what the grant above lets you hand on";
  return "name the grant that you draw on: `--parent ID`; `sesame grant list` shows it";
}
