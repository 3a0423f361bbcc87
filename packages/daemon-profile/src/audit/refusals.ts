/** Refusals of one party that are recorded one by one within a minute, for each kind of strike. */
export const REFUSALS_PER_MINUTE = 60;

const MINUTE_MS = 60_000;
/** Parties that are told apart; further ones are counted together. */
const MAX_PARTIES = 1_024;
const OTHERS = "";

/** Whose refusals are counted together: an identity's, or those of a user's strangers. */
export type Party = {
  readonly name: string | null;
  readonly uid: number;
  /** Of the connection, where nothing else proved a name. */
  readonly identity?: string | null;
};

/** Refusals of one party that went unrecorded. */
export type Suppressed = { readonly party: Party; readonly count: number };

type Window = { readonly party: Party; since: number; seen: number; suppressed: number };

/**
 * Keeps a refused client from filling the disk with its refusals: beyond a number per minute they
 * are counted instead, and the count is recorded.
 */
export class RefusalLimit {
  readonly #windows = new Map<string, Window>();

  /**
   * True if one more refusal is to be recorded by itself. What strikes is counted by itself, so that
   * nobody hides it behind refusals that do not.
   *
   * @param nowMs - of a clock that does not go back
   * @param strike - what it counts as; null: as nothing
   */
  admits(party: Party, nowMs: number, strike: string | null = null): boolean {
    const own = `${whoseOf(party)} ${strike ?? ""}`;
    const key = this.#windows.has(own) || this.#windows.size < MAX_PARTIES ? own : OTHERS;
    const window = this.#windows.get(key);
    if (window === undefined || nowMs - window.since >= MINUTE_MS) {
      const suppressed = window?.suppressed ?? 0;
      this.#windows.set(key, { party, since: nowMs, seen: 1, suppressed });
      return true;
    }
    window.seen++;
    if (window.seen <= REFUSALS_PER_MINUTE) return true;
    window.suppressed++;
    return false;
  }

  /** What was counted and not handed out before: to be recorded now. */
  takeSuppressed(nowMs: number): Suppressed[] {
    const counted: Suppressed[] = [];
    for (const [key, window] of this.#windows) {
      if (window.suppressed > 0) counted.push({ party: window.party, count: window.suppressed });
      window.suppressed = 0;
      if (nowMs - window.since >= MINUTE_MS) this.#windows.delete(key);
    }
    return counted;
  }
}

/** A name may be made of digits, as a user's number is. */
function whoseOf({ name, identity = null, uid }: Party): string {
  if (name !== null) return `name:${name}`;
  return identity === null ? `uid:${uid}` : `id:${identity}`;
}
