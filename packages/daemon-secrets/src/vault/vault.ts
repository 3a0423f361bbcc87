import { type Aead, equalBytes, type Suite, wipe } from "@sesame/core-crypto";
import {
  type Checkpoint,
  checkpointSchema,
  type Clock,
  decode,
  Denial,
  encode,
  isSecretName,
  limits,
  toHex,
} from "@sesame/core-types";
import { openEntry, type Place, sealEntry } from "./entry.ts";
import type { Header } from "./header.ts";
import { byName, type Head, type SecretState, stateMac, withVersion } from "./state.ts";
import type { Change, VaultStore } from "./store.ts";

/** Bytes that the wire adds to a fetched value beyond its name: lengths and the item's header. */
const FETCH_ITEM_BYTES = 16;

/** Under names with this beginning lies what the daemon itself keeps in the vault. */
const OWN = ".sesame/";

export type SecretInfo = {
  readonly name: string;
  readonly version: number;
  readonly createdMs: number;
  readonly updatedMs: number;
};

/** A decrypted value; the caller wipes it. */
export type SecretValue = { readonly value: Uint8Array; readonly version: number };

export type VaultParts = {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly store: VaultStore;
  readonly header: Header;
  /** 32 bytes each; the vault wipes them. */
  readonly keys: {
    readonly entry: Uint8Array;
    readonly state: Uint8Array;
    readonly pseudonym: Uint8Array;
  };
  readonly head: Head;
  readonly secrets: Map<string, SecretState>;
};

/**
 * An unlocked vault. Every write is on disk when the method returns; every value that is read is
 * the one that the authenticated state names, or the read is refused with `vault-damaged`.
 * After `close` everything is refused with `vault-locked`.
 */
export class Vault {
  readonly profile: string;
  /** 32 hex digits. */
  readonly id: string;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #store: VaultStore;
  readonly #entries: Aead;
  readonly #stateKey: Uint8Array;
  readonly #pseudonymKey: Uint8Array;
  #head: Head;
  // Invariant: what the last MAC on disk covers.
  readonly #secrets: Map<string, SecretState>;
  #isOpen = true;

  /** Of a state that was verified: `openVault` is the way in. */
  constructor({ suite, clock, store, header, keys, head, secrets }: VaultParts) {
    this.profile = header.profile;
    this.id = toHex(header.vaultId);
    this.#suite = suite;
    this.#clock = clock;
    this.#store = store;
    this.#entries = suite.xchacha20poly1305(keys.entry);
    wipe(keys.entry);
    this.#stateKey = keys.state;
    this.#pseudonymKey = keys.pseudonym;
    this.#head = head;
    this.#secrets = secrets;
  }

