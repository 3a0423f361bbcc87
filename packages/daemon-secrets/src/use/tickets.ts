import { equalBytes } from "@sesame/core-crypto";
import { Denial, limits, toHex, type Command } from "@sesame/core-types";

/** What a ticket stands for. */
export type Use = {
  /** Id of the identity that may use it. */
  readonly caller: string;
  /** Its bus session, 16 bytes. */
  readonly session: Uint8Array;
  readonly profile: string;
  readonly names: readonly string[];
  readonly command: Command;
};

/** By whom a ticket is shown, and for what. */
type Shown = Pick<Use, "caller" | "session" | "command">;

type Issued<U> = {
  readonly use: U;
  readonly untilMs: number;
  redeemed: boolean;
  /** Monotonic milliseconds of the last question about a redeemed one. */
  askedMs: number;
};

/**
 * One-time tickets: the right to have one command run with some secrets. Times are monotonic
 * milliseconds. docs/LAUNCHER.md, Tickets.
 */
export class Tickets<U extends Use> {
  readonly #hash: (bytes: Uint8Array) => Uint8Array;
  /** By hash, so that finding one tells nothing about it. */
  readonly #issued = new Map<string, Issued<U>>();

  constructor(hash: (bytes: Uint8Array) => Uint8Array) {
    this.#hash = hash;
  }

  /** @throws {Denial} busy */
  issue(ticket: Uint8Array, use: U, nowMs: number): void {
    this.#forget(nowMs);
    if (this.#issued.size >= limits.MAX_TICKETS) throw new Denial("busy");
    const untilMs = nowMs + limits.TICKET_TTL_MS;
    this.#issued.set(this.#key(ticket), { use, untilMs, redeemed: false, askedMs: nowMs });
  }

  /** Whether a ticket would be taken; shown for something else it is worth nothing any more. */
  isGood(ticket: Uint8Array, shown: Shown, nowMs: number): boolean {
    return this.#matching(ticket, shown, nowMs) !== null;
  }

  /**
   * Takes a ticket, once, if it is shown for exactly what it stands for; a ticket that is shown for
   * something else is worth nothing any more.
   */
  redeem(ticket: Uint8Array, shown: Shown, nowMs: number): U | null {
    const issued = this.#matching(ticket, shown, nowMs);
    if (issued === null) return null;
    issued.redeemed = true;
    issued.askedMs = nowMs;
    return issued.use;
  }

  /** What the run of a redeemed ticket goes on under; it was asked about now. */
  held(ticket: Uint8Array, nowMs: number): U | null {
    this.#forget(nowMs);
    const issued = this.#issued.get(this.#key(ticket));
    if (issued === undefined || !issued.redeemed) return null;
    issued.askedMs = nowMs;
    return issued.use;
  }

  #matching(
    ticket: Uint8Array,
    { caller, session, command }: Shown,
    nowMs: number,
  ): Issued<U> | null {
    this.#forget(nowMs);
    const issued = this.#issued.get(this.#key(ticket));
    if (issued === undefined || issued.redeemed) return null;
    const { use } = issued;
    const same =
      use.caller === caller &&
      equalBytes(use.session, session) &&
      isSameCommand(use.command, command);
    if (same) return issued;
    this.#issued.delete(this.#key(ticket));
    return null;
  }

  #key(ticket: Uint8Array): string {
    return toHex(this.#hash(ticket));
  }

  #forget(nowMs: number): void {
    for (const [key, { redeemed, untilMs, askedMs }] of this.#issued)
      if (redeemed ? nowMs - askedMs >= limits.RUN_LEASE_MS : nowMs >= untilMs)
        this.#issued.delete(key);
  }
}

function isSameCommand(a: Command, b: Command): boolean {
  return (
    a.path === b.path &&
    a.directory === b.directory &&
    a.plain === b.plain &&
    a.args.length === b.args.length &&
    a.args.every((argument, i) => argument === b.args[i])
  );
}
