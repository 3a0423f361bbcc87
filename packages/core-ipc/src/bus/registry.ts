import { toHex, type Identity } from "@sesame/core-types";

/** The identities that the bus knows, by the key that a handshake proves. */
export class Registry {
  #byKey: ReadonlyMap<string, Identity> = new Map();
  #byName: ReadonlyMap<string, Identity> = new Map();

  /** As `replace`. */
  constructor(identities: readonly Identity[]) {
    this.replace(identities);
  }

  /**
   * Knows these identities from now on, and no others.
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
