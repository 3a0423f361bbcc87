/** Refusals of one user within one minute that are recorded one by one. */
export const REFUSALS_PER_MINUTE = 60;

const MINUTE_MS = 60_000;

/** Refusals of one user that went unrecorded. */
export type Suppressed = { readonly uid: number; readonly count: number };

/**
 * Keeps a refused client from filling the disk with its refusals: beyond a number per minute they
 * are counted instead, and the count is recorded.
 */
export class RefusalLimit {
  readonly #windows = new Map<number, { since: number; seen: number; suppressed: number }>();

  /**
   * True if one more refusal is to be recorded by itself.
   *
   * @param nowMs - of a clock that does not go back
   */
  admits(uid: number, nowMs: number): boolean {
    const window = this.#windows.get(uid);
    if (window === undefined || nowMs - window.since >= MINUTE_MS) {
      this.#windows.set(uid, { since: nowMs, seen: 1, suppressed: window?.suppressed ?? 0 });
      return true;
    }
    window.seen++;
    if (window.seen <= REFUSALS_PER_MINUTE) return true;
    window.suppressed++;
    return false;
  }

  /** What was counted and not handed out before: to be recorded now. */
  takeSuppressed(): Suppressed[] {
    const counted: Suppressed[] = [];
    for (const [uid, window] of this.#windows) {
      if (window.suppressed > 0) counted.push({ uid, count: window.suppressed });
      window.suppressed = 0;
    }
    return counted;
  }
}
