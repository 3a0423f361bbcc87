import type { Verb } from "@sesame/core-authority";
import { Denial, limits } from "@sesame/core-types";

const { ASKED_TTL_MS, MAX_ANSWERS, MAX_APPROVAL_MS, MAX_ASKED, MAX_ASKED_EACH } = limits;
const { MAX_ASKED_NAMES, ONCE_TTL_MS } = limits;

/** Both clocks, in milliseconds. What has ended by either has ended. */
export type Moment = { readonly wallMs: number; readonly monotonicMs: number };

/** What somebody wants to do, as far as it has to be approved. */
export type Ask = {
  /** Id of the identity that the owner saw proved. */
  readonly identity: string;
  readonly capability: Verb;
  /** Null: none, or all. */
  readonly profile: string | null;
  /** Names of secrets; none: whatever the call is about. */
  readonly names: readonly string[];
};

/** An approval that waits for its answer. */
export type Asked = Ask & {
  /** 8 hex digits. */
  readonly id: string;
  /** Unix milliseconds. */
  readonly askedMs: number;
  /** What the asker says it is for; nothing vouches for it. */
  readonly reason: string | null;
};

export type Answer =
  | { readonly word: "once" }
  | { readonly word: "never" }
  /** 1 to MAX_APPROVAL_MS. */
  | { readonly word: "for"; readonly forMs: number };

/** How an ask stands. */
export type Standing =
  | { readonly state: "approved" }
  | { readonly state: "refused" }
  | { readonly state: "asked"; readonly id: string; readonly isNew: boolean };

/** How the waiting asker finds its ask. */
export type Progress = "asked" | "approved" | "refused" | "gone";

type Until = { readonly wallMs: number; readonly monotonicMs: number };
type Waiting = Asked & { readonly key: string; readonly until: Until };

/**
 * Who waits for whose approval, and what was answered. A state machine: time comes in with every
 * operation. Nothing of it is stored: a restart forgets every answer, and asks anew.
 * docs/POLICY.md, Approval.
 */
export class Approvals {
  readonly #newId: () => string;
  readonly #asked = new Map<string, Waiting>();
  /** Approved once: by the key of the whole ask. */
  readonly #once = new Map<string, Until>();
  /** Approved for a time: by the keys of `singlesOf`. */
  readonly #timed = new Map<string, Until>();
  /** Refused for good: likewise. */
  readonly #never = new Set<string>();
  /** What became of the last asks, for their askers. */
  readonly #answered = new Map<string, { readonly identity: string; readonly approved: boolean }>();

