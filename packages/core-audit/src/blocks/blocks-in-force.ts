import { isReservedName, toHex, type Identity } from "@sesame/core-types";

/** Who is blocked, and until when. */
export type Blocked = {
  /** Id of an identity, or a Noise key in hex. */
  readonly subject: string;
  /** Unix milliseconds; null: until it is lifted. */
  readonly untilMs: number | null;
};

/** Blocks by whom they block; each ends by itself. */
export class BlocksInForce<B extends Blocked> {
  readonly #blocks = new Map<string, B>();
  readonly #wallMs: () => number;
  #latestMs = 0;

  /** @param wallMs - by which blocks end */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** Takes the place of what there was about the subject. */
  set(block: B): void {
    const nowMs = this.#wallMs();
    if (nowMs < this.#latestMs) {
      // What was over stays over; what comes now has its date by the clock that is there now.
      this.list();
      this.#latestMs = nowMs;
    }
    this.#blocks.delete(block.subject);
    this.#blocks.set(block.subject, block);
  }

  /** False if there was nothing. */
  delete(subject: string): boolean {
    return this.#blocks.delete(subject);
  }

  /**
   * Whether an identity is blocked, by its id or one of its keys. The operator, who alone lifts
   * blocks, and the daemons are not, whatever is on the list.
   */
  hasIdentity(identity: Pick<Identity, "id" | "name" | "noiseKey" | "former">): boolean {
    const { id, name, noiseKey, former } = identity;
    if (this.#blocks.size === 0 || isReservedName(name)) return false;
    return this.#has(id) || [{ noiseKey }, ...former].some((keys) => this.hasKey(keys.noiseKey));
  }

  /** For the key of nobody. */
  hasKey(noiseKey: Uint8Array): boolean {
    return this.#blocks.size > 0 && this.#has(toHex(noiseKey));
  }

  /** Those in force, in the order in which they came. */
  list(): readonly B[] {
    for (const { subject } of this.#blocks.values())
      if (!this.#has(subject)) this.#blocks.delete(subject);
    return [...this.#blocks.values()];
  }

  #has(subject: string): boolean {
    const block = this.#blocks.get(subject);
    if (block === undefined) return false;
    // A clock that is set back prolongs nothing while this runs.
    this.#latestMs = Math.max(this.#latestMs, this.#wallMs());
    return block.untilMs === null || block.untilMs > this.#latestMs;
  }
}
