import { MAX_RATES, MAX_RATE_USES } from "./limits.ts";

/** When what was used, so that rates can be held: a sliding window for each key. */
export class Rates {
  /** Times in order, for keys in the order of their last use. */
  readonly #uses = new Map<string, number[]>();

  /** Uses within the last `withinMs` milliseconds. */
  count(key: string, nowMs: number, withinMs: number): number {
    const times = this.#uses.get(key) ?? [];
    return times.filter((time) => time > nowMs - withinMs).length;
  }

  /** Remembers a use; of a key the last MAX_RATE_USES, and of the keys the last used MAX_RATES. */
  add(key: string, nowMs: number): void {
    const times = this.#uses.get(key) ?? [];
    times.push(nowMs);
    if (times.length > MAX_RATE_USES) times.shift();
    this.#uses.delete(key);
    this.#uses.set(key, times);
    if (this.#uses.size <= MAX_RATES) return;
    for (const oldest of this.#uses.keys()) {
      this.#uses.delete(oldest);
      return;
    }
  }
}
