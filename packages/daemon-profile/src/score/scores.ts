import {
  Conducts,
  measure,
  scoreOf,
  type AuditEntry,
  type Evidence,
  type WatchOptions,
} from "@sesame/core-audit";

export type ScoresOptions = {
  /** What the signed record says; asked anew for each entry. */
  readonly record: WatchOptions;
  /** The latest entries of the log, in its order; may be asked more than once. */
  readonly entries: () => AsyncIterable<AuditEntry>;
  /** Whether the log is whole. */
  readonly verify: () => Promise<Evidence["log"]>;
  /** How the live connections of an identity proved who it is. */
  readonly proofs: (name: string) => Evidence["proofs"];
  readonly wallMs: () => number;
};

type Known = { readonly conducts: Conducts; readonly log: Evidence["log"] };

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
    if (this.#known !== null) this.#known.conducts.take(entry);
    else if (this.#reading !== null) this.#meanwhile.push(entry);
  }

  /**
   * From 0 to 100.
   *
   * @throws what reading the log throws; the next question reads it again
   */
  async of(name: string): Promise<number> {
    const { conducts, log } = this.#known ?? (await this.#read());
    const nowMs = this.#options.wallMs();
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
    const log = await this.#options.verify();
    const conducts = new Conducts(this.#options.record);
    // What is in a log that was changed counts for nothing.
    if (log === "changed") return { conducts, log };
    let last = 0;
    for await (const entry of this.#options.entries()) {
      conducts.take(entry);
      last = entry.seq;
    }
    for (const entry of this.#meanwhile) if (entry.seq > last) conducts.take(entry);
    this.#known = { conducts, log };
    return this.#known;
  }
}