  /** Sorted by name. */
  list(): SecretInfo[] {
    this.#expectOpen();
    const secrets = [...this.#secrets.values()].filter(({ name }) => !name.startsWith(OWN));
    return secrets.map(infoOf).sort(byName);
  }

  /** The versions that are kept, oldest first; any of them can be read. */
  versions(name: string): { readonly version: number; readonly createdMs: number }[] {
    return this.#secret(name).versions.map(({ version, createdMs }) => ({ version, createdMs }));
  }

  /**
   * Reads the current version, or one of those that are kept.
   *
   * @throws {Denial} secret-not-found, vault-damaged
   */
  get(name: string, version?: number): SecretValue {
    return this.#read(this.#secret(name), version);
  }

  #read(secret: SecretState, version?: number): SecretValue {
    const { name } = secret;
    const wanted =
      version === undefined
        ? secret.current
        : secret.versions.find((kept) => kept.version === version);
    if (wanted === undefined) throw new Denial("secret-not-found", name);
    const entry = this.#store.entry(name, wanted.version);
    const value =
      entry !== null && equalBytes(entry.tag, wanted.tag)
        ? openEntry(this.#entries, this.#place(name, wanted.version), entry)
        : null;
    if (value === null) throw this.#damaged();
    return { value, version: wanted.version };
  }

  /**
   * Reads all named secrets, or every one; each once, in the order given or by name.
   *
   * @throws {Denial} secret-not-found if one is missing, reply-too-large; then no value is left
   */
  fetch(names: readonly string[] | null): { readonly name: string; readonly value: Uint8Array }[] {
    const wanted = names === null ? this.list().map(({ name }) => name) : [...new Set(names)];
    for (const name of wanted) this.#secret(name);
    const fetched: { name: string; value: Uint8Array }[] = [];
    let total = 0;
    try {
      for (const name of wanted) {
        const { value } = this.get(name);
        fetched.push({ name, value });
        total += value.length + name.length + FETCH_ITEM_BYTES;
        if (total > limits.MAX_FETCH_BYTES) throw new Denial("reply-too-large");
      }
    } catch (error) {
      for (const { value } of fetched) wipe(value);
      throw error;
    }
    return fetched;
  }

  /**
   * Stores a value as the next version.
   *
   * @param value - any bytes, up to MAX_SECRET_BYTES; stays the caller's
   * @returns the version
   * @throws {Denial} name-invalid, value-too-large, storage-failed; then nothing is changed
   */
  set(name: string, value: Uint8Array): number {
    this.#expectOpen();
    if (!isUsable(name)) throw invalidName();
    return this.#put(name, value);
  }

  /** What the daemon keeps under a word of its own, which the caller wipes; null: nothing. */
  note(word: string): Uint8Array | null {
    this.#expectOpen();
    const found = this.#secrets.get(OWN + word);
    return found === undefined ? null : this.#read(found).value;
  }

  /**
   * Keeps something under a word of the daemon's own, as `set` does.
   *
   * @throws {Denial} storage-failed; then nothing is changed
   */
  setNote(word: string, value: Uint8Array): void {
    this.#put(OWN + word, value);
  }

  #put(name: string, value: Uint8Array): number {
    this.#expectOpen();
    if (value.length > limits.MAX_SECRET_BYTES) throw new Denial("value-too-large");
    const before = this.#secrets.get(name);
    if (before === undefined && this.#secrets.size >= limits.MAX_LIST_ITEMS) {
      throw new Denial("storage-failed", "the vault is full of secrets");
    }
    const version = (before?.current.version ?? this.#head.retired) + 1;
    const entry = sealEntry(this.#suite, this.#entries, this.#place(name, version), value);
    const createdMs = this.#clock.wallMs();
    const after = withVersion(before, name, { version, createdMs, tag: entry.tag });
    this.#write(
      {},
      {
        kind: "put",
        row: { name, version, createdMs, tag: entry.tag },
        entry,
        keepFrom: after.versions[0]?.version ?? version,
      },
      [...this.#allBut(name), after],
    );
    this.#secrets.set(name, after);
    return version;
  }

  /**
   * Removes a secret and all its versions for good.
   *
   * @throws {Denial} secret-not-found, storage-failed
   */
  delete(name: string): void {
    const { current } = this.#secret(name);
    const retired = Math.max(this.#head.retired, current.version);
    this.#write({ retired }, { kind: "remove", name }, this.#allBut(name));
    this.#secrets.delete(name);
    this.#store.checkpoint();
  }

  /** What the audit log shows instead of the name: 16 hex digits, different in every vault. */
  pseudonym(name: string): string {
    this.#expectOpen();
    const mac = this.#suite.hmacSha256(this.#pseudonymKey, new TextEncoder().encode(name));
    return toHex(mac.subarray(0, 8));
  }

  /** The latest checkpoint of the audit log that this vault has seen. */
  anchor(): Checkpoint | null {
    this.#expectOpen();
    return this.#head.anchor === null ? null : decode(checkpointSchema, this.#head.anchor);
  }

  /**
   * Remembers a checkpoint.
   *
   * @returns false if the one that is held reaches as far; it stays
   */
  setAnchor(checkpoint: Checkpoint): boolean {
    const held = this.anchor();
    if (held !== null && held.sequence >= checkpoint.sequence) return false;
    const anchor = encode(checkpointSchema, checkpoint);
    this.#write({ anchor }, { kind: "head" }, [...this.#secrets.values()]);
    return true;
  }

  /** From here on a header of a lower revision is refused. */
  adoptHeader(headerRevision: number): void {
    this.#expectOpen();
    if (headerRevision <= this.#head.headerRevision) return;
    this.#write({ headerRevision }, { kind: "head" }, [...this.#secrets.values()]);
  }

  /** Locks: wipes the keys and closes the database. May be called again. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#entries.destroy();
    wipe(this.#stateKey);
    wipe(this.#pseudonymKey);
    this.#secrets.clear();
    this.#store.close();
  }

  /** The state in memory changes only after the one on disk has. */
  #write(changed: Partial<Head>, change: Change, secrets: readonly SecretState[]): void {
    const head = { ...this.#head, ...changed, writes: this.#head.writes + 1 };
    const mac = stateMac(this.#suite, this.#stateKey, head, secrets);
    const { vaultId: _, profile: __, ...stored } = head;
    if (!this.#store.write({ ...stored, mac }, change)) throw this.#damaged();
    this.#head = head;
  }

  #allBut(name: string): SecretState[] {
    return [...this.#secrets.values()].filter((secret) => secret.name !== name);
  }

  #secret(name: string): SecretState {
    this.#expectOpen();
    // A name that cannot exist is not echoed.
    if (!isUsable(name)) throw invalidName();
    const secret = this.#secrets.get(name);
    if (secret !== undefined) return secret;
    throw new Denial("secret-not-found", name);
  }

  #place(name: string, version: number): Place {
    return { vaultId: this.#head.vaultId, profile: this.profile, name, version };
  }

  #expectOpen(): void {
    if (!this.#isOpen) throw new Denial("vault-locked", this.profile);
  }

  #damaged(): Denial {
    return new Denial("vault-damaged", this.profile);
  }
}

function isUsable(name: string): boolean {
  return isSecretName(name) && !name.startsWith(OWN);
}

function invalidName(): Denial {
  return new Denial("name-invalid", "name of a secret");
}

function infoOf({ name, createdMs, current }: SecretState): SecretInfo {
  return { name, version: current.version, createdMs, updatedMs: current.createdMs };
}
