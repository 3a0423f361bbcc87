import {
  bytes,
  decode,
  encode,
  list,
  meetsMinimum,
  struct,
  uint,
  Violation,
  type Minimum,
} from "@sesame/core-types";
import {
  resolveChain,
  sameParty,
  servesProfile,
  servesProgram,
  type Authority,
  type Trust,
  type Verdict,
} from "./chain.ts";
import { Deadlines } from "./deadlines.ts";
import { AuthorityError } from "./errors.ts";
import {
  decodeGrant,
  encodeGrant,
  type Grant,
  type PointOfUse,
  type SignedGrant,
} from "./grant.ts";
import { Groups } from "./groups.ts";
import { Ledger, type Ended, type LedgerOptions, type Now, type Revoker } from "./ledger.ts";
import type { Ending } from "./ledger-state.ts";
import { CLOCK_TOLERANCE_MS, MAX_CHAIN, MAX_GRANT_BYTES, MAX_GRANTS } from "./limits.ts";
import type { Reason } from "./reasons.ts";
import { covers, coversSome, type Verb } from "./scope.ts";

// What one owner knows of grants: their content beside the ledger's word of which are alive.
// docs/AUTHORITY.md, Owners.

/** A call whose caller has proved itself. */
export type Asking = {
  /** Id of the caller's identity. */
  readonly caller: string;
  readonly capability: Verb;
  readonly profile: string | null;
  /** As in core-types' Subject. */
  readonly names: readonly string[] | "reachable" | null;
  /** The caller's program as the owner found it; null: not known. */
  readonly executable: PointOfUse | null;
  /** What the owner knows of the caller's connection. */
  readonly trusted: Minimum;
};

/** A call of which is known what it is about, and not yet how it is made. */
type Wanted = Omit<Asking, "executable" | "trusted">;

/** Links of the longest living chain of grants, by the delegatee's id. */
export type Depths = ReadonlyMap<string, number>;

/** Grants that allow a call together. */
export type Drawing = {
  /** Whether one of them covers a name, which is then drawn on. */
  readonly covers: (name: string) => boolean;
  /** Goes on with those that fit; the reason if they do not allow the call by themselves. */
  readonly narrow: (fits: (authority: Authority) => boolean) => Reason | null;
  /** Ids of those that were drawn on so far. */
  readonly drawn: () => readonly string[];
  /** What these give. */
  readonly authorities: () => readonly Authority[];
};

/** A living grant, for whoever may see it. */
export type Held = {
  readonly signed: SignedGrant;
  readonly usesLeft: number | null;
};

export type BookOptions = LedgerOptions & {
  /** Id of the owner's own identity: it ends what its record no longer bears. */
  readonly self: string;
};

type Entry = {
  readonly signed: SignedGrant;
  readonly encoded: Uint8Array;
  /** As the record that is in force makes it. */
  authority: Authority;
  /** Unix milliseconds of the latest date of issue along the chain. */
  readonly issuedAtMs: number;
  /** Whether a link limits how often it may be used. */
  readonly counted: boolean;
};

const VERSION = 1;

const stateSchema = struct({
  version: uint,
  ledger: bytes(64 * 1024 * 1024),
  grants: list(bytes(MAX_GRANT_BYTES), MAX_GRANTS),
});

/**
 * The grants that an owner goes by. A pure state machine, as its ledger is; `resolveChain` runs when
 * a grant comes in and when the record changes, so that a check costs what its caller's grants cost.
 */
export class GrantBook {
  readonly #self: string;
  readonly #ledger: Ledger;
  /** Living grants by id. */
  readonly #entries = new Map<string, Entry>();
  readonly #byDelegatee = new Groups<Entry>();
  readonly #byDelegator = new Groups<Entry>();
  /** Entries that `takeChanges` has yet to give out. */
  readonly #entered = new Map<string, Entry>();
  /** Chains, from the leaf, of grants that ended by a last use which may still be under way. */
  readonly #spent = new Map<string, readonly SignedGrant[]>();
  readonly #spentEnds = new Deadlines();
  /** How the last grant of an identity ended; for the audit log. */
  readonly #lastEnding = new Map<string, Ending>();
  #trust: Trust;
  #ended: Ended[] = [];
  /** Null: some grant has come or ended since it was found out. */
  #depths: Depths | null = null;

