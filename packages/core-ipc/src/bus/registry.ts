import { toHex, type Identity } from "@sesame/core-types";

type Former = { readonly identity: Identity; readonly untilMs: number };

/**
 * The active identities, by the key that a handshake proves: the one that they have, or a former
 * one until its date. A suspended identity is nobody here.
 */
export class Registry {
  readonly #wallMs: () => number;
  #byKey: ReadonlyMap<string, Identity> = new Map();
  #byName: ReadonlyMap<string, Identity> = new Map();
  #former: ReadonlyMap<string, Former> = new Map();
  #latestMs = 0;
  /** When the next former key lapses. */
  #lapseMs = Number.POSITIVE_INFINITY;

  /**
   * As `replace`.
   *
   * @param wallMs - by which former keys lapse
   */
  constructor(identities: readonly Identity[], wallMs: () => number) {
    this.#wallMs = wallMs;
    this.replace(identities);
  }

  /**
   * Knows the active ones of these identities from now on, and no others.
   *
   * @throws {RangeError} if a key or a name occurs twice: it would name two identities; the old
   *   ones stay
   */
  replace(identities: readonly Identity[]): void {
    const keys = new Set<string>();
    const names = new Set<string>();
    const [byKey, byName] = [new Map<string, Identity>(), new Map<string, Identity>()];
    const former = new Map<string, Former>();
    for (const identity of identities) {
      const { name, noiseKey, state } = identity;
      const key = toHex(noiseKey);
      const before = identity.former.map((one) => [toHex(one.noiseKey), one.untilMs] as const);
      for (const one of [key, ...before.map(([hex]) => hex)]) {
        if (keys.has(one)) throw new RangeError(`a key of identity ${name} is registered twice`);
        keys.add(one);
      }
      if (names.has(name)) throw new RangeError(`identity ${name} is registered twice`);
      names.add(name);
      if (state !== "active") continue;
      byKey.set(key, identity);
      byName.set(name, identity);
      for (const [hex, untilMs] of before) former.set(hex, { identity, untilMs });
    }
    this.#byKey = byKey;
    this.#byName = byName;
    this.#former = former;
    this.#lapseMs = this.#nextLapse();
  }

  /** Whose key this is, or null for an unregistered one. */
  byKey(publicKey: Uint8Array): Identity | null {
    const key = toHex(publicKey);
    const present = this.#byKey.get(key);
    if (present !== undefined) return present;
    const former = this.#former.get(key);
    return former !== undefined && former.untilMs > this.#nowMs() ? former.identity : null;
  }

  byName(name: string): Identity | null {
    return this.#byName.get(name) ?? null;
  }

  /** True once after former keys have lapsed: what is open under them has to end. */
  lapsed(): boolean {
    if (this.#nowMs() < this.#lapseMs) return false;
    this.#lapseMs = this.#nextLapse();
    return true;
  }

  #nextLapse(): number {
    const nowMs = this.#nowMs();
    const dates = [...this.#former.values()].map(({ untilMs }) => untilMs);
    return Math.min(...dates.filter((untilMs) => untilMs > nowMs));
  }

  /** A clock that is set back gives no key more time. */
  #nowMs(): number {
    this.#latestMs = Math.max(this.#latestMs, this.#wallMs());
    return this.#latestMs;
  }
}
