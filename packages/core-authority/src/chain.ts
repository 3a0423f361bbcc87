import { equalBytes, type Suite } from "@sesame/core-crypto";
import { meetsMinimum, NO_MINIMUM, stricterMinimum, type Minimum } from "@sesame/core-types";
import { admitted, meetsDigests, type Command, type CommandRules } from "./command.ts";
import { AuthorityError } from "./errors.ts";
import { isSignedGrant, type Grant, type PointOfUse, type SignedGrant } from "./grant.ts";
import type { Now, Standing } from "./ledger.ts";
import { CLOCK_TOLERANCE_MS, MAX_CHAIN } from "./limits.ts";
import type { Reason } from "./reasons.ts";
import { covers, handOn, meet, printScope, type Scope, type Verb } from "./scope.ts";

// What a chain of grants allows. Decided by whoever owns what is asked for, from signatures and its
// own pinned records alone. docs/AUTHORITY.md, Chains.

/** What the verifier knows of an identity, from the signed enrolment. */
export type Party = {
  /** By enrolment: `enrolledScope`. */
  readonly scope: Scope;
  /** Ed25519, 32 bytes. */
  readonly signingKey: Uint8Array;
  /** Keys that it signed with before, and that are its own still. */
  readonly formerKeys?: readonly Uint8Array[];
  readonly revoked: boolean;
};

/** Whether the same is known of both. */
export function sameParty(one: Party | null, other: Party | null): boolean {
  if (one === null || other === null) return one === other;
  const keysOf = ({ signingKey, formerKeys = [] }: Party): readonly Uint8Array[] => [
    signingKey,
    ...formerKeys,
  ];
  const [keys, others] = [keysOf(one), keysOf(other)];
  return (
    one.revoked === other.revoked &&
    printScope(one.scope) === printScope(other.scope) &&
    keys.length === others.length &&
    keys.every((key, i) => equalBytes(key, others[i] ?? new Uint8Array()))
  );
}

/** What a verifier goes by: nothing in here comes with the chain. */
export type Trust = {
  /** Id of the installation. */
  readonly installation: string;
  /** The enrolled identity of an id; null if there is none. */
  readonly party: (id: string) => Party | null;
  readonly verifier: Pick<Suite, "ed25519Verify">;
};

/** What a chain gives to the delegatee of its leaf. */
export type Authority = {
  /** Id of the leaf. */
  readonly grant: string;
  readonly delegatee: string;
  readonly scope: Scope;
  /** Sorted names; null: all profiles. */
  readonly profiles: readonly string[] | null;
  /** Unix milliseconds at which the first link is over. */
  readonly expiresAtMs: number;
  /** The user's program has to be each of them. */
  readonly pointsOfUse: readonly PointOfUse[];
  /** Rules of each link that limits commands. */
  readonly commands: readonly CommandRules[];
  /** How far the connection of its user has to be trusted. */
  readonly minimum: Minimum;
  /** How many links there are. */
  readonly links: number;
};

/** A call that draws on a chain. */
export type Request = {
  /** Id of the identity that the caller proved. */
  readonly caller: string;
  readonly capability: Verb;
  /** Secret concerned, or null. */
  readonly name: string | null;
  /** Profile concerned, or null. */
  readonly profile: string | null;
  /** The caller's program as the verifier found it; null: not known. */
  readonly executable: PointOfUse | null;
  /** What is known of the caller's connection. */
  readonly trusted: Minimum;
};

export type Refused = { readonly allowed: false; readonly reason: Reason };

export type Verdict = ({ readonly allowed: true } & Authority) | Refused;

/** The part of a ledger that decisions need. */
export type LedgerView = { readonly standing: (signed: SignedGrant, now: Now) => Standing };

/**
 * Whether a chain allows a call now: everything of `resolveChain`, the ledger's word that every
 * link is alive, and the call within what results.
 *
 * @param chain - from the leaf, given to the caller, to the root, given by enrolment
 */
export function verifyChain(
  chain: readonly SignedGrant[],
  context: {
    readonly trust: Trust;
    readonly ledger: LedgerView;
    readonly now: Now;
    readonly request: Request;
  },
): Verdict {
  const { trust, ledger, now, request } = context;
  const authority = resolveChain(chain, trust, now.wallMs);
  if (!authority.allowed) return authority;
  for (const link of chain.toReversed()) {
    const standing = ledger.standing(link, now);
    if (!standing.live) return refused(standing.reason);
  }
  const reason = refusalOf(authority, request);
  return reason === null ? authority : refused(reason);
}

/**
 * What a chain gives by itself, whether or not its grants are registered yet: signatures, links,
 * dates, and the meet of everything along it.
 */
export function resolveChain(chain: readonly SignedGrant[], trust: Trust, wallMs: number): Verdict {
  const links = chain.toReversed();
  const root = links[0];
  if (root === undefined) return refused("chain-empty");
  if (links.length > MAX_CHAIN) return refused("chain-too-long");
  if (repeats(links)) return refused("chain-cycle");
  const origin = trust.party(root.grant.delegator);
  if (origin === null) return refused("identity-unknown");
  let parent: Grant | null = null;
  let authority: Authority = {
    grant: "",
    delegatee: root.grant.delegator,
    scope: origin.scope,
    profiles: null,
    expiresAtMs: Number.POSITIVE_INFINITY,
    pointsOfUse: [],
    commands: [],
    minimum: NO_MINIMUM,
    links: 0,
  };
  for (const link of links) {
    const reason = linkRefusal(link, parent, trust, wallMs);
    if (reason !== null) return refused(reason);
    const scope = scopeThrough(authority.scope, link.grant.scope);
    if (typeof scope === "string") return refused(scope);
    authority = through(authority, link.grant, scope);
    parent = link.grant;
  }
  return { allowed: true, ...authority };
}

