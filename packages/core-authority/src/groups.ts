/** What belongs to a key, each under an id, in the order in which it came. */
export class Groups<T> {
  readonly #groups = new Map<string, Map<string, T>>();

  add(key: string, id: string, value: T): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Map([[id, value]]));
    else group.set(id, value);
  }

  remove(key: string, id: string): void {
    const group = this.#groups.get(key);
    if (group?.delete(id) === true && group.size === 0) this.#groups.delete(key);
  }

  of(key: string): T[] {
    return [...(this.#groups.get(key)?.values() ?? [])];
  }
}