  /** @param newId - 8 hex digits that nobody foresees */
  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /**
   * Whether this may be done now; if not, it waits for an answer from here on. Asking the same again
   * joins what waits. An approval for one time is used up by the call that returns it.
   *
   * @throws {Denial} busy, if too much waits already
   */
  demand(ask: Ask, now: Moment): Standing {
    this.#expire(now);
    const names = [...new Set(ask.names)].sort();
    if (singlesOf(ask).some((single) => this.#never.has(single))) return { state: "refused" };
    if (singlesOf(ask).every((single) => this.#timed.has(single))) return { state: "approved" };
    const open = names.filter((name) => !this.#timed.has(keyOf(ask, [name])));
    const key = keyOf(ask, open);
    if (this.#once.delete(key)) return { state: "approved" };
    const waiting = [...this.#asked.values()];
    const same = waiting.find((one) => one.key === key);
    if (same !== undefined) return { state: "asked", id: same.id, isNew: false };
    const mine = waiting.filter(({ identity }) => identity === ask.identity);
    if (waiting.length >= MAX_ASKED || mine.length >= MAX_ASKED_EACH) throw new Denial("busy");
    if (open.length > MAX_ASKED_NAMES) throw new Denial("busy");
    const id = this.#freshId();
    const { identity, capability, profile } = ask;
    const until = after(now, ASKED_TTL_MS);
    const asked = { identity, capability, profile, names: open, askedMs: now.wallMs, reason: null };
    this.#asked.set(id, { ...asked, id, key, until });
    return { state: "asked", id, isNew: true };
  }

  /** The asker says what it is for; the first word stands. False if this is not its ask. */
  explain(id: string, identity: string, reason: string): boolean {
    const asked = this.#asked.get(id);
    if (asked?.identity !== identity) return false;
    if (asked.reason === null) this.#asked.set(id, { ...asked, reason });
    return true;
  }

  /** How an ask stands for the identity that made it; of others' it learns nothing. */
  progress(id: string, identity: string, now: Moment): Progress {
    this.#expire(now);
    if (this.#asked.get(id)?.identity === identity) return "asked";
    const answered = this.#answered.get(id);
    if (answered?.identity !== identity) return "gone";
    return answered.approved ? "approved" : "refused";
  }

  /** What waits, oldest first. */
  list(now: Moment): Asked[] {
    this.#expire(now);
    return [...this.#asked.values()];
  }

  /**
   * Answers an ask.
   *
   * @param by - id of the identity that answers; not the one that asked
   * @returns what was asked
   * @throws {Denial} not-asked; capability-missing, for one's own; busy, if it has too many answers
   */
  answer(id: string, by: string, answer: Answer, now: Moment): Asked {
    this.#expire(now);
    const asked = this.#asked.get(id);
    if (asked === undefined) throw new Denial("not-asked", id);
    if (asked.identity === by) throw new Denial("capability-missing");
    const singles = singlesOf(asked);
    if (this.#answersTo(asked.identity) + singles.length > MAX_ANSWERS) throw new Denial("busy");
    if (answer.word === "once") this.#once.set(asked.key, after(now, ONCE_TTL_MS));
    else if (answer.word === "for") {
      const until = after(now, Math.min(answer.forMs, MAX_APPROVAL_MS));
      for (const single of singles) this.#timed.set(single, until);
    } else for (const single of singles) this.#never.add(single);
    this.#asked.delete(id);
    this.#answered.set(id, { identity: asked.identity, approved: answer.word !== "never" });
    for (const oldest of this.#answered.keys()) {
      if (this.#answered.size <= MAX_ANSWERS) break;
      this.#answered.delete(oldest);
    }
    return asked;
  }

  /** Forgets what was approved or waits, of a profile or of all; what was refused stays refused. */
  forget(profile: string | null): void {
    const concerns = (key: string): boolean => profile === null || profileOf(key) === profile;
    for (const [id, { key }] of this.#asked) if (concerns(key)) this.#asked.delete(id);
    for (const kept of [this.#once, this.#timed])
      for (const key of kept.keys()) if (concerns(key)) kept.delete(key);
  }

  /** As `forget`, for identities that are nobody any more. True if one of them waited. */
  retain(isSomebody: (identity: string) => boolean): boolean {
    const waiting = this.#asked.size;
    for (const [id, { identity }] of this.#asked) if (!isSomebody(identity)) this.#asked.delete(id);
    for (const kept of [this.#once, this.#timed])
      for (const key of kept.keys()) if (!isSomebody(String(identityOf(key)))) kept.delete(key);
    return this.#asked.size < waiting;
  }

  /** Counted for each identity: what one was refused must not keep the others from an answer. */
  #answersTo(identity: string): number {
    const keys = [...this.#once.keys(), ...this.#timed.keys(), ...this.#never];
    return keys.filter((key) => identityOf(key) === identity).length;
  }

  #freshId(): string {
    for (;;) {
      const id = this.#newId();
      if (!this.#asked.has(id) && !this.#answered.has(id)) return id;
    }
  }

  #expire(now: Moment): void {
    for (const [id, { until }] of this.#asked) if (isOver(until, now)) this.#asked.delete(id);
    for (const kept of [this.#once, this.#timed])
      for (const [key, until] of kept) if (isOver(until, now)) kept.delete(key);
  }
}

/** What an approval is bound to. */
function keyOf({ identity, capability, profile }: Ask, names: readonly string[]): string {
  return JSON.stringify([profile, identity, capability, ...names]);
}

/** The keys of its parts: one for each name, or one for a call without names. */
function singlesOf(ask: Ask): string[] {
  return ask.names.length === 0 ? [keyOf(ask, [])] : ask.names.map((name) => keyOf(ask, [name]));
}

function profileOf(key: string): unknown {
  return (JSON.parse(key) as readonly unknown[])[0];
}

function identityOf(key: string): unknown {
  return (JSON.parse(key) as readonly unknown[])[1];
}

function after({ wallMs, monotonicMs }: Moment, ms: number): Until {
  return { wallMs: wallMs + ms, monotonicMs: monotonicMs + ms };
}

function isOver(until: Until, now: Moment): boolean {
  return now.wallMs >= until.wallMs || now.monotonicMs >= until.monotonicMs;
}
