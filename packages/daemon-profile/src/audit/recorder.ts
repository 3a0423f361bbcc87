import {
  strikeReasonOf,
  type AuditActor,
  type AuditEvent,
  type AuditLog,
} from "@sesame/core-audit";
import {
  BLOCKED,
  PANICKED,
  REVOKED,
  type Holder,
  type Incident,
  type Peer,
} from "@sesame/core-ipc/server";
import { toHex, type AuditRecord, type Clock, type Log, type Party } from "@sesame/core-types";
import { RefusalLimit } from "./refusals.ts";

export type RecorderOptions = {
  readonly audit: Pick<AuditLog, "append" | "sequence">;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
  /** The bus host, as the actor of what it does by itself. */
  readonly self: AuditActor;
  /** Id of the identity that has a name; null if there is none. */
  readonly idOf: (name: string) => string | null;
  readonly holderOf: (session: Uint8Array) => Holder | null;
};

/** What a daemon has put on record: its caller is named as that daemon saw it proved. */
export type Reported = AuditRecord & { readonly caller: string | null };

/** Puts on record who did what, with what the kernel says of them. docs/AUDIT.md */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #refusals = new RefusalLimit();

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** What callers did, once all of it is on disk. */
  async calls(records: readonly AuditRecord[]): Promise<void> {
    await Promise.all(
      records.map(({ session, action, profile, object, outcome }) => {
        const actor = this.#holder(session);
        return this.#record({ actor, action, profile, object, outcome });
      }),
    );
  }

  /**
   * What another daemon's callers did, or the daemon by itself.
   *
   * @returns number of the entry
   */
  reported(daemon: string, { session, caller, ...event }: Reported): Promise<number> {
    const { action, profile, object, outcome } = event;
    const own = session === null && caller === daemon;
    const actor = own
      ? { ...this.#options.self, identity: this.#idOf(caller), name: daemon, pid: 0 }
      : { ...this.#seen(session, caller), name: caller, by: daemon };
    return this.#record({ actor, action, profile, object, outcome });
  }

  /** What the bus host did by itself, once it is on disk. */
  async own(events: readonly Omit<AuditEvent, "actor">[]): Promise<void> {
    const { audit, self } = this.#options;
    await Promise.all(
      events.map(({ action, profile, object, outcome }) =>
        audit.append({ actor: self, action, profile, object, outcome }),
      ),
    );
  }

  /** What the bus host did by itself; nobody waits for it. */
  note(action: string, object: string): void {
    this.#append({ actor: this.#options.self, action, object, outcome: "ok" });
  }

  /** What became of a connection. */
  incident({ action, object, outcome, peer, name, session }: Incident): void {
    // What the operator did is no refusal: noise before it must not keep it off the record.
    const isOurs = [REVOKED, PANICKED, BLOCKED].includes(outcome);
    const strike = strikeReasonOf({ action, object, outcome });
    const nowMs = this.#options.clock.monotonicMs();
    if (!isOurs && !this.#refusals.admits({ name, uid: peer.uid }, nowMs, strike)) return;
    const sender =
      session === null ? null : { name, session, kind: null, clearance: "open" as const };
    this.#append({ actor: this.#evidence(peer, sender), action, object, outcome });
  }

  /** Refusals that were only counted came from many processes: the count names the party alone. */
  suppressed(): void {
    for (const { party, count } of this.#refusals.takeSuppressed(
      this.#options.clock.monotonicMs(),
    )) {
      const identity = party.identity ?? this.#idOf(party.name);
      const actor = { ...this.#evidence(null, null), ...party, identity };
      const object = `${count} more`;
      this.#append({ actor, action: "bus.refusals", object, outcome: "suppressed" });
    }
  }

  /** Refusals are recorded up to a number per minute, everything else always. */
  async #record(event: AuditEvent): Promise<number> {
    const { audit, clock } = this.#options;
    const { name = null, uid = 0, identity = null } = event.actor ?? {};
    const spared =
      event.outcome.startsWith("refused:") &&
      !this.#refusals.admits({ name, uid, identity }, clock.monotonicMs(), strikeReasonOf(event));
    return spared ? audit.sequence : audit.append(event);
  }

  #append(event: Omit<AuditEvent, "profile">): void {
    const { audit, log } = this.#options;
    audit.append({ ...event, profile: null }).catch((cause: unknown) => {
      const { action, outcome } = event;
      log("warn", "incident not recorded", { action, outcome, error: String(cause) });
    });
  }

  #holder(session: Uint8Array | null): AuditActor {
    const holder = session === null ? null : this.#options.holderOf(session);
    return this.#evidence(holder?.peer ?? null, holder?.sender ?? null);
  }

  /**
   * The name is the one that the daemon saw proved, the identity that of the connection: what came
   * over it is its doing, also where nothing was proved.
   */
  #seen(session: Uint8Array | null, caller: string | null): AuditActor {
    const holder = session === null ? null : this.#options.holderOf(session);
    if (holder !== null) return this.#evidence(holder.peer, holder.sender);
    return { ...this.#evidence(null, null), identity: this.#idOf(caller) };
  }

  #evidence(peer: Peer | null, sender: Party | null): AuditActor {
    return {
      name: sender?.name ?? null,
      identity: this.#idOf(sender?.name ?? null),
      session: sender === null ? null : toHex(sender.session),
      pid: peer?.pid ?? 0,
      uid: peer?.uid ?? 0,
      exe: peer?.executable ?? null,
      ...(peer?.sha256 ? { sha256: toHex(peer.sha256) } : {}),
      unit: peer?.unit ?? null,
    };
  }

  #idOf(name: string | null): string | null {
    return name === null ? null : this.#options.idOf(name);
  }
}
