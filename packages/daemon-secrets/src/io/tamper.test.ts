import assert from "node:assert/strict";
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { Denial, Fault } from "@sesame/core-types";
import type Database from "better-sqlite3-multiple-ciphers";
import {
  type Bench,
  denial,
  handClock,
  loadHeader,
  makeBench,
  PASSWORD,
  rawKeyHex,
  tamper,
  utf8,
} from "../testing/fixture.ts";
import { unwrapWithPassword } from "../vault/factors.ts";
import { type Header, headerText, parseHeader, type SignedHeader } from "../vault/header.ts";
import { openVault } from "../vault/open.ts";
import type { VaultStore } from "../vault/store.ts";
import { openStore } from "./sqlcipher-store.ts";
import type { Vaults } from "./vaults.ts";

let bench: Bench;
beforeEach(() => {
  bench = makeBench();
});
afterEach(() => bench.remove());

const VALUES: Readonly<Record<string, string>> = {
  a: "value of a",
  b: "value of b",
  "dir/c": "value of c ".repeat(600),
};

async function makeVault(profile = "work"): Promise<void> {
  const vault = await bench.vaults.create(profile, PASSWORD);
  vault.set("a", utf8("older value of a"));
  for (const [name, value] of Object.entries(VALUES)) vault.set(name, utf8(value));
  vault.close();
}

/** A fresh start, so that no earlier try makes this one wait. */
async function unlock(profile = "work"): ReturnType<Vaults["unlock"]> {
  rmSync(bench.path(`${profile}.throttle`), { force: true });
  return bench.restart().unlock(profile, PASSWORD);
}

/** Unlocks and reads everything: a refusal, or null if every value is the right one. */
async function refusal(): Promise<string | null> {
  try {
    const vault = await unlock();
    try {
      assert.deepEqual(
        vault.list().map(({ name }) => name),
        Object.keys(VALUES),
      );
      for (const [name, value] of Object.entries(VALUES)) {
        assert.equal(Buffer.from(vault.get(name).value).toString(), value);
      }
      assert.equal(Buffer.from(vault.get("a", 1).value).toString(), "older value of a");
      return null;
    } finally {
      vault.close();
    }
  } catch (error) {
    if (error instanceof Denial) return error.code;
    if (error instanceof Fault) return error.exit;
    throw error;
  }
}

function signedHeader(profile = "work"): SignedHeader {
  const signed = parseHeader(readFileSync(bench.path(`${profile}.vault`), "utf8"));
  assert.ok(signed !== null && signed !== "newer");
  return signed;
}

test("[VAULT-4] every flipped byte of a header is refused", async () => {
  await makeVault();
  const path = bench.path("work.vault");
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    writeFileSync(path, flipped);
    const code = await refusal();
    assert.ok(code === "vault-damaged" || code === "config", `byte ${at}: ${code}`);
  }
  writeFileSync(path, whole);
  assert.equal(await refusal(), null);
});

test("[VAULT-7] every edited field of a header is refused", async () => {
  // SECURITY: who could edit the policy, the cost or the factors would choose what unlocks.
  await makeVault();
  const { header, mac } = signedHeader();
  const [factor] = header.factors;
  assert.ok(factor !== undefined);
  const withFactor = (edit: object): Header => ({ ...header, factors: [{ ...factor, ...edit }] });
  const edits: readonly (readonly [Header, string])[] = [
    [{ ...header, vaultId: new Uint8Array(16) }, "factor-rejected"],
    [{ ...header, profile: "home" }, "vault-damaged"],
    [{ ...header, revision: header.revision + 1 }, "vault-damaged"],
    [{ ...header, createdMs: 0 }, "vault-damaged"],
    [{ ...header, factors: [factor, { ...factor, id: new Uint8Array(8) }] }, "vault-damaged"],
    [withFactor({ id: new Uint8Array(8) }), "factor-rejected"],
    [withFactor({ kdf: { ...factor.kdf, passes: 2 } }), "factor-rejected"],
    [withFactor({ salt: new Uint8Array(16) }), "factor-rejected"],
    [withFactor({ nonce: new Uint8Array(24) }), "factor-rejected"],
    [withFactor({ wrap: new Uint8Array(48) }), "factor-rejected"],
  ];
  for (const [edited, code] of edits) {
    // The checksum is right: whoever edits can compute it.
    writeFileSync(bench.path("work.vault"), headerText({ header: edited, mac }));
    assert.equal(await refusal(), code);
  }
  writeFileSync(bench.path("work.vault"), headerText({ header, mac: new Uint8Array(32) }));
  assert.equal(await refusal(), "vault-damaged");
  writeFileSync(bench.path("work.vault"), headerText({ header, mac }));
  assert.equal(await refusal(), null);
});

