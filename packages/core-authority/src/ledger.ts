import { equalBytes } from "@sesame/core-crypto";
import { toHex } from "@sesame/core-types";
import { Deadlines } from "./deadlines.ts";
import type { SignedGrant } from "./grant.ts";
import { IdIndex } from "./id-index.ts";
import {
  decodeState,
  encodeChanges,
  encodeState,
  type Ending,
  type GrantRecord,
} from "./ledger-state.ts";
import {
  CLOCK_TOLERANCE_MS,
  HEARTBEAT_INTERVALS,
  MAX_CHAIN,
  MAX_GRANTS,
  MAX_GRANTS_PER_DELEGATOR,
} from "./limits.ts";
import type { Reason } from "./reasons.ts";

/** Both clocks, in milliseconds. */
export type Now = {
  /** Unix time; may be set back and forth. */
  readonly wallMs: number;
  /** Since the machine's start, suspend included; never goes back. CLOCK_BOOTTIME, time(7) */
  readonly bootMs: number;
};

export type Standing =
  | { readonly live: true; readonly usesLeft: number | null }
  | { readonly live: false; readonly reason: Reason };

/** Who asks for a revocation. */
export type Revoker = {
  /** Id of the identity that the caller proved. */
  readonly id: string;
  /** Whether its enrolment covers `admin`. */
  readonly admin: boolean;
};

/** A grant ended; for the audit log. */
export type Ended = {
  readonly id: string;
  readonly delegator: string;
  readonly delegatee: string;
  readonly why: Ending;
  /** The grant whose end brought this one about: itself, or one above it. */
  readonly origin: string;
  /** Id of the identity that revoked the origin, or null. */
  readonly by: string | null;
};

