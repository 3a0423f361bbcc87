import { limits } from "@sesame/core-types";

/** Times of the latest calls of one key, in a ring; only those inside the window count. */
type Window = {
  readonly times: Float64Array;
  /** Place of the oldest. */
  first: number;
  count: number;
};

/** What lies beyond MAX_RATE_KEYS is counted together. */
const OTHERS = "\0others";

/**
 * Sliding windows: at most `limit` calls of a key within any RATE_WINDOW_MS.
 *
 * Invariant: keys are forgotten only once none of their calls counts any more, so that nobody gains
 * by bringing in further keys.
 */
export class RateWindows {
  readonly #windows = new Map<string, Window>();
  readonly #maxKeys: number;

  constructor(maxKeys = limits.MAX_RATE_KEYS) {
    this.#maxKeys = maxKeys;
  }

  /** Keys that are held. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts one call, unless it is one too many.
   *
   * @param limit - the same for the same key each time; at least 1
   * @param nowMs - of a clock that does not go back
   * @returns 0, or the milliseconds after which a call of the key is counted again
   */
  take(key: string, limit: number, nowMs: number): number {
    const window = this.#window(key, limit, nowMs);
    expire(window, nowMs);
    const { times } = window;
    if (window.count === times.length)
      return Math.max(1, Math.ceil((times[window.first] ?? nowMs) + limits.RATE_WINDOW_MS - nowMs));
    times[(window.first + window.count) % times.length] = nowMs;
    window.count++;
    return 0;
  }

  /** The window of a key, which becomes the latest in the map's order. */
  #window(key: string, limit: number, nowMs: number): Window {
    const known = this.#windows.get(key);
    if (known !== undefined) {
      this.#windows.delete(key);
      this.#windows.set(key, known);
      return known;
    }
    if (this.#windows.size >= this.#maxKeys) this.#forgetOldest(nowMs);
    const others = `${OTHERS} ${limit}`;
    if (this.#windows.size >= this.#maxKeys && key !== others)
      return this.#window(others, limit, nowMs);
    const made = { times: new Float64Array(limit), first: 0, count: 0 };
    this.#windows.set(key, made);
    return made;
  }

  /** The key that was used longest ago is the first of the map. */
  #forgetOldest(nowMs: number): void {
    for (const [key, window] of this.#windows) {
      expire(window, nowMs);
      if (window.count > 0) return;
      this.#windows.delete(key);
    }
  }
}

function expire(window: Window, nowMs: number): void {
  const { times } = window;
  while (window.count > 0 && nowMs - (times[window.first] ?? 0) >= limits.RATE_WINDOW_MS) {
    window.first = (window.first + 1) % times.length;
    window.count--;
  }
}
