import { BlocksInForce, type Blocked } from "@sesame/core-audit";
import type { Identity } from "@sesame/core-types";

export type BlocksOptions = {
  readonly wallMs: () => number;
  /** What the operator had blocked before this start. */
  readonly kept: readonly Blocked[];
  /** Makes what the operator has blocked durable. */
  readonly keep: (blocks: readonly Blocked[]) => void;
  /** Called when others may be blocked than before. */
  readonly laid: () => void;
};

/**
 * Who gets nothing from the owner of the vaults. What the operator told it in sealed calls it keeps
 * itself, so that no bus host lifts it; what the bus host says comes on top, and goes with its word.
 * docs/SIGNALS.md, Block list.
 */
export class Blocks {
  readonly #options: BlocksOptions;
  readonly #own: BlocksInForce<Blocked>;
  #told: BlocksInForce<Blocked>;

  constructor(options: BlocksOptions) {
    this.#options = options;
    this.#own = new BlocksInForce(options.wallMs);
    this.#told = new BlocksInForce(options.wallMs);
    for (const block of options.kept) this.#own.set(block);
  }

  has(identity: Identity): boolean {
    return this.#own.hasIdentity(identity) || this.#told.hasIdentity(identity);
  }

  /** By the operator's word. @throws what `keep` throws; then it is in force until the end */
  add({ subject, untilMs }: Blocked): void {
    this.#own.set({ subject, untilMs });
    this.#options.laid();
    this.#options.keep(this.#own.list());
  }

  /** By the operator's word; the bus host's stays. False if there was nothing. */
  remove(subject: string): boolean {
    const left = this.#own.list().filter((block) => block.subject !== subject);
    if (left.length === this.#own.list().length) return false;
    this.#options.keep(left);
    return this.#own.delete(subject);
  }

  /** What the bus host says now; what it said before is forgotten. */
  tell(blocks: readonly Blocked[]): void {
    const told = new BlocksInForce<Blocked>(this.#options.wallMs);
    for (const { subject, untilMs } of blocks) told.set({ subject, untilMs });
    this.#told = told;
    this.#options.laid();
  }

  /** Whether the operator has blocked this very subject. */
  isOwn(subject: string): boolean {
    return this.#own.list().some((block) => block.subject === subject);
  }

  /** How many the operator has laid. */
  get size(): number {
    return this.#own.list().length;
  }
}