test("[VAULT-7] a vault under another profile's name is refused", async () => {
  // SECURITY: a program that asks for the test profile would get the secrets of production.
  await makeVault("home");
  renameSync(bench.path("home.vault"), bench.path("work.vault"));
  renameSync(bench.path("home.db"), bench.path("work.db"));
  assert.equal(await refusal(), "vault-damaged");
});

test("[VAULT-7] another vault's header or database is refused, even for the same password", async () => {
  await makeVault();
  const other = makeBench();
  (await other.vaults.create("work", PASSWORD)).close();
  const own = readFileSync(bench.path("work.vault"));
  cpSync(other.path("work.vault"), bench.path("work.vault"));
  assert.equal(await refusal(), "vault-damaged");
  writeFileSync(bench.path("work.vault"), own);
  cpSync(other.path("work.db"), bench.path("work.db"));
  assert.equal(await refusal(), "vault-damaged");
  rmSync(bench.path("work.db"));
  assert.equal(await refusal(), "vault-damaged");
  other.remove();
});

test("[VAULT-8] an older header is refused once the database knows the newer one", async () => {
  // SECURITY: a kept copy of the header would bring back a password that was replaced.
  await makeVault();
  const old = readFileSync(bench.path("work.vault"));
  const vault = await unlock();
  await bench.vaults.changePassword(vault, PASSWORD, utf8("new"));
  vault.close();
  writeFileSync(bench.path("work.vault"), old);
  assert.equal(await refusal(), "vault-damaged");
});

test("[VAULT-8] a newer header than the database knows is adopted", async () => {
  await makeVault();
  const before = readFileSync(bench.path("work.db"));
  const dearer = { memoryKiB: 16, passes: 2, lanes: 1 };
  const old = readFileSync(bench.path("work.vault"));
  (await bench.restart(dearer).unlock("work", PASSWORD)).close();
  // As after a crash between the two writes.
  writeFileSync(bench.path("work.db"), before);
  assert.equal(await refusal(), null);
  writeFileSync(bench.path("work.vault"), old);
  assert.equal(await refusal(), "vault-damaged");
});

test("[VAULT-15] a flipped byte of the database is never a wrong value", async () => {
  // SECURITY: a value that can be changed in place decides where a program sends its data.
  await makeVault();
  const path = bench.path("work.db");
  const whole = readFileSync(path);
  const seen = new Map<string | null, number>();
  const flip = async (at: number): Promise<void> => {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    writeFileSync(path, flipped);
    const code = await refusal();
    assert.ok(code === "vault-damaged" || code === null, `byte ${at}: ${code}`);
    if (at < 4_096) assert.equal(code, "vault-damaged", `byte ${at} of the first page`);
    seen.set(code, (seen.get(code) ?? 0) + 1);
  };
  for (let at = 0; at < 4_096; at += 5) await flip(at);
  for (let at = 4_096; at < whole.length; at += 97) await flip(at);
  const refused = seen.get("vault-damaged") ?? 0;
  assert.ok(refused > 0.9 * (refused + (seen.get(null) ?? 0)), "nearly every page is in use");
  writeFileSync(path, whole);
  assert.equal(await refusal(), null);
});

