/** Which ids belong to a key. */
export class IdIndex {
  readonly #sets = new Map<string, Set<string>>();

  add(key: string, id: string): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([id]));
    else set.add(id);
  }

  remove(key: string, id: string): void {
    const set = this.#sets.get(key);
    if (set?.delete(id) === true && set.size === 0) this.#sets.delete(key);
  }

  /** Sorted, so that what follows from it does not depend on the order of events. */
  of(key: string): string[] {
    return [...(this.#sets.get(key) ?? [])].sort();
  }

  count(key: string): number {
    return this.#sets.get(key)?.size ?? 0;
  }
}
