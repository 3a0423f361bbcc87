import { equalBytes, type Suite, wipe } from "@sesame/core-crypto";
import { Denial, Violation } from "@sesame/core-types";
import type { Header } from "./header.ts";
import { deriveKey } from "./keys.ts";
import {
  type Head,
  SCHEMA_VERSION,
  type SecretState,
  secretState,
  stateMac,
  type Version,
} from "./state.ts";
import type { Meta, VaultStore } from "./store.ts";
import { Vault, type VaultParts } from "./vault.ts";

/** The row with which a new database starts. */
export function firstMeta(suite: Suite, header: Header, master: Uint8Array): Meta {
  const { vaultId, profile, revision } = header;
  const meta = {
    schema: SCHEMA_VERSION,
    headerRevision: revision,
    retired: 0,
    writes: 0,
    anchor: null,
  };
  const stateKey = deriveKey(suite, "state", profile, master);
  const mac = stateMac(suite, stateKey, { ...meta, vaultId, profile }, []);
  wipe(stateKey);
  return { ...meta, mac };
}

/**
 * Verifies the state of a database and unlocks it. The store becomes the vault's, and is closed if
 * this fails.
 *
 * @param master - 32 bytes; stays the caller's
 * @throws {Denial} vault-damaged if any row is not the one that the vault wrote last
 */
export function openVault(
  parts: Omit<VaultParts, "keys" | "head" | "secrets"> & { readonly master: Uint8Array },
): Vault {
  const { suite, store, header, master } = parts;
  const stateKey = deriveKey(suite, "state", header.profile, master);
  try {
    const state = loadState(suite, stateKey, store, header);
    const keys = {
      entry: deriveKey(suite, "entry", header.profile, master),
      state: stateKey,
      pseudonym: deriveKey(suite, "pseudonym", header.profile, master),
    };
    return new Vault({ ...parts, keys, ...state });
  } catch (error) {
    wipe(stateKey);
    store.close();
    // Rows that do not fit their schema were not written by a vault.
    const isForeign = error instanceof Violation || error instanceof RangeError;
    throw isForeign ? new Denial("vault-damaged", header.profile) : error;
  }
}

function loadState(
  suite: Suite,
  stateKey: Uint8Array,
  store: VaultStore,
  header: Header,
): { head: Head; secrets: Map<string, SecretState> } {
  const { mac, ...stored } = store.meta();
  const { vaultId, profile } = header;
  const head = { ...stored, vaultId, profile };
  const secrets = loadSecrets(store);
  const isWhole =
    head.schema === SCHEMA_VERSION &&
    equalBytes(mac, stateMac(suite, stateKey, head, [...secrets.values()])) &&
    head.headerRevision <= header.revision;
  if (!isWhole) throw new Denial("vault-damaged", profile);
  return { head, secrets };
}

function loadSecrets(store: VaultStore): Map<string, SecretState> {
  const versions = new Map<string, Version[]>();
  for (const { name, version, createdMs, tag } of store.versions()) {
    const known = versions.get(name) ?? [];
    known.push({ version, createdMs, tag });
    versions.set(name, known);
  }
  const secrets = new Map<string, SecretState>();
  for (const { name, createdMs } of store.secrets()) {
    const kept = (versions.get(name) ?? []).sort((a, b) => a.version - b.version);
    secrets.set(name, secretState(name, createdMs, kept));
    versions.delete(name);
  }
  if (versions.size > 0) throw new RangeError("versions of no secret");
  return secrets;
}
