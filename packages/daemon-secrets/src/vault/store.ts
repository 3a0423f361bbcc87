import type { Entry } from "./entry.ts";
import type { Head } from "./state.ts";

/** What the one row of the table `meta` holds: the head but what the header says, and the MAC. */
export type Meta = Omit<Head, "vaultId" | "profile"> & { readonly mac: Uint8Array };

export type SecretRow = { readonly name: string; readonly createdMs: number };
export type VersionRow = {
  readonly name: string;
  readonly version: number;
  readonly createdMs: number;
  readonly tag: Uint8Array;
};

export type Change =
  | {
      readonly kind: "put";
      readonly row: VersionRow;
      readonly entry: Entry;
      /** Versions below it are dropped. */
      readonly keepFrom: number;
    }
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "head" };

/**
 * The database of a vault. It is not trusted: what it returns is checked against the state.
 * Failures are denials: `storage-failed`, `vault-damaged`, `busy`.
 */
export interface VaultStore {
  meta(): Meta;
  secrets(): SecretRow[];
  versions(): VersionRow[];
  entry(name: string, version: number): Entry | null;
  /**
   * One transaction, on disk when it returns.
   *
   * @returns false, and nothing is changed, if the stored number of writes is not `meta.writes - 1`
   */
  write(meta: Meta, change: Change): boolean;
  /** Moves the log into the database and empties it. */
  checkpoint(): void;
  close(): void;
}