export type LedgerOptions = {
  /** Names this start of the machine: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  readonly maxGrants?: number;
  readonly maxGrantsPerDelegator?: number;
};

type Row = { -readonly [Field in keyof GrantRecord]: GrantRecord[Field] };

/**
 * Which grants are alive. A pure state machine: time comes in with every operation, which first
 * ends whatever is due, so that a grant found dead stays dead whatever the clocks do later.
 * Operations answer null, or the reason why nothing was done. docs/AUTHORITY.md, Ledger.
 */
export class Ledger {
  readonly #rows = new Map<string, Row>();
  readonly #children = new IdIndex();
  readonly #given = new IdIndex();
  readonly #received = new IdIndex();
  readonly #nonces = new Set<string>();
  // Derived from the rows: when each is to be looked at next, by either clock.
  readonly #byBoot = new Deadlines();
  readonly #byWall = new Deadlines();
  #events: Ended[] = [];
  // What `takeChanges` has yet to give out: rows, each in one of the sets, and ids.
  readonly #added = new Set<Row>();
  readonly #changed = new Set<Row>();
  readonly #forgotten = new Set<string>();

  readonly #options: Required<LedgerOptions>;
  #bootMs: number;
  readonly #openedAtMs: number;
  #floorMs = 0;
  #living = 0;

  /** An empty ledger; it takes no grant that was issued before it was opened. */
  constructor(options: LedgerOptions, now: Now, openedAtMs = Math.ceil(now.wallMs)) {
    this.#options = {
      maxGrants: MAX_GRANTS,
      maxGrantsPerDelegator: MAX_GRANTS_PER_DELEGATOR,
      ...options,
    };
    this.#bootMs = Math.floor(now.bootMs);
    this.#openedAtMs = openedAtMs;
  }

  /**
   * The ledger that `serialise` wrote. After a new start of the machine it only remembers: every
   * grant that was alive has ended.
   *
   * @param changes - what `takeChanges` gave since, in this order
   * @throws {AuthorityError} state-invalid
   */
  static restore(
    options: LedgerOptions,
    from: Uint8Array,
    now: Now,
    changes: readonly Uint8Array[] = [],
  ): Ledger {
    const state = decodeState(from, changes);
    const ledger = new Ledger(options, now, state.openedAtMs);
    ledger.#floorMs = state.floorMs;
    const sameBoot = state.bootId === options.bootId;
    const shift = sameBoot ? 0 : ledger.#bootMs - state.bootMs;
    for (const record of state.records)
      // An end that had passed by the old start's clock has passed.
      ledger.#hold({ ...record, endsBootMs: Math.max(0, record.endsBootMs + shift) });
    if (!sameBoot) for (const { id } of state.records) ledger.#endOne(id, "rebooted", id, null);
    ledger.#sweep(now);
    return ledger;
  }

  /** Everything but the events that nobody has taken yet; one encoding for one state. */
  serialise(): Uint8Array {
    return encodeState({
      bootId: this.#options.bootId,
      bootMs: this.#bootMs,
      openedAtMs: this.#openedAtMs,
      floorMs: this.#floorMs,
      records: [...this.#rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    });
  }

  /**
   * What has changed since the last call. Before the first call, and for a ledger that was restored,
   * `serialise` has to say the rest.
   */
  takeChanges(): Uint8Array {
    const changes = encodeChanges({
      bootMs: this.#bootMs,
      floorMs: this.#floorMs,
      forgotten: [...this.#forgotten],
      added: [...this.#added],
      changed: [...this.#changed],
    });
    for (const given of [this.#forgotten, this.#added, this.#changed]) given.clear();
    return changes;
  }

  /** Grants that are held or remembered. */
  get size(): number {
    return this.#rows.size;
  }

  /** Grants that are alive, as far as time has passed. */
  get living(): number {
    return this.#living;
  }

  /**
   * Registers a grant whose chain `resolveChain` has accepted. Doing it again changes nothing.
   * Its heartbeats count from now.
   */
  issue(signed: SignedGrant, now: Now): Reason | null {
    this.#sweep(now);
    const { grant, signature } = signed;
    const known = this.#rows.get(grant.id);
    if (known !== undefined) {
      if (!equalBytes(known.signature, signature)) return "grant-differs";
      return known.ended === null ? null : "replayed";
    }
    const expiresAtMs = grant.issuedAtMs + grant.ttlMs;
    const reason = this.#issueRefusal(signed, expiresAtMs, now.wallMs);
    if (reason !== null) return reason;
    const left = Math.min(grant.ttlMs, Math.ceil(expiresAtMs - now.wallMs));
    const row: Row = {
      id: grant.id,
      parent: grant.parent,
      delegator: grant.delegator,
      delegatee: grant.delegatee,
      nonce: grant.nonce,
      signature,
      links: (this.#parentOf(grant)?.links ?? 0) + 1,
      expiresAtMs,
      endsBootMs: this.#bootMs + left,
      heartbeatMs: grant.heartbeatMs,
      beatBootMs: this.#bootMs,
      usesLeft: grant.maxUses,
      ended: null,
    };
    this.#hold(row);
    this.#added.add(row);
    return null;
  }

  /** The delegatee is still there. */
  heartbeat(id: string, by: string, now: Now): Reason | null {
    this.#sweep(now);
    const row = this.#live(id);
    if (typeof row === "string") return row;
    if (row.delegatee !== by) return "not-delegatee";
    row.beatBootMs = this.#bootMs;
    this.#touch(row);
    return null;
  }

  /** Whether exactly this grant is registered and alive, with all above it. */
  standing({ grant, signature }: SignedGrant, now: Now): Standing {
    this.#sweep(now);
    const known = this.#rows.get(grant.id);
    if (known !== undefined && !equalBytes(known.signature, signature))
      return { live: false, reason: "grant-differs" };
    const row = this.#live(grant.id);
    if (typeof row === "string") return { live: false, reason: row };
    return { live: true, usesLeft: row.usesLeft };
  }

  /**
   * Takes one use of a grant and of every grant above it that limits them. The state has to be on
   * disk before what the use is for happens.
   */
  use(id: string, by: string, now: Now): Reason | null {
    this.#sweep(now);
    const row = this.#live(id);
    if (typeof row === "string") return row;
    if (row.delegatee !== by) return "not-delegatee";
    // A grant without uses left has ended, and with it all below: each of these has one.
    const links = [row, ...this.#above(row)];
    for (const link of links)
      if (link.usesLeft !== null) {
        link.usesLeft -= 1;
        this.#touch(link);
      }
    for (const link of links.reverse())
      if (link.usesLeft === 0) this.#end(link.id, "used-up", null);
    return null;
  }

  /** Ends a grant and all below it, if the revoker is a delegator of its chain or administrator. */
  revoke(id: string, by: Revoker, now: Now): Reason | null {
    this.#sweep(now);
    const row = this.#live(id);
    if (typeof row === "string") return row;
    if (!this.#mayRevoke(row, by)) return "not-permitted";
    this.#end(id, "revoked", by.id);
    return null;
  }

  /** Ends every grant to or from an identity that the revoker may end; all of them, or none. */
  revokeIdentity(identity: string, by: Revoker, now: Now): Reason | null {
    this.#sweep(now);
    const ids = new Set([...this.#received.of(identity), ...this.#given.of(identity)]);
    const live = [...ids].map((id) => this.#live(id)).filter((row) => typeof row !== "string");
    if (live.some((row) => !this.#mayRevoke(row, by))) return "not-permitted";
    if (live.length === 0 && !by.admin) return "not-permitted";
    for (const { id } of live) this.#end(id, "revoked", by.id);
    return null;
  }

  /** Lets time pass. Takes the events since the last call, in the order in which they happened. */
  tick(now: Now): readonly Ended[] {
    this.#sweep(now);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #issueRefusal({ grant }: SignedGrant, expiresAtMs: number, wallMs: number): Reason | null {
    const { maxGrants, maxGrantsPerDelegator } = this.#options;
    if (!(grant.issuedAtMs <= wallMs + CLOCK_TOLERANCE_MS)) return "not-yet-valid";
    if (!(wallMs < expiresAtMs)) return "expired";
    // What was forgotten expired by the floor; so nothing that was forgotten comes back.
    if (expiresAtMs <= this.#floorMs || grant.issuedAtMs < this.#openedAtMs) return "replayed";
    if (this.#nonces.has(toHex(grant.nonce))) return "nonce-reused";
    if (grant.parent !== null) {
      const parent = this.#parentOf(grant);
      if (parent === undefined) return "not-registered";
      if (parent.ended !== null) return "parent-ended";
      if (parent.delegatee !== grant.delegator) return "link-broken";
      if (parent.links >= MAX_CHAIN) return "chain-too-long";
    }
    const isFull =
      this.#rows.size >= maxGrants || this.#given.count(grant.delegator) >= maxGrantsPerDelegator;
    return isFull ? "ledger-full" : null;
  }

  /** Ends what is due by either clock and forgets what is over by both. */
  #sweep({ wallMs, bootMs }: Now): void {
    if (!Number.isFinite(wallMs) || !Number.isFinite(bootMs))
      throw new RangeError("a clock gives numbers");
    this.#bootMs = Math.floor(bootMs);
    for (let due = this.#byWall.takeDue(wallMs); due; due = this.#byWall.takeDue(wallMs)) {
      const row = this.#rows.get(due.id);
      if (row !== undefined) this.#settle(row, wallMs);
    }
    for (let due = this.#byBoot.takeDue(this.#bootMs); due;) {
      const row = this.#rows.get(due.id);
      if (row !== undefined) this.#review(row, due.atMs, wallMs);
      due = this.#byBoot.takeDue(this.#bootMs);
    }
  }

  #review(row: Row, atMs: number, wallMs: number): void {
    const dueMs = nextReview(row);
    // A heartbeat came since: it has its turn when that one's interval is over.
    if (dueMs > atMs) return this.#byBoot.add(dueMs, row.id);
    this.#settle(row, wallMs);
    if (this.#bootMs < row.endsBootMs) this.#byBoot.add(nextReview(row), row.id);
    // That clock may have been set back since; if the row is forgotten, nothing comes of it.
    else this.#byWall.add(row.expiresAtMs, row.id);
  }

  /** Of a grant that is due by a clock. */
  #settle(row: Row, wallMs: number): void {
    const overByWall = wallMs >= row.expiresAtMs;
    const overByBoot = this.#bootMs >= row.endsBootMs;
    if (row.ended === null) {
      // Whichever came first by the clock that both share.
      const silent = this.#bootMs >= silentAt(row) && silentAt(row) < row.endsBootMs;
      this.#end(row.id, silent ? "heartbeat-missed" : "expired", null);
    }
    if (overByWall && overByBoot) this.#forget(row);
  }

  #hold(row: Row): void {
    this.#rows.set(row.id, row);
    if (row.ended === null) this.#living++;
    this.#nonces.add(toHex(row.nonce));
    this.#given.add(row.delegator, row.id);
    this.#received.add(row.delegatee, row.id);
    if (row.parent !== null) this.#children.add(row.parent, row.id);
    this.#byWall.add(row.expiresAtMs, row.id);
    this.#byBoot.add(nextReview(row), row.id);
  }

  #touch(row: Row): void {
    if (!this.#added.has(row)) this.#changed.add(row);
  }

  #forget(row: Row): void {
    this.#rows.delete(row.id);
    this.#changed.delete(row);
    if (!this.#added.delete(row)) this.#forgotten.add(row.id);
    this.#nonces.delete(toHex(row.nonce));
    this.#given.remove(row.delegator, row.id);
    this.#received.remove(row.delegatee, row.id);
    if (row.parent !== null) this.#children.remove(row.parent, row.id);
    this.#floorMs = Math.max(this.#floorMs, row.expiresAtMs);
  }

  /** With everything below it. */
  #end(id: string, why: Ending, by: string | null): void {
    this.#endOne(id, why, id, by);
    const below = this.#children.of(id);
    // It grows while it is walked.
    for (const child of below) {
      this.#endOne(child, "parent-ended", id, by);
      below.push(...this.#children.of(child));
    }
  }

  #endOne(id: string, why: Ending, origin: string, by: string | null): void {
    const row = this.#rows.get(id);
    if (row === undefined || row.ended !== null) return;
    row.ended = why;
    this.#touch(row);
    this.#living--;
    const { delegator, delegatee } = row;
    this.#events.push({ id, delegator, delegatee, why, origin, by });
  }

  #mayRevoke(row: Row, by: Revoker): boolean {
    return by.admin || [row, ...this.#above(row)].some(({ delegator }) => delegator === by.id);
  }

  /** From the parent to the root; a living grant's are all there. */
  #above(row: Row): Row[] {
    const rows: Row[] = [];
    for (let above = this.#parentOf(row); above !== undefined; above = this.#parentOf(above))
      rows.push(above);
    return rows;
  }

  #parentOf({ parent }: Pick<Row, "parent">): Row | undefined {
    return parent === null ? undefined : this.#rows.get(parent);
  }

  /** The row of a grant that is alive, or why there is none. */
  #live(id: string): Row | Reason {
    const row = this.#rows.get(id);
    return row === undefined ? "not-registered" : (row.ended ?? row);
  }
}

/** When silence ends a grant. */
function silentAt({ beatBootMs, heartbeatMs }: Row): number {
  return beatBootMs + HEARTBEAT_INTERVALS * heartbeatMs;
}

/** When the clock that counts suspend next matters to a grant. */
function nextReview(row: Row): number {
  return row.ended === null ? Math.min(row.endsBootMs, silentAt(row)) : row.endsBootMs;
}
