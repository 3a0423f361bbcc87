import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import SqlCipher from "@signalapp/sqlcipher";
import { keyContext } from "../vault/keys.ts";
import { type Bench, makeBench, PASSWORD, rawKeyHex, tamper, utf8 } from "../testing/fixture.ts";

let bench: Bench;
beforeEach(() => {
  bench = makeBench();
});
afterEach(() => bench.remove());

test("[VAULT-11] SQLCipher 4 itself opens a vault's database with the derived raw key", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("12345"));
  vault.set("a", utf8("1234567"));
  vault.close();
  const hex = await rawKeyHex(bench, "work");
  const db = new SqlCipher(bench.path("work.db"));
  db.pragma(`key = "x'${hex}'"`);
  assert.match(String(db.pragma("cipher_version", { simple: true })), /^4\./);
  assert.deepEqual(db.pragma("cipher_integrity_check"), []);
  assert.deepEqual(
    db.prepare("SELECT name, version, length(ciphertext) AS length FROM versions").all(),
    [
      { name: "a", version: 1, length: 5 },
      { name: "a", version: 2, length: 7 },
    ],
  );
  db.close();
  const again = await bench.vaults.unlock("work", PASSWORD);
  assert.equal(Buffer.from(again.get("a").value).toString(), "1234567");
  again.close();
});

test("[VAULT-11] what SQLCipher 4 writes is read here", async () => {
  (await bench.vaults.create("work", PASSWORD)).close();
  const hex = await rawKeyHex(bench, "work");
  const db = new SqlCipher(bench.path("work.db"));
  db.pragma(`key = "x'${hex}'"`);
  db.exec("CREATE TABLE elsewhere (text TEXT); INSERT INTO elsewhere VALUES ('from SQLCipher')");
  db.close();
  await tamper(bench, "work", (own) => {
    assert.deepEqual(own.prepare("SELECT text FROM elsewhere").all(), [{ text: "from SQLCipher" }]);
  });
});

test("[VAULT-11] another key opens nothing", async () => {
  (await bench.vaults.create("work", PASSWORD)).close();
  const db = new SqlCipher(bench.path("work.db"));
  db.pragma("cipher_log_level = NONE");
  db.pragma(`key = "x'${"00".repeat(32)}'"`);
  assert.throws(() => db.prepare("SELECT * FROM meta").all());
  db.close();
  assert.ok(!readFileSync(bench.path("work.db")).includes("SQLite format 3"));
});

test("[VAULT-10] derivation contexts are those of the document", () => {
  const purposes = ["wrap", "database", "entry", "state", "header", "pseudonym"] as const;
  assert.deepEqual(
    purposes.map((purpose) => keyContext(purpose, "work")),
    [
      "pds v2 key-encrypting-key work",
      "pds v2 vault-key work",
      "pds v2 entry-encryption-key work",
      "pds v2 state-authentication-key work",
      "pds v2 header-authentication-key work",
      "pds v2 pseudonym-key work",
    ],
  );
});
