import {
  AuthorityError,
  GrantBook,
  type Asking,
  type Depths,
  type Ending,
  type Held,
  type Now,
  type PointOfUse,
  type Reason,
  type Revoker,
  type SignedGrant,
  type Trust,
} from "@sesame/core-authority";
import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Suite } from "@sesame/core-crypto";
import {
  Denial,
  Fault,
  hasCapability,
  type AuditRecord,
  type Capability,
  type Identity,
  type Log,
} from "@sesame/core-types";
import { Refusal, type Asked, type Grants, type Permit } from "../bus/gate.ts";
import { byId, grantTrust } from "../install/grant-trust.ts";
import type { Installation } from "../install/record.ts";
import { loadEnds, saveEnds, type UnrecordedEnd } from "./end-list.ts";
import { damaged, GrantStore } from "./grant-store.ts";

export type GrantKeeperOptions = {
  /** The state's file; in a directory of this owner's. */
  readonly path: string;
  readonly suite: Suite;
  /** The owner's own identity. */
  readonly own: Identity;
  readonly installation: Installation;
  readonly now: () => Now;
  /** Names this start of the machine; null: every start of the daemon counts as one. */
  readonly bootId: string | null;
  readonly log: Log;
  /** Percent: what the owner measures of itself. docs/PROTOCOL.md, Trust vector */
  readonly posture: number;
  /** Which program is at the other end of a bus session now; null: not known. */
  readonly programOf: (session: Uint8Array) => Promise<PointOfUse | null>;
  /** Resolves once the records are durable. */
  readonly audit: (records: AuditRecord[]) => Promise<void>;
  /** Tells whoever listens. */
  readonly ended: (grant: string, why: Ending) => void;
};

const TICK_MS = 1_000;
/** Heartbeats are stored no more often than this. */
const BEATS_EVERY_MS = 10_000;
const NO_DEPTHS: Depths = new Map();
/** Ends that one call puts on record. */
const RECORDS = 1_024;

/**
 * An owner's grants, kept on disk: what has been acknowledged, and what has ended, is there after a
 * crash. With a damaged state it takes none, and everything else goes on.
 */
export class GrantKeeper implements Grants {
  readonly #options: GrantKeeperOptions;
  readonly #store: GrantStore;
  readonly #book: GrantBook | null;
  readonly #timer: NodeJS.Timeout;
  #installation: Installation;
  #identities: ReadonlyMap<string, Identity>;
  /** When the next key that grants are signed with lapses. */
  #lapseMs: number;
  /** What the next write is waited for by. */
  #next: PromiseWithResolvers<void> | null = null;
  #writing: Promise<void> | null = null;
  #unsaved = false;
  #savedAtMs: number;
  #unrecorded: UnrecordedEnd[];
  /** Whether others are unrecorded than on disk. */
  #endsChanged = false;
  #recording = false;