test("[VAULT-15] every page of an older copy, put back alone, is refused", async () => {
  // SECURITY: SQLCipher accepts any page that once had its place, so old values could come back.
  await makeVault();
  const old = readFileSync(bench.path("work.db"));
  const vault = await unlock();
  vault.set("b", utf8("newer value of b"));
  vault.close();
  const now = readFileSync(bench.path("work.db"));
  let changed = 0;
  for (let at = 0; at < old.length; at += 4_096) {
    const page = old.subarray(at, at + 4_096);
    if (page.equals(now.subarray(at, at + 4_096))) continue;
    changed += 1;
    const mixed = Buffer.from(now);
    page.copy(mixed, at);
    writeFileSync(bench.path("work.db"), mixed);
    await assert.rejects(unlock(), denial("vault-damaged", "work"), `page at ${at}`);
  }
  assert.ok(changed >= 2, "the write touched the state and the rows");
});

const ROW_TAMPERINGS: Readonly<Record<string, (db: Database) => void>> = {
  "two ciphertexts exchanged": (db) => {
    type Parts = [Buffer, Buffer, Buffer];
    const parts = (name: string): Parts => {
      const row = db
        .prepare<[string], { nonce: Buffer; tag: Buffer; ciphertext: Buffer }>(
          "SELECT nonce, tag, ciphertext FROM versions WHERE name = ? ORDER BY version DESC",
        )
        .get(name);
      assert.ok(row !== undefined);
      return [row.nonce, row.tag, row.ciphertext];
    };
    const [a, b] = [parts("a"), parts("b")];
    const update = db.prepare(
      "UPDATE versions SET nonce = ?, tag = ?, ciphertext = ? WHERE name = ? AND version = ?",
    );
    update.run(...b, "a", 2);
    update.run(...a, "b", 1);
  },
  "an old version made the current one": (db) => {
    db.exec("DELETE FROM versions WHERE name = 'a' AND version = 2");
  },
  "an old version put under the current number": (db) => {
    db.exec(`DELETE FROM versions WHERE name = 'a' AND version = 2;
      UPDATE versions SET version = 2 WHERE name = 'a'`);
  },
  "a secret deleted": (db) => {
    db.exec("DELETE FROM versions WHERE name = 'b'; DELETE FROM secrets WHERE name = 'b'");
  },
  "a secret without versions": (db) => {
    db.exec("DELETE FROM versions WHERE name = 'b'");
  },
  "versions without a secret": (db) => {
    db.exec("PRAGMA foreign_keys = OFF; DELETE FROM secrets WHERE name = 'b'");
  },
  "a version of no secret added": (db) => {
    db.exec(`PRAGMA foreign_keys = OFF;
      INSERT INTO versions SELECT 'z', 1, created_ms, nonce, tag, ciphertext
      FROM versions WHERE name = 'b'`);
  },
  "a secret renamed": (db) => {
    db.exec(`PRAGMA foreign_keys = OFF;
      UPDATE secrets SET name = 'z' WHERE name = 'b';
      UPDATE versions SET name = 'z' WHERE name = 'b'`);
  },
  "a name that is none": (db) => {
    db.exec(`PRAGMA foreign_keys = OFF;
      UPDATE secrets SET name = '../b' WHERE name = 'b';
      UPDATE versions SET name = '../b' WHERE name = 'b'`);
  },
  "a version added": (db) => {
    db.exec(`INSERT INTO versions SELECT name, 9, created_ms, nonce, tag, ciphertext
      FROM versions WHERE name = 'b'`);
  },
  "times changed": (db) => {
    db.exec("UPDATE secrets SET created_ms = 1");
  },
  "a tag of another length": (db) => {
    db.exec("UPDATE versions SET tag = x'00' WHERE name = 'b'");
  },
  "the count of writes changed": (db) => {
    db.exec("UPDATE meta SET writes = writes - 1");
  },
  "the retired versions forgotten": (db) => {
    db.exec("UPDATE meta SET retired = 7");
  },
  "the anchor removed or added": (db) => {
    db.exec("UPDATE meta SET anchor = x'93'");
  },
  "the header's revision changed": (db) => {
    db.exec("UPDATE meta SET header_revision = 0");
  },
  "the schema's version changed": (db) => {
    db.exec("UPDATE meta SET schema = 2");
  },
  "the MAC changed": (db) => {
    db.exec("UPDATE meta SET mac = zeroblob(32)");
  },
  "no state": (db) => {
    db.exec("DELETE FROM meta");
  },
  "a table missing": (db) => {
    db.exec("DROP TABLE versions");
  },
};

