import { Denial, Fault, type Log } from "@sesame/core-types";

/** What keeps that a panic holds: a `PanicMark`. */
export type Mark = {
  readonly held: boolean;
  hold(wallMs: number): void;
  lift(): void;
};

export type PanicOptions = {
  readonly mark: Mark;
  readonly wallMs: () => number;
  /** Locks every vault and ends every grant; must not wait or throw. */
  readonly lockAll: () => string[];
  /** Has the bus host hold or lift as well. */
  readonly tell: (held: boolean) => Promise<void>;
  readonly log: Log;
};

/**
 * Whether a panic holds for the owner of the vaults. It begins by anybody's word, and ends by the
 * proof of a factor alone. docs/PROTOCOL.md, Panic.
 */
export class Panic {
  readonly #options: PanicOptions;
  #begun = 0;

  constructor(options: PanicOptions) {
    this.#options = options;
  }

  get held(): boolean {
    return this.#options.mark.held;
  }

  /**
   * Locks first, whatever else fails. What was unlocked.
   *
   * @throws {Denial} storage-failed: it holds, but not across a restart
   */
  begin(): string[] {
    const { mark, wallMs, lockAll, log } = this.#options;
    this.#begun++;
    const locked = lockAll();
    try {
      mark.hold(wallMs());
    } catch (cause) {
      if (cause instanceof Fault) throw new Denial("storage-failed", "mark of the panic");
      throw cause;
    }
    log("warn", "panic: everything is locked");
    return locked;
  }

  /** Tells the bus host; that it cannot be told changes nothing here. */
  async spread(tell = this.#options.tell): Promise<void> {
    try {
      await tell(true);
    } catch (cause) {
      this.#options.log("warn", "the bus host was not told of the panic", { cause: String(cause) });
    }
  }

  /**
   * Ends it here and at the bus host, unless it began again meanwhile.
   *
   * @param proved - proves the factor and puts it on record
   * @throws {Denial} what `proved` throws; panic, if it began again; then it holds on
   */
  async end(proved: () => Promise<void>): Promise<void> {
    const { mark, tell, log } = this.#options;
    const begun = this.#begun;
    const expectSame = (): void => {
      if (this.#begun !== begun) throw new Denial("panic");
    };
    await proved();
    expectSame();
    await tell(false);
    expectSame();
    try {
      mark.lift();
    } catch (cause) {
      if (cause instanceof Fault) throw new Denial("storage-failed", "mark of the panic");
      throw cause;
    }
    log("warn", "panic: lifted");
  }

  /**
   * With the bus host, on every new connection to it: if a panic holds for one, it does for both.
   *
   * @param tell - the bus host, on that connection
   */
  async meet(isHeldThere: boolean, tell: PanicOptions["tell"]): Promise<void> {
    if (isHeldThere && !this.held) this.begin();
    if (!isHeldThere && this.held) await this.spread(tell);
  }
}
