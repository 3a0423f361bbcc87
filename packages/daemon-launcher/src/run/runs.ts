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
  /** Resolves once it has started, or will not. */
  readonly settled: Promise<void>;
  /** Monotonic milliseconds when its starter last asked about it. */
  askedMs: number;
};

/**
 * The runs, whose they are, and how long they may go on. Times are monotonic milliseconds.
 * docs/LAUNCHER.md, Runs.
 */
export class Runs<P extends Program> {
  readonly #runs = new Map<string, Run<P>>();
  readonly #settle = new Map<Run<P>, () => void>();
  #standingMs = 0;
  /** Why nothing is started any more. */
  #stopped: StopReason | null = null;

  get all(): readonly Run<P>[] {
    return [...this.#runs.values()];
  }

  /** Makes room for a run. @throws {Denial} busy */
  open(id: Uint8Array, by: Party, ticket: Uint8Array, nowMs: number): Run<P> {
    this.expectGoing();
    const own = this.all.filter((run) => run.by.identity.id === by.identity.id);
    if (this.#runs.size >= limits.MAX_RUNS || own.length >= limits.MAX_RUNS_OF_ONE)
      throw new Denial("busy");
    if (this.#runs.size === 0) this.#standingMs = nowMs;
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const run: Run<P> = { id, by, ticket, program: null, settled, askedMs: nowMs };
    this.#runs.set(toHex(id), run);
    this.#settle.set(run, resolve);
    return run;
  }

  /** Its program has started: it ends at once if all were to end meanwhile. */
  started(run: Run<P>, program: P): void {
    run.program = program;
    if (this.#stopped !== null) program.stop(this.#stopped);
    this.#settled(run);
  }

  close(run: Run<P>): void {
    this.#runs.delete(toHex(run.id));
    this.#settled(run);
  }

  /** @throws {Denial} owner-absent, once all were to end */
  expectGoing(): void {
    if (this.#stopped !== null) throw new Denial("owner-absent");
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

  /** Ends all of them, and those that are being started; nothing is started any more. */
  stopAll(reason: StopReason): void {
    this.#stopped = reason;
    for (const { program } of this.all) program?.stop(reason);
  }

  #settled(run: Run<P>): void {
    this.#settle.get(run)?.();
    this.#settle.delete(run);
  }
}