  constructor(options: GrantKeeperOptions) {
    this.#options = options;
    this.#installation = options.installation;
    this.#identities = byId(options.installation);
    this.#lapseMs = nextLapse(options.installation, options.now().wallMs);
    if (options.bootId === null)
      options.log("error", "the machine's start has no name", { hint: "grants end at a restart" });
    this.#store = new GrantStore(options.suite, options.path);
    this.#book = this.#open();
    this.#savedAtMs = options.now().bootMs;
    // What a crash kept from being put on record is, now; what it kept from ending lives on.
    this.#unrecorded = loadEnds(`${options.path}.ends`, options.log).filter(
      ({ id }) => (this.#book?.chain(id, this.#self, options.now()) ?? null) === null,
    );
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** False while it takes no grants because its state is damaged. */
  get intact(): boolean {
    return this.#book !== null;
  }

  /** Living grants. */
  get size(): number {
    return this.#book?.size ?? 0;
  }

  /** As of the book; none while its state is damaged. */
  depths(): Depths {
    return this.#book?.depths(this.#options.now()) ?? NO_DEPTHS;
  }

  /** The name of an identity for people; its id where it has none. */
  nameOf(id: string): string {
    return this.#identities.get(id)?.name ?? id;
  }

  async permit(
    caller: Identity,
    capability: Capability,
    { about, session, trust }: Pick<Asked, "about" | "session" | "trust">,
  ): Promise<Permit | Reason | null> {
    const book = this.#book;
    if (book === null || capability === "delegate") return book === null ? "ledger-damaged" : null;
    const { profile, names } = about();
    const asked = { caller: caller.id, capability, profile, names };
    const { programOf, now } = this.#options;
    const executable = book.demandsProgram(asked, now()) ? await programOf(session) : null;
    const posture = Math.min(trust.posture, this.#options.posture);
    const asking: Asking = { ...asked, executable, trusted: { ...trust, posture } };
    const drawing = book.permit(asking, this.#options.now());
    this.#noticeEnds();
    if (drawing === null || typeof drawing === "string") return drawing;
    let used: Promise<readonly string[]> | null = null;
    return {
      covers: drawing.covers,
      narrow: (fits) => {
        const reason = drawing.narrow(fits);
        if (reason !== null) throw new Refusal("capability-missing", reason);
      },
      drawn: drawing.authorities,
      use: () => (used ??= this.#use(drawing.drawn(), caller)),
    };
  }

  /**
   * Registers a chain, from the leaf to the root; false if it was registered already.
   *
   * @throws {Denial} capability-missing with the reason; storage-failed, and then it has ended
   */
  async issue(chain: readonly SignedGrant[], by: Identity): Promise<boolean> {
    const book = this.#expectIntact();
    const id = chain[0]?.grant.id ?? "";
    const now = this.#options.now();
    const isNew = book.chain(id, this.#self, now) === null;
    const reason = book.issue(chain, by.id, now);
    this.#noticeEnds();
    if (reason !== null) throw new Refusal("capability-missing", reason);
    try {
      await this.save();
    } catch (cause) {
      if (isNew) book.revoke(id, this.#self, this.#options.now());
      throw cause;
    }
    return isNew;
  }

  /** Ids of those that are not alive, or not the caller's. Stored within seconds. */
  heartbeat(ids: readonly string[], by: Identity): string[] {
    const missing = this.#expectIntact().heartbeat(ids, by.id, this.#options.now());
    this.#unsaved = true;
    this.#noticeEnds();
    return missing;
  }

  /** False if there was nothing to end. @throws {Denial} capability-missing, storage-failed */
  async revoke(id: string, by: Identity): Promise<boolean> {
    return this.#ending((book, now) => book.revoke(id, revokerOf(by), now));
  }

  /** As `revoke`, for every grant to and from an identity. */
  async revokeIdentity(identity: string, by: Identity): Promise<boolean> {
    return this.#ending((book, now) => book.revokeIdentity(identity, revokerOf(by), now));
  }

  /** Ends a grant in the owner's own name, because it cannot be kept. */
  async withdraw(id: string): Promise<void> {
    await this.#ending((book, now) => book.revoke(id, this.#self, now));
  }

  /** Ends every grant in the owner's own name: at once, and soon on disk and on record. */
  endAll(): void {
    this.#book?.endAll(this.#options.now());
    this.#noticeEnds();
  }

  /** True while what draws on a grant may go on. */
  holds(id: string): boolean {
    return this.#book?.holds(id, this.#options.now()) ?? false;
  }

  list(by: Identity, after: string | null, most: number): Held[] {
    return this.#book?.list(revokerOf(by), after, most, this.#options.now()) ?? [];
  }

  chain(id: string, by: Identity): SignedGrant[] | null {
    return this.#book?.chain(id, revokerOf(by), this.#options.now()) ?? null;
  }

  /** Goes by another record from now on: what it does not bear ends. */
  adopt(installation: Installation): void {
    const now = this.#options.now();
    this.#installation = installation;
    this.#lapseMs = nextLapse(installation, now.wallMs);
    this.#book?.trust(this.#trust(installation), now);
    // Who is gone still has a name in the records of what ended.
    this.#noticeEnds();
    this.#identities = byId(installation);
  }

  /**
   * Resolves once everything up to now is on disk; what happens during a write is in the next.
   *
   * @throws {Denial} storage-failed
   */
  save(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    const { promise } = this.#next;
    this.#writing ??= this.#writeAll();
    return promise;
  }

  /** Stores what there is and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      if (this.#unsaved) await this.save();
      await this.#writing;
    } finally {
      await this.#store.close();
    }
  }

  get #self(): Revoker {
    return { id: this.#options.own.id, admin: true };
  }

  #open(): GrantBook | null {
    const { path, own, installation, bootId, now, log } = this.#options;
    const options = { bootId: bootId ?? randomUUID(), self: own.id };
    const trust = this.#trust(installation);
    try {
      const stored = this.#store.load();
      if (stored === null) return new GrantBook(options, trust, now());
      const { state, changes, torn } = stored;
      if (torn > 0) log("warn", "grants: the last write was cut short", { bytes: torn });
      return GrantBook.restore(options, trust, state, now(), changes);
    } catch (cause) {
      const fault = cause instanceof AuthorityError ? damaged(path) : cause;
      if (!(fault instanceof Fault)) throw fault;
      log("error", fault.message, { hint: fault.hint });
      return null;
    }
  }

  #expectIntact(): GrantBook {
    if (this.#book === null) throw new Refusal("capability-missing", "ledger-damaged");
    return this.#book;
  }

  async #use(ids: readonly string[], by: Identity): Promise<readonly string[]> {
    const verdict = this.#expectIntact().use(ids, by.id, this.#options.now());
    this.#noticeEnds();
    if (typeof verdict === "string") throw new Refusal("capability-missing", verdict);
    if (verdict) await this.save();
    return ids;
  }

  async #ending(end: (book: GrantBook, now: Now) => boolean | Reason): Promise<boolean> {
    const changed = end(this.#expectIntact(), this.#options.now());
    if (typeof changed === "string") throw new Refusal("capability-missing", changed);
    // What another call ended has ended once it is on disk, and that one's write may have failed.
    if (changed || this.#unsaved || this.#writing !== null) await this.save();
    this.#noticeEnds();
    return changed;
  }

  #tick(): void {
    if (this.#options.now().wallMs >= this.#lapseMs) this.adopt(this.#installation);
    this.#noticeEnds();
    const due = this.#options.now().bootMs - this.#savedAtMs >= BEATS_EVERY_MS;
    if (this.#unsaved && due) this.#saveSoon();
    void this.#record();
  }

  /** What has ended stays ended, so it is on disk before anything is built on it. */
  #noticeEnds(): void {
    if (this.#takeEnds()) this.#saveSoon();
  }

  /** False if nothing has ended since the last call. */
  #takeEnds(): boolean {
    const ends = this.#book?.tick(this.#options.now()) ?? [];
    if (ends.length === 0) return false;
    this.#unrecorded.push(...ends);
    this.#endsChanged = true;
    for (const { id, why } of ends) this.#options.ended(id, why);
    void this.#record();
    return true;
  }

  #saveSoon(): void {
    this.#unsaved = true;
    this.save().catch((cause: unknown) => {
      this.#options.log("error", "grants not stored", { reason: String(cause) });
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#next !== null) {
      // What happens in one turn is written once.
      await turn();
      const { resolve, reject } = this.#next;
      this.#next = null;
      try {
        await this.#write();
        resolve();
      } catch (cause) {
        reject(cause instanceof Fault ? new Denial("storage-failed", "grants") : cause);
      }
    }
    this.#writing = null;
  }

  async #write(): Promise<void> {
    if (this.#book === null) return;
    this.#unsaved = false;
    this.#savedAtMs = this.#options.now().bootMs;
    try {
      this.#takeEnds();
      if (this.#endsChanged) saveEnds(`${this.#options.path}.ends`, this.#unrecorded);
      this.#endsChanged = false;
      await this.#store.write(this.#book);
    } catch (cause) {
      this.#unsaved = true;
      throw cause;
    }
  }

  /** Every end is on record once; while the log cannot be written they wait. */
  async #record(): Promise<void> {
    if (this.#recording || this.#unrecorded.length === 0) return;
    this.#recording = true;
    const batch = this.#unrecorded.slice(0, RECORDS);
    try {
      await this.#options.audit(batch.map((end) => this.#recordOf(end)));
      this.#unrecorded = this.#unrecorded.slice(batch.length);
      // Soon enough: what is on record by then is there twice after a crash.
      this.#endsChanged = true;
      this.#unsaved = true;
    } catch (cause) {
      this.#options.log("warn", "ends of grants not recorded yet", { reason: String(cause) });
    } finally {
      this.#recording = false;
    }
  }

  #recordOf({ id, delegatee, why, origin }: UnrecordedEnd): AuditRecord {
    const through = origin === id ? "" : ` through grant:${origin}`;
    return {
      action: "grant.end",
      outcome: why,
      profile: null,
      object: `grant:${id} to ${this.nameOf(delegatee)}${through}`,
      session: null,
      caller: this.#options.own.name,
    };
  }

  #trust(installation: Installation): Trust {
    return grantTrust(this.#options.suite, installation, this.#options.now().wallMs);
  }
}

/** Wall clock, ms: when the next former key is nobody's; infinite if there is none. */
function nextLapse({ identities }: Installation, wallMs: number): number {
  const dates = identities.flatMap(({ former }) => former.map(({ untilMs }) => untilMs));
  return Math.min(...dates.filter((untilMs) => untilMs > wallMs));
}

function revokerOf({ id, capabilities }: Identity): Revoker {
  return { id, admin: hasCapability(capabilities, "admin") };
}