  /** An empty book. */
  constructor(options: BookOptions, trust: Trust, now: Now, ledger = new Ledger(options, now)) {
    this.#self = options.self;
    this.#trust = trust;
    this.#ledger = ledger;
  }

  /**
   * The book that `serialise` wrote. Grants that the record no longer bears have ended.
   *
   * @param changes - what `takeChanges` gave since, in this order
   * @throws {AuthorityError} state-invalid
   */
  static restore(
    options: BookOptions,
    trust: Trust,
    from: Uint8Array,
    now: Now,
    changes: readonly Uint8Array[] = [],
  ): GrantBook {
    const [state, ...since] = [from, ...changes].map(decodeBook) as [Stored, ...Stored[]];
    const ledgers = since.map(({ ledger }) => ledger);
    const restored = Ledger.restore(options, state.ledger, now, ledgers);
    const book = new GrantBook(options, trust, now, restored);
    const stored = [state, ...since].flatMap(({ grants }) => grants);
    const signed = new Map(stored.map((one) => [one.grant.id, one]));
    for (const one of signed.values()) {
      if (!book.#ledger.standing(one, now).live) continue;
      const chain = chainOf(one, (id) => signed.get(id));
      const verdict = resolveChain(chain, trust, now.wallMs);
      if (verdict.allowed) book.#enter(chain, verdict);
      else book.#ledger.revoke(one.grant.id, book.#authority, now);
    }
    if (book.#ledger.living !== book.#entries.size) throw invalid();
    return book;
  }

  /** One encoding for one state; of the grants only those that live. */
  serialise(): Uint8Array {
    return encodeBook(this.#ledger.serialise(), this.#entries.values());
  }

  /**
   * What has changed since the last call. Before the first call, and for a book that was restored,
   * `serialise` has to say the rest.
   */
  takeChanges(): Uint8Array {
    const changes = encodeBook(this.#ledger.takeChanges(), this.#entered.values());
    this.#entered.clear();
    return changes;
  }

  /** Living grants. */
  get size(): number {
    return this.#entries.size;
  }

  /** Links of the longest living chain of each delegatee; the same map until one changes. */
  depths(now: Now): Depths {
    this.#settle(now);
    if (this.#depths !== null) return this.#depths;
    const depths = new Map<string, number>();
    for (const { authority } of this.#entries.values())
      depths.set(
        authority.delegatee,
        Math.max(authority.links, depths.get(authority.delegatee) ?? 0),
      );
    this.#depths = depths;
    return depths;
  }

  /**
   * Registers a chain; its delegator or its delegatee shows it. Doing it again changes nothing.
   *
   * @param chain - from the leaf to the root
   */
  issue(chain: readonly SignedGrant[], by: string, now: Now): Reason | null {
    this.#settle(now);
    const verdict = resolveChain(chain, this.#trust, now.wallMs);
    if (!verdict.allowed) return verdict.reason;
    const leaf = chain[0]?.grant;
    if (by !== leaf?.delegator && by !== leaf?.delegatee) return "not-permitted";
    for (const [i, link] of [...chain.entries()].toReversed()) {
      const known = i === 0 ? verdict : null;
      const reason = this.#issueOne(link, chain.slice(i), known, now);
      if (reason !== null) return reason;
    }
    return null;
  }

  /** The delegatee is still there. Ids of the grants that are not alive, or not its own. */
  heartbeat(ids: readonly string[], by: string, now: Now): string[] {
    const missing = ids.filter((id) => this.#ledger.heartbeat(id, by, now) !== null);
    this.#settle(now);
    return missing;
  }

  /** False if it did not hold; a reason if the revoker may not. */
  revoke(id: string, by: Revoker, now: Now): boolean | Reason {
    this.#settle(now);
    if (!this.#entries.has(id)) return this.#revokeSpent((grant) => grant.id === id, by);
    const reason = this.#ledger.revoke(id, by, now);
    this.#settle(now);
    return reason ?? true;
  }

  /** As `revoke`, for all grants to and from an identity. */
  revokeIdentity(identity: string, by: Revoker, now: Now): boolean | Reason {
    this.#settle(now);
    const before = this.#entries.size;
    const reason = this.#ledger.revokeIdentity(identity, by, now);
    this.#settle(now);
    if (reason !== null) return reason;
    const isMeant = ({ delegator, delegatee }: Grant): boolean =>
      delegator === identity || delegatee === identity;
    const spent = this.#revokeSpent(isMeant, by);
    return this.#entries.size < before || spent;
  }

  /** Ends every grant in the owner's own name. */
  endAll(now: Now): void {
    for (const id of this.#entries.keys()) this.#ledger.revoke(id, this.#authority, now);
    this.#settle(now);
    this.#spent.clear();
  }

  /** Whether it matters to the answer to a call which program its caller runs. */
  demandsProgram(asking: Wanted, now: Now): boolean {
    const { capability, names } = asking;
    const able = this.#able(asking, now);
    if (able === null || typeof able === "string") return false;
    return able.some(
      ({ authority: { pointsOfUse, scope } }) =>
        pointsOfUse.length > 0 &&
        (names === null ||
          names === "reachable" ||
          names.some((name) => covers(scope, capability, name))),
    );
  }

  /** What the caller's living grants allow; a reason if they do not; null if it never had one. */
  permit(asking: Asking, now: Now): Drawing | Reason | null {
    const able = this.#able(asking, now);
    if (able === null || typeof able === "string") return able;
    const fit = able.filter(({ authority }) => servesProgram(authority, asking.executable));
    if (fit.length === 0) return "point-of-use";
    const met = fit.filter(({ authority }) => meetsMinimum(asking.trusted, authority.minimum));
    return met.length === 0 ? "trust-too-low" : draw(asking, met);
  }

  /** The caller's grants that allow such calls, by whatever program. */
  #able(asking: Wanted, now: Now): readonly Entry[] | Reason | null {
    this.#settle(now);
    const { caller } = asking;
    const held = this.#byDelegatee.of(caller);
    if (held.length === 0) return this.#lastEnding.get(caller) ?? null;
    const current = held.filter(({ issuedAtMs }) => isDated(issuedAtMs, now));
    if (current.length === 0) return "not-yet-valid";
    const inProfile = current.filter(({ authority }) => servesProfile(authority, asking.profile));
    if (inProfile.length === 0) return "profile-not-granted";
    const able = inProfile.filter(({ authority: { scope } }) =>
      asking.names === null
        ? covers(scope, asking.capability, null)
        : coversSome(scope, asking.capability),
    );
    return able.length === 0 ? "capability-not-granted" : able;
  }

  /** Takes one use of each grant. True if that is to be stored before what it is for happens. */
  use(ids: readonly string[], by: string, now: Now): boolean | Reason {
    const drawn = ids.flatMap((id) => this.#entries.get(id) ?? []);
    const counted = drawn
      .filter((entry) => entry.counted)
      .map((entry) => ({ ...entry, chain: this.#chainAbove(entry.signed) }));
    let refusal: Reason | null = null;
    for (const id of ids) refusal ??= this.#ledger.use(id, by, now);
    this.#settle(now);
    if (refusal !== null) return refusal;
    for (const { signed, authority, chain } of counted) {
      const { id } = signed.grant;
      if (this.#entries.has(id)) continue;
      this.#spent.set(id, chain);
      this.#spentEnds.add(authority.expiresAtMs, id);
    }
    return counted.length > 0;
  }

  /** Living grants in the order of their ids, from after one of them; those that a viewer may see. */
  list(viewer: Revoker, after: string | null, most: number, now: Now): Held[] {
    this.#settle(now);
    const { id: viewing, admin } = viewer;
    const seen = admin
      ? [...this.#entries.values()]
      : [...this.#byDelegatee.of(viewing), ...this.#byDelegator.of(viewing)];
    const signed = seen
      .map((entry) => entry.signed)
      .filter(({ grant }) => after === null || grant.id > after)
      .sort((a, b) => (a.grant.id < b.grant.id ? -1 : 1));
    const held: Held[] = [];
    for (const one of signed) {
      const standing = this.#ledger.standing(one, now);
      if (standing.live) held.push({ signed: one, usesLeft: standing.usesLeft });
      if (held.length === most) break;
    }
    return held;
  }

  /**
   * True while what draws on a grant may go on: it lives, or it ended by the last use, and neither
   * it nor one above it was revoked, was left without heartbeats or expired since.
   */
  holds(id: string, now: Now): boolean {
    this.#settle(now);
    return this.#entries.has(id) || this.#spent.has(id);
  }

  /** The chain of a living grant from the leaf to the root; null if the viewer may not see it. */
  chain(id: string, viewer: Revoker, now: Now): SignedGrant[] | null {
    this.#settle(now);
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    const chain = this.#chainAbove(entry.signed);
    return chain.some((link) => isParty(link, viewer)) ? chain : null;
  }

  /**
   * Goes by another record from now on: what it does not bear ends. Only chains of whom the record
   * says something else are gone through again.
   */
  trust(trust: Trust, now: Now): void {
    this.#settle(now);
    const isOther = compared(this.#trust, trust);
    this.#trust = trust;
    const isConcerned = (chain: readonly SignedGrant[]): boolean =>
      chain.some(({ grant }) => isOther(grant.delegator) || isOther(grant.delegatee));
    // Those above were entered first: their end takes away those below, and is told as the cause.
    for (const [id, entry] of this.#entries) {
      const chain = this.#chainAbove(entry.signed);
      if (!isConcerned(chain)) continue;
      const verdict = resolveChain(chain, trust, now.wallMs);
      if (verdict.allowed) entry.authority = verdict;
      else this.#ledger.revoke(id, this.#authority, now);
      this.#settle(now);
    }
    for (const [id, chain] of this.#spent)
      if (!resolveChain(chain, trust, now.wallMs).allowed) this.#spent.delete(id);
  }

  /** Lets time pass. Takes what ended since the last call, causes first. */
  tick(now: Now): readonly Ended[] {
    this.#settle(now);
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  get #authority(): Revoker {
    return { id: this.#self, admin: true };
  }

  #issueOne(
    signed: SignedGrant,
    chain: readonly SignedGrant[],
    known: Verdict | null,
    now: Now,
  ): Reason | null {
    const { id } = signed.grant;
    const reason = this.#ledger.issue(signed, now);
    if (reason !== null || this.#entries.has(id)) return reason;
    const verdict = known ?? resolveChain(chain, this.#trust, now.wallMs);
    if (!verdict.allowed) return verdict.reason;
    this.#enter(chain, verdict);
    return null;
  }

  /** @param chain - from the leaf, which is entered */
  #enter(chain: readonly SignedGrant[], authority: Authority): void {
    const [signed] = chain;
    if (signed === undefined) return;
    const { id, delegator, delegatee } = signed.grant;
    const entry: Entry = {
      signed,
      encoded: encodeGrant(signed),
      authority,
      issuedAtMs: Math.max(...chain.map(({ grant }) => grant.issuedAtMs)),
      counted: chain.some(({ grant }) => grant.maxUses !== null),
    };
    this.#entries.set(id, entry);
    this.#depths = null;
    this.#entered.set(id, entry);
    this.#byDelegatee.add(delegatee, id, entry);
    this.#byDelegator.add(delegator, id, entry);
  }

  /** From a living grant to the root. */
  #chainAbove(signed: SignedGrant): SignedGrant[] {
    return chainOf(signed, (above) => this.#entries.get(above)?.signed);
  }

  /** Those with such a grant in their chain hold no more; a reason if the revoker may not. */
  #revokeSpent(isMeant: (grant: Grant) => boolean, by: Revoker): boolean | "not-permitted" {
    const meant = [...this.#spent].flatMap(([id, chain]) => {
      const at = chain.findIndex(({ grant }) => isMeant(grant));
      return at < 0 ? [] : [{ id, above: chain.slice(at) }];
    });
    const isPermitted = ({ above }: (typeof meant)[number]): boolean =>
      by.admin || above.some(({ grant }) => grant.delegator === by.id);
    if (!meant.every(isPermitted)) return "not-permitted";
    for (const { id } of meant) this.#spent.delete(id);
    return meant.length > 0;
  }

  #endSpentBelow(ended: string): void {
    for (const [id, chain] of this.#spent)
      if (chain.some(({ grant }) => grant.id === ended)) this.#spent.delete(id);
  }

  /** Takes out what has ended. */
  #settle(now: Now): void {
    for (const end of this.#ledger.tick(now)) {
      this.#entries.delete(end.id);
      this.#depths = null;
      this.#entered.delete(end.id);
      this.#byDelegatee.remove(end.delegatee, end.id);
      this.#byDelegator.remove(end.delegator, end.id);
      if (end.why !== "used-up" && end.why !== "parent-ended") this.#endSpentBelow(end.id);
      this.#lastEnding.set(end.delegatee, end.why);
      this.#ended.push(end);
    }
    for (let due = this.#spentEnds.takeDue(now.wallMs); due;) {
      this.#spent.delete(due.id);
      due = this.#spentEnds.takeDue(now.wallMs);
    }
  }
}

function draw(asking: Asking, fit: readonly Entry[]): Drawing | Reason {
  const { capability, names } = asking;
  let usable = fit;
  const drawn = new Map<string, Authority>();
  const take = (name: string | null): boolean => {
    // One that is drawn on already costs nothing more.
    const isAble = ({ authority }: Entry): boolean => covers(authority.scope, capability, name);
    const entry =
      usable.find((one) => drawn.has(one.signed.grant.id) && isAble(one)) ?? usable.find(isAble);
    if (entry === undefined) return false;
    drawn.set(entry.signed.grant.id, entry.authority);
    return true;
  };
  const allow = (): Reason | null => {
    drawn.clear();
    if (usable.length === 0) return "capability-not-granted";
    const named = names === null ? [null] : names === "reachable" ? [] : names;
    return named.every(take) ? null : "capability-not-granted";
  };
  const refusal = allow();
  if (refusal !== null) return refusal;
  return {
    covers: take,
    drawn: () => [...drawn.keys()],
    authorities: () => [...drawn.values()],
    narrow: (fits) => {
      usable = usable.filter(({ authority }) => fits(authority));
      return allow();
    },
  };
}

/** From a grant up to the root, as far as they are there. */
function chainOf(leaf: SignedGrant, find: (id: string) => SignedGrant | undefined): SignedGrant[] {
  const chain = [leaf];
  for (let above = leaf.grant.parent; above !== null && chain.length < MAX_CHAIN;) {
    const link = find(above);
    if (link === undefined) break;
    chain.push(link);
    above = link.grant.parent;
  }
  return chain;
}

/** Whether two records say something else of an identity; for chains, that is. */
function compared(before: Trust, after: Trust): (id: string) => boolean {
  if (before.installation !== after.installation) return () => true;
  const known = new Map<string, boolean>();
  return (id) => {
    const isOther = known.get(id) ?? !sameParty(before.party(id), after.party(id));
    known.set(id, isOther);
    return isOther;
  };
}

/** As for a chain that is shown; written so that a clock which is no number refuses. */
function isDated(issuedAtMs: number, { wallMs }: Now): boolean {
  return issuedAtMs <= wallMs + CLOCK_TOLERANCE_MS;
}

function isParty({ grant }: SignedGrant, { id, admin }: Revoker): boolean {
  return admin || grant.delegator === id || grant.delegatee === id;
}

/** What a book or its changes are stored as. */
type Stored = { readonly ledger: Uint8Array; readonly grants: readonly SignedGrant[] };

function encodeBook(ledger: Uint8Array, entries: Iterable<Entry>): Uint8Array {
  const grants = [...entries].map(({ encoded }) => encoded);
  return encode(stateSchema, { version: VERSION, ledger, grants });
}

function decodeBook(from: Uint8Array): Stored {
  try {
    const { version, ledger, grants } = decode(stateSchema, from);
    if (version !== VERSION) throw invalid();
    return { ledger, grants: grants.map((one) => decodeGrant(one)) };
  } catch (cause) {
    if (cause instanceof Violation || cause instanceof AuthorityError) throw invalid();
    throw cause;
  }
}

function invalid(): AuthorityError {
  return new AuthorityError("state-invalid", "not the state of an owner's grants");
}
