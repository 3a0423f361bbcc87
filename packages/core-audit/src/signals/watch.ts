import type { AuditEntry } from "../entry.ts";
import { hasCapability, type Capability } from "@sesame/core-types";
import { callOf, type LoggedCall } from "./calls.ts";
import {
  APPLICANTS,
  BURST,
  FORGERIES,
  QUIET_MS,
  REFUSALS,
  RULES,
  SETTLED_MS,
  type RuleName,
  type Severity,
} from "./rules.ts";

/** Something in the log that is worth a look. */
export type Finding = {
  readonly rule: RuleName;
  readonly severity: Severity;
  /** Verified name, or `user N` for the unregistered programs of a user; null: nobody's doing. */
  readonly who: string | null;
  /** Kind, program or number that it is about; from the log. */
  readonly what: string;
  readonly seq: number;
  /** Unix milliseconds of the entry. */
  readonly time: number;
};

/** What a party has done so far. */
type Past = {
  readonly since: number;
  readonly verbs: Set<string>;
  readonly programs: Set<string>;
  readonly reads: Recent;
  readonly refusals: Recent;
  readonly forgeries: Recent;
};

export type WatchOptions = {
  /** What an identity said it would do, by the signed record; null if it is not in it. */
  readonly declared: (name: string) => readonly Capability[] | null;
  /** Whether somebody sits before it, whose bursts and new ideas are no sign of anything. */
  readonly isHuman: (name: string) => boolean;
};

/** Parties that are told apart, and programs of one that are remembered. */
const MAX_PARTIES = 4_096;
const MAX_PROGRAMS = 64;

/** Times of the latest events, no more than are needed to tell whether there were `count`. */
class Recent {
  readonly #count: number;
  readonly #withinMs: number;
  #times: number[] = [];

  constructor({ count, withinMs }: { readonly count: number; readonly withinMs: number }) {
    this.#count = count;
    this.#withinMs = withinMs;
  }

  /** True if that makes `count` within the time. */
  add(time: number, events = 1): boolean {
    const more = Array.from({ length: Math.min(events, this.#count) }, () => time);
    this.#times = [...this.#times, ...more]
      .filter((each) => time - each < this.#withinMs)
      .slice(-this.#count);
    return this.#times.length === this.#count;
  }
}

/**
 * Reads the log entry by entry and says what stands out: the rules of docs/SIGNALS.md as a state
 * machine. The same entries give the same findings, whoever reads them and when.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #parties = new Map<string, Past>();
  /** When a rule last spoke about a party. */
  readonly #told = new Map<string, number>();
  readonly #applicants = new Recent(APPLICANTS);

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Entries come in the log's order. */
  take(entry: AuditEntry): readonly Finding[] {
    const found: Finding[] = [];
    const { actor, control, action, object, outcome, seq, time } = entry;
    const tell = (rule: RuleName, who: string | null, what: string): void => {
      const { severity } = RULES[rule];
      const repeats = rule === "undeclared" || rule === "new-verb" || rule === "new-program";
      const key = JSON.stringify([rule, who, repeats ? what : null]);
      const last = this.#told.get(key);
      if (last !== undefined && time - last < QUIET_MS) return;
      remember(this.#told, key, time);
      found.push({ rule, severity, who, what, seq, time });
    };
    if (control?.type === "gap") tell("gap", null, `${control.bytes} bytes`);
    if (control !== null || actor === null) return found;
    const who = actor.name ?? `user ${actor.uid}`;
    const past = this.#past(who, time);

    const forged = outcome.startsWith("refused:seal-") || action === "bus.violation";
    if (forged && past.forgeries.add(time)) tell("forgeries", who, `${FORGERIES.count} or more`);
    const refused = outcome.startsWith("refused:") ? 1 : suppressed(action, object);
    if (refused > 0 && past.refusals.add(time, refused))
      tell("refusals", who, `${REFUSALS.count} or more`);
    if (action === "agent.enroll" && outcome === "ok" && this.#applicants.add(time))
      tell("applicants", null, `${APPLICANTS.count} or more`);
    if (actor.name !== null && actor.exe !== null && isNew(past.programs, actor.exe, MAX_PROGRAMS))
      if (past.programs.size > 1) tell("new-program", who, actor.exe);
    const call = callOf(entry);
    if (call !== null && call.name !== null) this.#judge(call, past, tell);
    return found;
  }

  #judge(
    { name, kind, needs, ending, time }: LoggedCall,
    past: Past,
    tell: (rule: RuleName, who: string, what: string) => void,
  ): void {
    if (name === null) return;
    const declared = needs === null ? null : this.#options.declared(name);
    if (declared !== null && needs !== null && !hasCapability(declared, needs))
      tell("undeclared", name, kind);
    if (ending !== "done" || this.#options.isHuman(name)) return;
    const first = isNew(past.verbs, kind, Number.POSITIVE_INFINITY);
    if (first && time - past.since >= SETTLED_MS) tell("new-verb", name, kind);
    if (needs === "secret-read" && past.reads.add(time))
      tell("read-burst", name, `more than ${BURST.count}`);
  }

  #past(who: string, since: number): Past {
    const known = this.#parties.get(who);
    if (known !== undefined) return known;
    const made: Past = {
      since,
      verbs: new Set(),
      programs: new Set(),
      reads: new Recent({ ...BURST, count: BURST.count + 1 }),
      refusals: new Recent(REFUSALS),
      forgeries: new Recent(FORGERIES),
    };
    remember(this.#parties, who, made);
    return made;
  }
}

/** Refusals that were counted instead of being written one by one. docs/ENROLMENT.md */
function suppressed(action: string, object: string | null): number {
  if (action !== "bus.refusals") return 0;
  const count = Number(/^(\d+) more$/.exec(object ?? "")?.[1] ?? 0);
  return Number.isSafeInteger(count) ? count : 0;
}

/** Adds; true if it was not there. */
function isNew(set: Set<string>, word: string, most: number): boolean {
  if (set.has(word) || set.size >= most) return false;
  set.add(word);
  return true;
}

/** Sets; of too many the one goes that came first. */
export function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_PARTIES && oldest !== undefined) map.delete(oldest);
}
