import {
  Conducts,
  measure,
  scoreOf,
  type AuditEntry,
  type Evidence,
  type WatchOptions,
} from "@sesame/core-audit";
import { limits, type Clock } from "@sesame/core-types";

export type ScoresOptions = {
  /** What the signed record says; asked anew for each entry. */
  readonly record: WatchOptions;
  /** The latest entries of the log, in its order; may be asked more than once. */
  readonly entries: () => AsyncIterable<AuditEntry>;
  /** Whether the log is whole. */
  readonly verify: () => Promise<Evidence["log"]>;
  /** How the live connections of an identity proved who it is. */
  readonly proofs: (name: string) => Evidence["proofs"];
  readonly clock: Clock;
};

type Known = {
  readonly conducts: Conducts;
  readonly log: Evidence["log"];
  /** By the monotonic clock: when the log is read again. */
  readonly untilMs: number;
};

/**
 * Scores of identities, out of the log that this daemon writes. The log is read when the first one
 * is asked for, so that nobody pays for scores that no policy demands; from then on entries are taken
 * as they are recorded. docs/SIGNALS.md, Score.
 */
export class Scores {
  readonly #options: ScoresOptions;
  #known: Known | null = null;
  #reading: Promise<Known> | null = null;
  /** What was recorded while the log was read. */
  #meanwhile: AuditEntry[] = [];

  constructor(options: ScoresOptions) {
    this.#options = options;
  }

  /** An entry that was just recorded. */
  take(entry: AuditEntry): void {
    if (this.#reading !== null) this.#meanwhile.push(entry);
    // What is in a log that was changed counts for nothing.
    else if (this.#known !== null && this.#known.log !== "changed")
      this.#known.conducts.take(entry);
  }

  /**
   * From 0 to 100.
   *
   * @throws what reading the log throws; the next question reads it again
   */
  async of(name: string): Promise<number> {
    const { monotonicMs, wallMs } = this.#options.clock;
    const isDue = this.#known === null || monotonicMs() >= this.#known.untilMs;
    const { conducts, log } = isDue ? await this.#read() : (this.#known as Known);
    const nowMs = wallMs();
    const conduct = conducts.of(name, nowMs);
    const findings = conducts.findings(name);
    const proofs = this.#options.proofs(name);
    return scoreOf(measure({ conduct, findings, proofs, log, nowMs })).score;
  }

  #read(): Promise<Known> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
      this.#meanwhile = [];
    });
    return this.#reading;
  }

  async #readOnce(): Promise<Known> {
    this.#known = null;
    const log = await this.#options.verify();
    const conducts = new Conducts(this.#options.record);
    if (log === "changed") {
      // It may be mended, and reading it costs seconds.
      const untilMs = this.#options.clock.monotonicMs() + limits.SCORE_AGAIN_MS;
      return (this.#known = { conducts, log, untilMs });
    }
    let last = 0;
    for await (const entry of this.#options.entries()) {
      conducts.take(entry);
      last = entry.seq;
    }
    for (const entry of this.#meanwhile) if (entry.seq > last) conducts.take(entry);
    return (this.#known = { conducts, log, untilMs: Number.POSITIVE_INFINITY });
  }
}