for (const [title, work] of Object.entries(ROW_TAMPERINGS)) {
  test(`[VAULT-13] refused even to a holder of the database's key: ${title}`, async () => {
    // SECURITY: old or foreign rows that are accepted hand a program the wrong secret.
    await makeVault();
    await tamper(bench, "work", work);
    assert.equal(await refusal(), "vault-damaged");
  });
}

test("[VAULT-13] an older state's rows with its own MAC need the whole older database", async () => {
  await makeVault();
  let oldRow: unknown[] = [];
  await tamper(bench, "work", (db) => {
    const row = db.prepare<[], Record<string, unknown>>("SELECT * FROM meta").get();
    oldRow = Object.values(row ?? {});
  });
  const vault = await unlock();
  vault.set("b", utf8("newer"));
  vault.close();
  await tamper(bench, "work", (db) => {
    db.exec("DELETE FROM meta");
    db.prepare("INSERT INTO meta VALUES (?, ?, ?, ?, ?, ?, ?)").run(...oldRow);
  });
  assert.equal(await refusal(), "vault-damaged");
});

/** The vault over a store that can be made to lie once it is unlocked. */
async function openOver(lie: (store: VaultStore) => VaultStore) {
  const key = Buffer.from(await rawKeyHex(bench, "work"), "hex");
  const header = loadHeader(bench, "work");
  const opened = await unwrapWithPassword(sodiumSuite, header, PASSWORD);
  assert.ok(opened !== null);
  const { master } = opened;
  const store = lie(openStore({ path: bench.path("work.db"), profile: "work", key }));
  return openVault({ suite: sodiumSuite, clock: handClock(), store, header, master });
}

test("[VAULT-14] a row that changes under an unlocked vault is refused", async () => {
  // SECURITY: the older value of the same secret is genuine in its own place, and still wrong.
  await makeVault();
  const lies: ((store: VaultStore) => VaultStore["entry"])[] = [
    (store) => (name, version) => store.entry(name, version - 1),
    (store) => (_, version) => store.entry("b", version),
    () => () => null,
  ];
  for (const lie of lies) {
    const vault = await openOver((store) => ({ ...store, entry: lie(store) }));
    assert.throws(() => vault.get("a"), denial("vault-damaged", "work"));
    vault.close();
  }
});

test("[VAULT-14] an entry of another course of events is refused in its own place", async () => {
  // SECURITY: after a restored backup the same version may exist twice; only one was acknowledged.
  await makeVault();
  const before = readFileSync(bench.path("work.db"));
  const setLast = async (value: string): Promise<void> => {
    const vault = await unlock();
    vault.set("a", utf8(value));
    vault.close();
  };
  await setLast("first course");
  let entry: ReturnType<VaultStore["entry"]> = null;
  await openOver((store) => {
    entry = store.entry("a", 3);
    return store;
  }).then((vault) => vault.close());
  assert.notEqual(entry, null);
  writeFileSync(bench.path("work.db"), before);
  await setLast("second course");
  const vault = await openOver((store) => ({ ...store, entry: () => entry }));
  assert.throws(() => vault.get("a"), denial("vault-damaged", "work"));
  vault.close();
});

test("[VAULT-14] a write on top of somebody else's is refused", async () => {
  await makeVault();
  const vault = await openOver((store) => ({
    ...store,
    write: (meta, change) => store.write({ ...meta, writes: meta.writes + 1 }, change),
  }));
  assert.throws(() => vault.set("a", utf8("1")), denial("vault-damaged", "work"));
  vault.close();
  assert.equal(await refusal(), null);
});
