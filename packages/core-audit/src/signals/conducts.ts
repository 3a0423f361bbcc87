import type { AuditEntry } from "../entry.ts";
import { callOf } from "./calls.ts";
import { Watch, remember, type Finding, type WatchOptions } from "./watch.ts";

/** What somebody did, as far as the log goes. */
export type Conduct = {
  readonly calls: number;
  readonly notAllowed: number;
  readonly failed: number;
  /** What others answered when it asked for approval. */
  readonly approved: number;
  readonly rejected: number;
  /** Unix milliseconds of its first entry; null if there is none. */
  readonly since: number | null;
};

export const DAY_MS = 24 * 60 * 60 * 1_000;
/** Days for which calls and findings count, the present one included. */
export const MEMORY_DAYS = 90;
/** Different findings about one party that are kept. */
const MAX_FINDINGS = 256;

type Counts = Omit<Conduct, "since">;

type Past = {
  since: number;
  /** By the number of the day, UTC. */
  readonly days: Map<number, Counts>;
  /** The latest of each kind. */
  readonly findings: Map<string, Finding>;
};

/**
 * What everybody in a log did, taken entry by entry in the log's order, in bounded memory. The same
 * entries give the same conduct, whoever reads them and when.
 */
export class Conducts {
  readonly #watch: Watch;
  readonly #pasts = new Map<string, Past>();

  constructor(options: WatchOptions) {
    this.#watch = new Watch(options);
  }

  /** What stands out with this entry. */
  take(entry: AuditEntry): readonly Finding[] {
    const found = this.#watch.take(entry);
    const { actor, control, time } = entry;
    const name = actor?.name ?? null;
    if (name !== null && control === null) this.#note(this.#past(name, time), entry);
    const removed = removedBy(entry);
    if (removed !== null) this.#pasts.delete(removed);
    const answer = answerIn(entry);
    if (answer !== null) count(this.#past(answer.to, time), time, answer.counts);
    for (const finding of found) {
      if (finding.who === null || finding.who !== name) continue;
      const { findings } = this.#past(name, time);
      keep(findings, `${finding.rule} ${finding.what}`, finding, MAX_FINDINGS);
    }
    return found;
  }

  of(name: string, nowMs: number): Conduct {
    const past = this.#pasts.get(name);
    const since = past?.since ?? null;
    let sum = NOTHING;
    for (const [day, counts] of past?.days ?? [])
      if (day > dayOf(nowMs) - MEMORY_DAYS) sum = added(sum, counts);
    return { ...sum, since };
  }

  /** Of each kind the latest. */
  findings(name: string): readonly Finding[] {
    return [...(this.#pasts.get(name)?.findings.values() ?? [])];
  }

  #past(name: string, time: number): Past {
    const known = this.#pasts.get(name);
    if (known !== undefined) return known;
    const made: Past = { since: time, days: new Map(), findings: new Map() };
    remember(this.#pasts, name, made);
    return made;
  }

  #note(past: Past, entry: AuditEntry): void {
    past.since = Math.min(past.since, entry.time);
    const call = callOf(entry);
    if (call === null) return;
    count(past, entry.time, {
      calls: 1,
      notAllowed: call.ending === "not-allowed" ? 1 : 0,
      failed: call.ending === "failed" ? 1 : 0,
    });
  }
}

const NOTHING: Counts = { calls: 0, notAllowed: 0, failed: 0, approved: 0, rejected: 0 };

/** Whom the record has no longer: the next one of that name is another. docs/SIGNALS.md, SIGNAL-10 */
function removedBy({ control, action, object, outcome }: AuditEntry): string | null {
  const isReload = control === null && action === "bus.reload" && outcome.startsWith("ok");
  if (!isReload) return null;
  return /^removed (.+)$/.exec(object ?? "")?.[1] ?? null;
}

/** Somebody's answer to another one who asked for approval: `ANSWER CAPABILITY NAME ID`. */
function answerIn({
  actor,
  control,
  action,
  object,
  outcome,
}: AuditEntry): { readonly to: string; readonly counts: Partial<Counts> } | null {
  const isAnswer = control === null && action === "approval.answer" && outcome.startsWith("ok");
  const [answer, , to] = isAnswer && object !== null ? object.split(" ") : [];
  if (to === undefined || to === actor?.name) return null;
  return { to, counts: answer === "never" ? { rejected: 1 } : { approved: 1 } };
}

function count(past: Past, time: number, counts: Partial<Counts>): void {
  const day = dayOf(time);
  keep(past.days, day, added(past.days.get(day) ?? NOTHING, counts), MEMORY_DAYS);
}

function added(sum: Counts, more: Partial<Counts>): Counts {
  const { calls = 0, notAllowed = 0, failed = 0, approved = 0, rejected = 0 } = more;
  return {
    calls: sum.calls + calls,
    notAllowed: sum.notAllowed + notAllowed,
    failed: sum.failed + failed,
    approved: sum.approved + approved,
    rejected: sum.rejected + rejected,
  };
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** Sets; of too many the one goes that was set longest ago. */
function keep<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
