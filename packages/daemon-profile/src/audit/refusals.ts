/** Refusals of one user within one minute that are recorded one by one. */
export const REFUSALS_PER_MINUTE = 60;

const MINUTE_MS = 60_000;

/** What to do with one more refusal. */
export type Verdict = {
  readonly record: boolean;
  /** Refusals that went unrecorded before this one and are to be counted in one record. */
  readonly suppressed: number;
};

/**
 * Keeps a refused client from filling the disk with its refusals: beyond a number per minute they
 * are counted instead, and the count is recorded.
 */
export class RefusalLimit {
  readonly #windows = new Map<number, { since: number; seen: number; suppressed: number }>();

  /** @param nowMs - of a clock that does not go back */
  next(uid: number, nowMs: number): Verdict {
    const window = this.#windows.get(uid);
    if (window === undefined || nowMs - window.since >= MINUTE_MS) {
      this.#windows.set(uid, { since: nowMs, seen: 1, suppressed: 0 });
      return { record: true, suppressed: window?.suppressed ?? 0 };
    }
    window.seen++;
    if (window.seen <= REFUSALS_PER_MINUTE) return { record: true, suppressed: 0 };
    window.suppressed++;
    return { record: false, suppressed: 0 };
  }
}
