import type { Pattern } from "./patterns.ts";

/** Where the text ends before it is decided. */
const UNDECIDED = -1;
const NO = -2;
const LF = 10;
const CR = 13;

/**
 * Takes secrets out of a stream, wherever its chunks are cut. What may be the beginning of a secret
 * is held back until it is decided. docs/LAUNCHER.md, Redaction.
 */
export class Redactor {
  /** Patterns by the first two bytes of what they fit. */
  readonly #byStart = new Map<number, Pattern[]>();
  readonly #firsts = new Uint8Array(256);
  readonly #starts = new Uint8Array(65_536);
  #held: Uint8Array = new Uint8Array(0);
  /** Bytes at the beginning of what is held that belong to something already taken out. */
  #covered = 0;
  /** True if what was handed out last ends with a mark. */
  #marked = false;

  constructor(patterns: readonly Pattern[]) {
    for (const pattern of patterns) this.#enter(pattern);
  }

  /** What may be shown now. */
  push(chunk: Uint8Array): Uint8Array {
    return this.#scan(chunk, false);
  }

  /** The rest, at the end of the stream. */
  end(): Uint8Array {
    return this.#scan(new Uint8Array(0), true);
  }

  /** Forgets what it looks for. */
  destroy(): void {
    this.#byStart.clear();
    this.#starts.fill(0);
    this.#firsts.fill(0);
    this.#held.fill(0);
    this.#held = new Uint8Array(0);
  }

  #enter(pattern: Pattern): void {
    const [first = [], second = []] = pattern.units;
    const after = second.map((bytes) => bytes[0] ?? 0);
    if (pattern.wraps) after.push(LF, CR);
    for (const bytes of first) {
      const lead = bytes[0] ?? 0;
      this.#firsts[lead] = 1;
      for (const next of bytes.length > 1 ? [bytes[1] ?? 0] : after) {
        const key = (lead << 8) | next;
        const known = this.#byStart.get(key);
        if (known === undefined) this.#byStart.set(key, [pattern]);
        else if (known.at(-1) !== pattern) known.push(pattern);
        this.#starts[key] = 1;
      }
    }
  }

  #scan(chunk: Uint8Array, last: boolean): Uint8Array {
    const text = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const out: Uint8Array[] = [];
    let covered = this.#covered;
    let at = 0;
    for (; at < text.length; at += 1) {
      const lead = text[at] ?? 0;
      if (this.#firsts[lead] === 0) continue;
      const next = text[at + 1];
      if (next === undefined) {
        if (last) continue;
        break;
      }
      const key = (lead << 8) | next;
      if (this.#starts[key] === 0) continue;
      const found = this.#longest(key, text, at, last);
      if (found === UNDECIDED) break;
      if (found === null || found.end <= covered) continue;
      if (at > covered) out.push(text.subarray(covered, at));
      // What overlaps or follows at once is one thing that was taken out.
      if (at > covered || !this.#marked) out.push(marker(found.name));
      this.#marked = true;
      covered = found.end;
    }
    if (at > covered) {
      out.push(text.subarray(covered, at));
      this.#marked = false;
    }
    this.#held = new Uint8Array(text.subarray(at));
    this.#covered = Math.max(0, covered - at);
    return Buffer.concat(out);
  }

  #longest(
    key: number,
    text: Uint8Array,
    at: number,
    last: boolean,
  ): { readonly end: number; readonly name: string } | typeof UNDECIDED | null {
    let best: { end: number; name: string } | null = null;
    for (const pattern of this.#byStart.get(key) ?? []) {
      const end = fit(pattern, text, at, last);
      if (end === UNDECIDED) return UNDECIDED;
      if (end > (best?.end ?? 0)) best = { end, name: pattern.name };
    }
    return best;
  }
}

function marker(name: string): Uint8Array {
  return Buffer.from(`[redacted ${name}]`);
}

/**
 * Where a pattern that begins at a place ends. As long as each unit is printed in one way only,
 * there is one place to follow.
 */
function fit(pattern: Pattern, text: Uint8Array, start: number, last: boolean): number {
  const { units, wraps } = pattern;
  let place = start;
  for (let i = 0; i < units.length; i += 1) {
    const unit = units[i] ?? [];
    const from = wraps && i > 0 ? afterBreak(text, place) : place;
    let reached = NO;
    for (const bytes of unit) {
      const end = startsAt(bytes, text, from);
      if (end === NO) continue;
      if (end === UNDECIDED || (reached !== NO && reached !== end))
        return fitAllWays(pattern, text, start, last);
      reached = end;
    }
    if (reached === NO) return NO;
    place = reached;
  }
  return place;
}

/** The same where what stands for a unit may be the beginning of something else that does. */
function fitAllWays(pattern: Pattern, text: Uint8Array, start: number, last: boolean): number {
  const { units, wraps } = pattern;
  let places = [start];
  let cut = false;
  for (const [i, unit] of units.entries()) {
    const reached: number[] = [];
    for (const place of places) {
      const from = wraps && i > 0 ? afterBreak(text, place) : place;
      for (const bytes of unit) {
        const end = startsAt(bytes, text, from);
        if (end === UNDECIDED) cut ||= !last;
        else if (end !== NO && !reached.includes(end)) reached.push(end);
      }
    }
    if (reached.length === 0) return cut ? UNDECIDED : NO;
    places = reached;
  }
  // With more of the text, another way may go further.
  return cut ? UNDECIDED : Math.max(...places);
}

function afterBreak(text: Uint8Array, place: number): number {
  const next = text[place] === CR ? place + 1 : place;
  return text[next] === LF ? next + 1 : next;
}

function startsAt(bytes: Uint8Array, text: Uint8Array, place: number): number {
  const there = Math.min(bytes.length, text.length - place);
  for (let i = 0; i < there; i += 1) if (bytes[i] !== text[place + i]) return NO;
  return there < bytes.length ? UNDECIDED : place + bytes.length;
}