function refused(reason: Reason): Refused {
  return { allowed: false, reason };
}

/** Every grant once, and every identity once: nobody hands a right back to where it came from. */
function repeats(links: readonly SignedGrant[]): boolean {
  const ids = new Set(links.map(({ grant }) => grant.id));
  const parties = new Set(links.map(({ grant }) => grant.delegatee));
  const origin = links[0]?.grant.delegator;
  return (
    ids.size < links.length ||
    parties.size < links.length ||
    (origin !== undefined && parties.has(origin))
  );
}

function linkRefusal(
  link: SignedGrant,
  parent: Grant | null,
  { installation, party, verifier }: Trust,
  wallMs: number,
): Reason | null {
  const { grant } = link;
  if (grant.installation !== installation) return "other-installation";
  if (grant.parent !== (parent?.id ?? null)) return "link-broken";
  if (parent !== null && grant.delegator !== parent.delegatee) return "link-broken";
  const delegator = party(grant.delegator);
  const delegatee = party(grant.delegatee);
  if (delegator === null || delegatee === null) return "identity-unknown";
  if (delegator.revoked || delegatee.revoked) return "identity-revoked";
  const keys = [delegator.signingKey, ...(delegator.formerKeys ?? [])];
  if (!keys.some((key) => isSignedGrant(verifier, key, link))) return "signature-invalid";
  // Written so that a clock which is no number refuses.
  if (!(grant.issuedAtMs <= wallMs + CLOCK_TOLERANCE_MS)) return "not-yet-valid";
  if (!(wallMs < grant.issuedAtMs + grant.ttlMs)) return "expired";
  return null;
}

/** What a grant lets through of its delegator's scope. */
function scopeThrough(held: Scope, given: Scope): Scope | Reason {
  const delegable = handOn(held);
  if (delegable.length === 0) return "not-delegable";
  try {
    const scope = meet(delegable, given);
    return scope.length === 0 ? "scope-empty" : scope;
  } catch (cause) {
    if (cause instanceof AuthorityError) return "scope-too-large";
    throw cause;
  }
}

function through(above: Authority, grant: Grant, scope: Scope): Authority {
  const { profiles, pointOfUse, commands, minimum } = grant;
  return {
    grant: grant.id,
    delegatee: grant.delegatee,
    scope,
    profiles:
      above.profiles === null || profiles === null
        ? (above.profiles ?? profiles)
        : above.profiles.filter((name) => profiles.includes(name)),
    expiresAtMs: Math.min(above.expiresAtMs, grant.issuedAtMs + grant.ttlMs),
    pointsOfUse: pointOfUse === null ? above.pointsOfUse : [...above.pointsOfUse, pointOfUse],
    commands: commands === null ? above.commands : [...above.commands, commands],
    minimum: minimum === null ? above.minimum : stricterMinimum(above.minimum, minimum),
    links: above.links + 1,
  };
}

/**
 * Whether a chain lets a command be run with what it lets its delegatee use.
 *
 * @returns null if not; else what the program's SHA-256 has to be: one of each list
 */
export function commandDigests(
  { commands, links }: Authority,
  command: Command,
): readonly (readonly Uint8Array[])[] | null {
  // Every link has to say that output may go out unredacted: silence hands nothing on.
  if (command.plain && commands.length < links) return null;
  return admitted(commands, command);
}

/** Whether a chain lets a program with this content be run for a command. */
export function commandAllowed(
  authority: Authority,
  command: Command,
  sha256: Uint8Array,
): boolean {
  const demands = commandDigests(authority, command);
  return demands !== null && meetsDigests(demands, sha256);
}

function refusalOf(authority: Authority, request: Request): Reason | null {
  const { caller, capability, name, profile, executable, trusted } = request;
  if (caller !== authority.delegatee) return "not-delegatee";
  if (!servesProfile(authority, profile)) return "profile-not-granted";
  if (!covers(authority.scope, capability, name)) return "capability-not-granted";
  if (!servesProgram(authority, executable)) return "point-of-use";
  return meetsMinimum(trusted, authority.minimum) ? null : "trust-too-low";
}

/** Whether a chain is for a profile; null: for a request about none. */
export function servesProfile({ profiles }: Authority, profile: string | null): boolean {
  return profiles === null || (profile !== null && profiles.includes(profile));
}

/** Whether a chain may be used by a program; null: it is not known which. */
export function servesProgram({ pointsOfUse }: Authority, executable: PointOfUse | null): boolean {
  return pointsOfUse.every((demanded) => isProgram(demanded, executable));
}

function isProgram(demanded: PointOfUse, found: PointOfUse | null): boolean {
  return (
    found !== null && demanded.path === found.path && equalBytes(demanded.sha256, found.sha256)
  );
}
