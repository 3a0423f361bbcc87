import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import {
  type Argon2Params,
  ARGON2_DEFAULT,
  isArgon2Params,
  KEY_BYTES,
  type Suite,
  wipe,
} from "@sesame/core-crypto";
import { type Clock, Denial, Fault, isProfileName } from "@sesame/core-types";
import { isWeaker, raised, unwrapWithPassword, wrapWithPassword } from "../vault/factors.ts";
import {
  type Factor,
  type Header,
  headerMac,
  headerText,
  isGenuine,
  MAX_HEADER_BYTES,
  parseHeader,
  type SignedHeader,
  VAULT_ID_BYTES,
} from "../vault/header.ts";
import { deriveKey } from "../vault/keys.ts";
import { firstMeta, openVault } from "../vault/open.ts";
import type { Vault } from "../vault/vault.ts";
import { createFile, readBounded, replaceFile, syncDirectory } from "./durable-file.ts";
import { createStore, openStore, type StoreParts } from "./sqlcipher-store.ts";
import { errorCode, storing } from "./storage-error.ts";
import { Throttles } from "./throttles.ts";

export type VaultsOptions = {
  /** Made if absent; nobody else gets at it. */
  readonly directory: string;
  readonly suite: Suite;
  readonly clock: Clock;
  /** Cost of new password factors, and the least that old ones are raised to. */
  readonly kdf?: Argon2Params;
};

/** The vaults of a directory, one per profile. */
export class Vaults {
  readonly #directory: string;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #kdf: Argon2Params;
  readonly #throttles: Throttles;
  /** Profiles whose files are being worked on. */
  readonly #working = new Set<string>();

  /** @throws {Denial} storage-failed */
  constructor({ directory, suite, clock, kdf = ARGON2_DEFAULT }: VaultsOptions) {
    if (!isArgon2Params(kdf)) throw new RangeError("Argon2id parameters are out of bounds");
    this.#directory = directory;
    this.#suite = suite;
    this.#clock = clock;
    this.#kdf = kdf;
    storing("", () => {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      chmodSync(directory, 0o700);
    });
    this.#throttles = new Throttles(directory, clock);
  }

