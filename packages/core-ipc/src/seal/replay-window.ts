import { limits, uuidTimeMs } from "@sesame/core-types";

/** Remembers the call ids of the last half minute, so that none is accepted twice. */
export class ReplayWindow {
  readonly #seen = new Map<string, number>();
  readonly #wallMs: () => number;
  readonly #monotonicMs: () => number;
  readonly #startedWallMs: number;
  readonly #startedMs: number;

  constructor(wallMs: () => number, monotonicMs: () => number) {
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    this.#startedWallMs = wallMs();
    this.#startedMs = monotonicMs();
  }

  /** "stale": made at another time than now; "replayed": seen; "full": too many at once. */
  check(id: Uint8Array): "fresh" | "stale" | "replayed" | "full" {
    if (Math.abs(uuidTimeMs(id) - this.#wallMs()) > limits.SEALED_WINDOW_MS) return "stale";
    const now = this.#monotonicMs();
    // What was accepted before a restart is not remembered, so it is not accepted at all.
    const young = now - this.#startedMs <= 2 * limits.SEALED_WINDOW_MS;
    if (young && uuidTimeMs(id) < this.#startedWallMs) return "stale";
    // An id is acceptable for at most twice the window: from its earliest to its latest moment.
    // The clock may be set back meanwhile, so age is counted by the clock that does not go back.
    for (const [key, at] of this.#seen) {
      if (now - at <= 2 * limits.SEALED_WINDOW_MS) break;
      this.#seen.delete(key);
    }
    const key = String.fromCharCode(...id);
    if (this.#seen.has(key)) return "replayed";
    if (this.#seen.size >= limits.MAX_SEEN_CALLS) return "full";
    this.#seen.set(key, now);
    return "fresh";
  }
}
