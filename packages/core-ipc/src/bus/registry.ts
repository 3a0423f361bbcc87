import { toHex, type Identity } from "@sesame/core-types";

/** The active identities, by the key that a handshake proves. A suspended one is nobody here. */
export class Registry {
  #byKey: ReadonlyMap<string, Identity> = new Map();
  #byName: ReadonlyMap<string, Identity> = new Map();

  /** As `replace`. */
  constructor(identities: readonly Identity[]) {
    this.replace(identities);
  }

  /**
   * Knows the active ones of these identities from now on, and no others.
   *
   * @throws {RangeError} if a key or a name occurs twice: it would name two identities; the old
   *   ones stay
   */
  replace(identities: readonly Identity[]): void {
    const byKey = new Map<string, Identity>();
    const byName = new Map<string, Identity>();
    for (const identity of identities) {
      const key = toHex(identity.noiseKey);
      if (byKey.has(key) || byName.has(identity.name))
        throw new RangeError(`identity ${identity.name} is registered twice`);
      byKey.set(key, identity);
      byName.set(identity.name, identity);
    }
    for (const [key, { name, state }] of byKey) {
      if (state === "active") continue;
      byKey.delete(key);
      byName.delete(name);
    }
    this.#byKey = byKey;
    this.#byName = byName;
  }

  /** Whose key this is, or null for an unregistered one. */
  byKey(publicKey: Uint8Array): Identity | null {
    return this.#byKey.get(toHex(publicKey)) ?? null;
  }

  byName(name: string): Identity | null {
    return this.#byName.get(name) ?? null;
  }
}
