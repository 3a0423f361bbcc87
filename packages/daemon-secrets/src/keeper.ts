import { Denial, type Checkpoint } from "@sesame/core-types";
import type { Vaults } from "./io/vaults.ts";
import type { Vault } from "./vault/vault.ts";

/** The vaults that are unlocked, and the profiles that may be used. */
export class Keeper {
  readonly #vaults: Vaults;
  readonly #open = new Map<string, Vault>();
  #active: ReadonlySet<string> = new Set();

  constructor(vaults: Vaults) {
    this.#vaults = vaults;
  }

  /** Profiles in use, as daemon-profile last said. */
  set active(profiles: ReadonlySet<string>) {
    this.#active = profiles;
  }

  isOpen(profile: string): boolean {
    return this.#open.has(profile);
  }

  /** Unlocked vaults. */
  all(): Vault[] {
    return [...this.#open.values()];
  }

  /**
   * The vault of a profile, for use.
   *
   * @throws {Denial} vault-missing, vault-locked, profile-inactive
   */
  use(profile: string): Vault {
    const vault = this.#open.get(profile);
    if (vault === undefined)
      throw new Denial(
        this.#vaults.list().includes(profile) ? "vault-locked" : "vault-missing",
        profile,
      );
    if (!this.#active.has(profile)) throw new Denial("profile-inactive", profile);
    return vault;
  }

  /** Whether `use` would give a vault. */
  isUsable(profile: string): boolean {
    return this.#open.has(profile) && this.#active.has(profile);
  }

  keep(vault: Vault): void {
    this.#open.get(vault.profile)?.close();
    this.#open.set(vault.profile, vault);
  }

  /** Locks one profile, or all; the names of those that were unlocked. */
  lock(profile: string | null): string[] {
    const locked = [...this.#open.keys()].filter((name) => profile === null || name === profile);
    for (const name of locked) {
      this.#open.get(name)?.close();
      this.#open.delete(name);
    }
    return locked;
  }

  /** Leaves a checkpoint in every unlocked vault; how many took it. */
  anchor(checkpoint: Checkpoint): number {
    let stored = 0;
    for (const vault of this.#open.values()) if (vault.setAnchor(checkpoint)) stored++;
    return stored;
  }
}
