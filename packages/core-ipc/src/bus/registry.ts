import { toHex, type Identity } from "@sesame/core-types";

/** The identities that the bus knows, by the key that a handshake proves. */
export class Registry {
  readonly #byKey = new Map<string, Identity>();
  readonly #byName = new Map<string, Identity>();

  /** @throws {RangeError} if a key or a name occurs twice: it would name two identities */
  constructor(identities: readonly Identity[]) {
    for (const identity of identities) {
      const key = toHex(identity.noiseKey);
      if (this.#byKey.has(key) || this.#byName.has(identity.name))
        throw new RangeError(`identity ${identity.name} is registered twice`);
      this.#byKey.set(key, identity);
      this.#byName.set(identity.name, identity);
    }
  }

  /** Whose key this is, or null for an unregistered one. */
  byKey(publicKey: Uint8Array): Identity | null {
    return this.#byKey.get(toHex(publicKey)) ?? null;
  }

  byName(name: string): Identity | null {
    return this.#byName.get(name) ?? null;
  }
}
