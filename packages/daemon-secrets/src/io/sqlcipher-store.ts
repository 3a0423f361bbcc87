import { dirname } from "node:path";
import Database from "better-sqlite3-multiple-ciphers";
import { wipe } from "@sesame/core-crypto";
import { Denial } from "@sesame/core-types";
import { clearStack } from "@sesame/native";
import type { Entry } from "../vault/entry.ts";
import type { Change, Meta, SecretRow, VaultStore, VersionRow } from "../vault/store.ts";
import { createEmpty, syncDirectory } from "./durable-file.ts";
import { errorCode, storing } from "./storage-error.ts";

// SQLCipher 4 with a raw key. Large columns come last, so that reading the state does not touch
// them. No table has an index beside it: an index that is put back from an older copy would hide
// rows that the state covers.
const SCHEMA = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    schema INTEGER NOT NULL,
    header_revision INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    writes INTEGER NOT NULL,
    anchor BLOB,
    mac BLOB NOT NULL
  ) STRICT;
  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE versions (
    name TEXT NOT NULL REFERENCES secrets (name),
    version INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    tag BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (name, version)
  ) STRICT, WITHOUT ROWID;
`;

const META_COLUMNS = `schema, header_revision AS headerRevision, retired,
  writes, anchor, mac`;

export type StoreParts = {
  readonly path: string;
  readonly profile: string;
  /** SQLCipher's raw key, 32 bytes; stays the caller's. */
  readonly key: Uint8Array;
};

/**
 * Makes a database that holds the first state, whole and on disk when it returns.
 *
 * @throws {Denial} storage-failed
 */
export function createStore(parts: StoreParts, meta: Meta): void {
  storing(parts.profile, () => {
    createEmpty(parts.path);
    const db = openDatabase(parts);
    try {
      db.transaction(() => {
        db.exec(SCHEMA);
        db.prepare("INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?, ?)").run(...metaValues(meta));
      })();
    } finally {
      // Closing moves the log into the database.
      db.close();
    }
    syncDirectory(dirname(parts.path));
  });
}

/**
 * Opens the database of a vault. It is locked against every other connection until it is closed.
 *
 * @throws {Denial} vault-damaged for another key or bytes that are not SQLCipher's, storage-failed,
 *   busy
 */
export function openStore(parts: StoreParts): VaultStore {
  return storing(parts.profile, () => {
    const db = openDatabase(parts);
    try {
      return storeOver(db, parts.profile);
    } catch (error) {
      db.close();
      // Statements that do not compile: the tables are not those of a vault.
      if (errorCode(error) === "SQLITE_ERROR") throw new Denial("vault-damaged", parts.profile);
      throw error;
    }
  });
}

function openDatabase({ path, key }: StoreParts): Database {
  const db = new Database(path, { fileMustExist: true, timeout: 0 });
  const rawKey = rawKeyText(key);
  try {
    db.pragma("cipher = 'sqlcipher'");
    db.pragma("legacy = 4");
    db.key(rawKey);
    db.pragma("locking_mode = EXCLUSIVE");
    db.pragma("trusted_schema = OFF");
    db.pragma("temp_store = MEMORY");
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("secure_delete = ON");
    db.pragma("foreign_keys = ON");
    return db;
  } catch (error) {
    db.close();
    throw error;
  } finally {
    wipe(rawKey);
    clearStack();
  }
}

/** `x'…'`, SQLCipher's notation of a raw key, as bytes: a string could not be wiped. */
function rawKeyText(key: Uint8Array): Buffer {
  const hexDigit = (nibble: number): number => nibble + (nibble < 10 ? 0x30 : 0x57);
  const text = Buffer.from(new ArrayBuffer(3 + 2 * key.length));
  text.write("x'", "latin1");
  key.forEach((byte, i) => {
    text[2 + 2 * i] = hexDigit(byte >> 4);
    text[3 + 2 * i] = hexDigit(byte & 15);
  });
  text.write("'", text.length - 1, "latin1");
  return text;
}

function metaValues(meta: Meta) {
  const { schema, headerRevision, retired, writes, anchor, mac } = meta;
  return [schema, headerRevision, retired, writes, anchor, mac] as const;
}

function storeOver(db: Database, profile: string): VaultStore {
  const selectMeta = db.prepare<[], Meta>(`SELECT ${META_COLUMNS} FROM meta`);
  const selectSecrets = db.prepare<[], SecretRow>(
    "SELECT name, created_ms AS createdMs FROM secrets",
  );
  const selectVersions = db.prepare<[], VersionRow>(
    "SELECT name, version, created_ms AS createdMs, tag FROM versions",
  );
  const selectEntry = db.prepare<[string, number], Entry>(
    "SELECT nonce, tag, ciphertext FROM versions WHERE name = ? AND version = ?",
  );
  const updateMeta = db.prepare(
    `UPDATE meta SET schema = ?, header_revision = ?, retired = ?, writes = ?,
      anchor = ?, mac = ? WHERE writes = ?`,
  );
  const insertSecret = db.prepare("INSERT INTO secrets VALUES (?, ?) ON CONFLICT DO NOTHING");
  const insertVersion = db.prepare("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)");
  const dropVersions = db.prepare("DELETE FROM versions WHERE name = ? AND version < ?");
  const removeVersions = db.prepare("DELETE FROM versions WHERE name = ?");
  const removeSecret = db.prepare("DELETE FROM secrets WHERE name = ?");

  const apply = (change: Change): void => {
    switch (change.kind) {
      case "put": {
        const { name, version, createdMs } = change.row;
        const { nonce, tag, ciphertext } = change.entry;
        insertSecret.run(name, createdMs);
        insertVersion.run(name, version, createdMs, nonce, tag, ciphertext);
        dropVersions.run(name, change.keepFrom);
        return;
      }
      case "remove":
        removeVersions.run(change.name);
        removeSecret.run(change.name);
        return;
      case "head":
    }
  };
  const write = db.transaction((meta: Meta, change: Change): boolean => {
    if (updateMeta.run(...metaValues(meta), meta.writes - 1).changes !== 1) return false;
    apply(change);
    return true;
  });

  const storage = <T>(work: () => T): T => storing(profile, work);
  return {
    meta: () => storage(() => onlyRow(selectMeta.all())),
    secrets: () => storage(() => selectSecrets.all()),
    versions: () => storage(() => selectVersions.all()),
    entry: (name, version) => storage(() => selectEntry.get(name, version) ?? null),
    write: (meta, change) => storage(() => write.immediate(meta, change)),
    checkpoint: () => void storage(() => db.pragma("wal_checkpoint(TRUNCATE)")),
    close: () => {
      storage(() => db.close());
      // Every page that was written was written with the key.
      clearStack();
    },
  };
}

function onlyRow(rows: Meta[]): Meta {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new RangeError("meta has exactly one row");
  return row;
}
