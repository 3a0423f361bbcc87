import { equalBytes } from "@sesame/core-crypto";
import { Denial, limits, toHex, type Identity } from "@sesame/core-types";

/** Why the launcher ended a program. */
export type StopReason = "caller-gone" | "right-ended" | "owner-silent" | "launcher-stopped";

/** What the registry needs of a program. */
export type Program = {
  readonly stop: (reason: StopReason) => void;
  /** True once it has ended. */
  readonly hasEnded: boolean;
};

type Party = { readonly identity: Identity; readonly session: Uint8Array };

export type Run<P> = {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly by: Party;
  readonly ticket: Uint8Array;
  /** Null until it has started. */
  program: P | null;
  /** Monotonic milliseconds when its starter last asked about it. */
  askedMs: number;
};

/**
 * The runs, whose they are, and how long they may go on. Times are monotonic milliseconds.
 * docs/LAUNCHER.md, Runs.
 */
export class Runs<P extends Program> {
  readonly #runs = new Map<string, Run<P>>();
  #standingMs = 0;

  get all(): readonly Run<P>[] {
    return [...this.#runs.values()];
  }

  /** Makes room for a run. @throws {Denial} busy */
  open(id: Uint8Array, by: Party, ticket: Uint8Array, nowMs: number): Run<P> {
    const own = this.all.filter((run) => run.by.identity.id === by.identity.id);
    if (this.#runs.size >= limits.MAX_RUNS || own.length >= limits.MAX_RUNS_OF_ONE)
      throw new Denial("busy");
    if (this.#runs.size === 0) this.#standingMs = nowMs;
    const run: Run<P> = { id, by, ticket, program: null, askedMs: nowMs };
    this.#runs.set(toHex(id), run);
    return run;
  }

  close(run: Run<P>): void {
    this.#runs.delete(toHex(run.id));
  }

  /**
   * The run of an id, for the identity and the session that started it; it was asked about now.
   *
   * @throws {Denial} run-unknown, whether it is not there or somebody else's
   */
  of(id: Uint8Array, by: Party, nowMs: number): { readonly run: Run<P>; readonly program: P } {
    const run = this.#runs.get(toHex(id));
    const own =
      run !== undefined &&
      run.by.identity.id === by.identity.id &&
      equalBytes(run.by.session, by.session);
    if (!own || run.program === null) throw new Denial("run-unknown");
    run.askedMs = nowMs;
    return { run, program: run.program };
  }

  /**
   * Ends what nobody asks about, and everything if the right to it cannot be asked for. What has
   * ended and is not asked about is forgotten: nobody comes for the rest of its output.
   */
  tick(nowMs: number): void {
    const blind = nowMs - this.#standingMs >= limits.RUN_BLIND_MS;
    for (const run of this.all) {
      const { program, askedMs } = run;
      const isLeft = nowMs - askedMs >= limits.RUN_LEASE_MS;
      if (isLeft && program?.hasEnded === true) this.close(run);
      else if (blind) program?.stop("owner-silent");
      else if (isLeft) program?.stop("caller-gone");
    }
  }

  /** The owner's word on the runs that it was asked about: which of them may go on. */
  told(asked: readonly Run<P>[], standing: readonly boolean[], nowMs: number): void {
    this.#standingMs = nowMs;
    for (const [i, { program }] of asked.entries())
      if (standing[i] !== true) program?.stop("right-ended");
  }

  stopAll(reason: StopReason): void {
    for (const { program } of this.all) program?.stop(reason);
  }
}