  /** Profiles that have a vault, sorted. */
  list(): string[] {
    return storing("", () => readdirSync(this.#directory))
      .filter((file) => file.endsWith(".vault"))
      .map((file) => file.slice(0, -".vault".length))
      .filter(isProfileName)
      .sort();
  }

  /** Milliseconds until a password may be tried on a vault. */
  throttledMs(profile: string): number {
    return this.#throttles.waitMs(expectProfile(profile));
  }

  /**
   * Makes the vault of a profile and leaves it unlocked. Never overwrites anything.
   *
   * @param password - stays the caller's
   * @throws {Denial} vault-exists, name-invalid, storage-failed, busy
   */
  async create(profile: string, password: Uint8Array): Promise<Vault> {
    return this.#alone(profile, async () => {
      this.#expectNone(profile);
      const suite = this.#suite;
      const random = suite.randomBytes(KEY_BYTES);
      const master = suite.allocSecret(KEY_BYTES);
      master.set(random);
      wipe(random);
      try {
        const owner = { vaultId: suite.randomBytes(VAULT_ID_BYTES), profile };
        const id = suite.randomBytes(8);
        const factor = await wrapWithPassword(suite, owner, id, master, password, this.#kdf);
        const header: Header = {
          ...owner,
          policy: "any",
          revision: 1,
          createdMs: this.#clock.wallMs(),
          factors: [factor],
        };
        this.#build(header, master);
        return this.#open(header, master);
      } finally {
        wipe(master);
      }
    });
  }

  /** The database first: a vault exists once its header does, and is then complete. */
  #build(header: Header, master: Uint8Array): void {
    const { profile } = header;
    this.#expectNone(profile);
    storing(profile, () => setAside(this.#path(profile, "db")));
    this.#withDatabaseKey(profile, master, (parts) => {
      createStore(parts, firstMeta(this.#suite, header, master));
    });
    const text = headerText(this.#sign(header, master));
    try {
      storing(profile, () => createFile(this.#path(profile, "vault"), text));
    } catch (error) {
      throw errorCode(error) === "EEXIST" ? new Denial("vault-exists", profile) : error;
    }
    this.#throttles.succeed(profile);
  }

  /**
   * Unlocks the vault of a profile. Factors below the configured cost are raised to it.
   *
   * @param password - stays the caller's
   * @throws {Denial} vault-missing, throttled, factor-rejected, vault-damaged, name-invalid,
   *   storage-failed, busy (being worked on, or unlocked already)
   * @throws {Fault} config for the format of a later release
   */
  async unlock(profile: string, password: Uint8Array): Promise<Vault> {
    return this.#alone(profile, async () => {
      const { header, factor, master } = await this.#try(profile, password);
      try {
        const vault = this.#open(header, master);
        try {
          if (isWeaker(factor.kdf, this.#kdf)) {
            await this.#replaceFactor(vault, header, factor, master, password);
          }
          return vault;
        } catch (error) {
          vault.close();
          throw error;
        }
      } finally {
        wipe(master);
      }
    });
  }

  /**
   * Replaces the password of an unlocked vault. The master key stays the same.
   *
   * @throws {Denial} as `unlock`
   */
  async changePassword(vault: Vault, current: Uint8Array, next: Uint8Array): Promise<void> {
    await this.#alone(vault.profile, async () => {
      const { header, factor, master } = await this.#try(vault.profile, current);
      try {
        await this.#replaceFactor(vault, header, factor, master, next);
      } finally {
        wipe(master);
      }
    });
  }

  /**
   * Tries the password of a vault, which stays as it is.
   *
   * @throws {Denial} as `unlock`
   */
  async prove(profile: string, password: Uint8Array): Promise<void> {
    await this.#alone(profile, async () => {
      wipe((await this.#try(profile, password)).master);
    });
  }

  /** Tries a password. The caller wipes the master key. */
  async #try(
    profile: string,
    password: Uint8Array,
  ): Promise<{ header: Header; factor: Factor; master: Uint8Array }> {
    const signed = this.#loadHeader(profile);
    this.#throttles.begin(profile);
    const opened = await unwrapWithPassword(this.#suite, signed.header, password);
    if (opened === null) {
      throw new Denial("factor-rejected", "", this.#throttles.waitMs(profile));
    }
    this.#throttles.succeed(profile);
    const headerKey = deriveKey(this.#suite, "header", profile, opened.master);
    const isWhole = isGenuine(this.#suite, headerKey, signed);
    wipe(headerKey);
    if (isWhole) return { header: signed.header, ...opened };
    wipe(opened.master);
    throw new Denial("vault-damaged", profile);
  }

  #loadHeader(profile: string): SignedHeader {
    const text = storing(profile, () =>
      readBounded(this.#path(profile, "vault"), MAX_HEADER_BYTES),
    );
    if (text === undefined) throw new Denial("vault-missing", profile);
    const signed = text === null ? null : parseHeader(text);
    if (signed === "newer") {
      throw new Fault(
        "config",
        `the vault of profile ${profile} was written by a later release`,
        "install that release",
      );
    }
    if (signed === null || signed.header.profile !== profile) {
      throw new Denial("vault-damaged", profile);
    }
    return signed;
  }

  #open(header: Header, master: Uint8Array): Vault {
    const { profile } = header;
    if (!existsSync(this.#path(profile, "db"))) throw new Denial("vault-damaged", profile);
    const store = this.#withDatabaseKey(profile, master, openStore);
    const vault = openVault({ suite: this.#suite, clock: this.#clock, store, header, master });
    try {
      // A crash between header and database leaves the database behind.
      vault.adoptHeader(header.revision);
      return vault;
    } catch (error) {
      vault.close();
      throw error;
    }
  }

  /** Header first: until the database knows the revision, both the old and the new one open it. */
  async #replaceFactor(
    vault: Vault,
    header: Header,
    old: Factor,
    master: Uint8Array,
    password: Uint8Array,
  ): Promise<void> {
    const kdf = raised(old.kdf, this.#kdf);
    const factor = await wrapWithPassword(this.#suite, header, old.id, master, password, kdf);
    const factors = header.factors.map((kept) => (kept === old ? factor : kept));
    const next = { ...header, revision: header.revision + 1, factors };
    const text = headerText(this.#sign(next, master));
    storing(header.profile, () => replaceFile(this.#path(header.profile, "vault"), text));
    vault.adoptHeader(next.revision);
  }

  #sign(header: Header, master: Uint8Array): SignedHeader {
    const key = deriveKey(this.#suite, "header", header.profile, master);
    const mac = headerMac(this.#suite, key, header);
    wipe(key);
    return { header, mac };
  }

  #withDatabaseKey<T>(profile: string, master: Uint8Array, use: (parts: StoreParts) => T): T {
    const key = deriveKey(this.#suite, "database", profile, master);
    try {
      return use({ path: this.#path(profile, "db"), profile, key });
    } finally {
      wipe(key);
    }
  }

  #expectNone(profile: string): void {
    if (existsSync(this.#path(profile, "vault"))) throw new Denial("vault-exists", profile);
  }

  /** One thing at a time per vault: Argon2id takes long enough for a second call to arrive. */
  async #alone<T>(profile: string, work: () => Promise<T>): Promise<T> {
    expectProfile(profile);
    if (this.#working.has(profile)) throw new Denial("busy");
    this.#working.add(profile);
    try {
      return await work();
    } finally {
      this.#working.delete(profile);
    }
  }

  #path(profile: string, kind: "vault" | "db"): string {
    return join(this.#directory, `${profile}.${kind}`);
  }
}

function expectProfile(profile: string): string {
  if (!isProfileName(profile)) throw new Denial("name-invalid", "name of a profile");
  return profile;
}

/**
 * Moves a database without a header out of the way: the rest of a creation that was cut short, or
 * of a vault whose header was lost, so it is never deleted.
 */
function setAside(path: string): void {
  const parts = ["-wal", "-shm", ""].filter((suffix) => existsSync(`${path}${suffix}`));
  if (parts.length === 0) return;
  let n = 1;
  while (["-wal", "-shm", ""].some((suffix) => existsSync(`${path}.orphan-${n}${suffix}`))) n++;
  for (const suffix of parts) renameSync(`${path}${suffix}`, `${path}.orphan-${n}${suffix}`);
  syncDirectory(join(path, ".."));
}
