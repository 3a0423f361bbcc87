import type { Verb } from "@sesame/core-authority";
import { Approvals, type Asked, type Moment, type Progress } from "@sesame/core-policy";
import { Refusal } from "@sesame/core-ipc/server";
import {
  type AskedApproval,
  Denial,
  type Identity,
  limits,
  type Params,
  type PeerEvidence,
} from "@sesame/core-types";

export type DeskOptions = {
  readonly moment: () => Moment;
  /** 8 hex digits. */
  readonly newId: () => string;
  /** What the bus host says about the holder of a session; null: nothing. */
  readonly peerOf: (session: Uint8Array) => Promise<PeerEvidence | null>;
  /** Tells the operator how many wait. */
  readonly changed: (waiting: number) => void;
};

/** Who wants something that has to be approved. */
export type Asker = { readonly identity: Identity; readonly session: Uint8Array };

/** What is wanted. */
export type Wanted = {
  readonly capability: Verb;
  readonly profile: string | null;
  readonly names: readonly string[];
};

type Who = { readonly identity: Identity; peer: PeerEvidence | null };

/** Where callers and operator meet: approvals, with who asks, and waking those who wait. */
export class Desk {
  readonly #options: DeskOptions;
  readonly #approvals: Approvals;
  readonly #askers = new Map<string, Who>();
  /** One for each call that waits. */
  readonly #wake = new Set<() => void>();

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#approvals = new Approvals(options.newId);
  }

  /**
   * Returns if this is approved.
   *
   * @throws {Denial} approval-needed, with the id to answer; capability-missing, if it was refused;
   *   busy
   */
  demand({ identity, session }: Asker, wanted: Wanted): void {
    const ask = { identity: identity.id, ...wanted };
    const standing = this.#approvals.demand(ask, this.#options.moment());
    if (standing.state === "approved") return;
    if (standing.state === "refused") throw new Refusal("capability-missing", "never");
    const { id, isNew } = standing;
    if (isNew) {
      this.#forgetAskers();
      this.#askers.set(id, { identity, peer: null });
      this.#introduce(id, session);
    }
    throw new Denial("approval-needed", id);
  }

  /**
   * How an ask stands, once it is no longer open or the time is over.
   *
   * @param waitMs - at most MAX_WAIT_MS count
   */
  async progress(
    { identity }: Asker,
    { id, reason, waitMs }: Params<"approval.wait">,
  ): Promise<Progress> {
    if (reason !== null && this.#approvals.explain(id, identity.id, reason)) this.#told();
    const until = this.#options.moment().monotonicMs + Math.min(waitMs, limits.MAX_WAIT_MS);
    for (;;) {
      const now = this.#options.moment();
      const state = this.#approvals.progress(id, identity.id, now);
      if (state !== "asked" || now.monotonicMs >= until) return state;
      await this.#woken(until - now.monotonicMs);
    }
  }

  list(): AskedApproval[] {
    return this.#waiting().map(({ id, capability, profile, names, askedMs, reason }) => {
      const { identity, peer } = this.#askers.get(id) as Who;
      const { name, kind } = identity;
      const what = { id, capability, profile, names: [...names], askedMs, reason };
      return { ...what, name, kind, peer };
    });
  }

  /** What an answer would be about, before it is given. Denial `not-asked` if nothing is. */
  find(id: string): AskedApproval {
    const asked = this.list().find((one) => one.id === id);
    if (asked === undefined) throw new Denial("not-asked", id);
    return asked;
  }

  /** @throws {Denial} as `Approvals.answer` */
  answer(by: Identity, { id, answer, forMs }: Params<"approval.answer">): void {
    const given = answer === "for" ? { word: answer, forMs } : { word: answer };
    this.#approvals.answer(id, by.id, given, this.#options.moment());
    this.#told();
  }

  /** After a lock nothing that was approved holds. */
  forget(profile: string | null): void {
    this.#approvals.forget(profile);
    this.#told();
  }

  /** Whoever is suspended, revoked or blocked keeps nothing that it could come back to. */
  retain(isSomebody: (identity: string) => boolean): void {
    if (this.#approvals.retain(isSomebody)) this.#told();
  }

  #waiting(): Asked[] {
    return this.#approvals.list(this.#options.moment());
  }

  #told(): void {
    const wake = [...this.#wake];
    this.#wake.clear();
    for (const one of wake) one();
    this.#options.changed(this.#waiting().length);
  }

  #introduce(id: string, session: Uint8Array): void {
    // The operator is told either way: what the bus host does not say is shown as unknown.
    this.#options
      .peerOf(session)
      .catch(() => null)
      .then((peer) => {
        const who = this.#askers.get(id);
        if (who !== undefined) who.peer = peer;
        this.#told();
      });
  }

  #forgetAskers(): void {
    const open = new Set(this.#waiting().map(({ id }) => id));
    for (const id of this.#askers.keys()) if (!open.has(id)) this.#askers.delete(id);
  }

  async #woken(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#wake.delete(resolve);
  }
}
