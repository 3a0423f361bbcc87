import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { ARGON2_DEFAULT } from "@sesame/core-crypto";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { type Checkpoint, Fault, limits, toHex } from "@sesame/core-types";
import fc from "fast-check";
import {
  type Bench,
  CHEAP,
  denial,
  loadHeader,
  makeBench,
  PASSWORD,
  tamper,
  utf8,
  WRONG,
} from "../testing/fixture.ts";
import type { Vault } from "../vault/vault.ts";
import { Vaults } from "./vaults.ts";

let bench: Bench;
beforeEach(() => {
  bench = makeBench();
});
afterEach(() => bench.remove());

function textIn(vault: Vault, name: string, version?: number): string {
  return Buffer.from(vault.get(name, version).value).toString();
}

test("[VAULT-1] a vault is a header and a database for its owner alone", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("1"));
  assert.deepEqual(readdirSync(bench.directory), ["work.db", "work.db-wal", "work.vault"]);
  for (const file of readdirSync(bench.directory)) {
    assert.equal(statSync(bench.path(file)).mode & 0o777, 0o600, file);
  }
  assert.equal(statSync(bench.directory).mode & 0o777, 0o700);
  vault.close();
  assert.deepEqual(readdirSync(bench.directory), ["work.db", "work.vault"]);
  assert.deepEqual(bench.vaults.list(), ["work"]);
});

test("[VAULT-2] a vault is never overwritten", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("1"));
  vault.close();
  const before = readFileSync(bench.path("work.vault"));
  await assert.rejects(bench.vaults.create("work", WRONG), denial("vault-exists", "work"));
  assert.deepEqual(readFileSync(bench.path("work.vault")), before);
  const again = await bench.vaults.unlock("work", PASSWORD);
  assert.equal(textIn(again, "a"), "1");
  again.close();
});

test("[VAULT-2] a database without a header is moved aside, never deleted", async () => {
  writeFileSync(bench.path("work.db"), "first");
  (await bench.vaults.create("work", PASSWORD)).close();
  assert.equal(readFileSync(bench.path("work.db.orphan-1"), "utf8"), "first");
  writeFileSync(bench.path("home.db"), "second");
  writeFileSync(bench.path("home.db-wal"), "log");
  writeFileSync(bench.path("home.db.orphan-1"), "earlier");
  (await bench.vaults.create("home", PASSWORD)).close();
  assert.equal(readFileSync(bench.path("home.db.orphan-1"), "utf8"), "earlier");
  assert.equal(readFileSync(bench.path("home.db.orphan-2"), "utf8"), "second");
  assert.equal(readFileSync(bench.path("home.db.orphan-2-wal"), "utf8"), "log");
  assert.deepEqual(bench.vaults.list(), ["home", "work"]);
});

test("[VAULT-3] no file holds a name or a value in the clear", async () => {
  // SECURITY: a thief of the disk would learn what there is to steal, or the secret itself.
  const vault = await bench.vaults.create("work", PASSWORD);
  const needles = ["needle-in-a-name", "needle-in-a-value", "needle-of-the-past"];
  vault.set("needle-in-a-name", utf8("needle-of-the-past"));
  vault.set("needle-in-a-name", utf8("needle-in-a-value"));
  const search = (): void => {
    for (const file of readdirSync(bench.directory)) {
      const bytes = readFileSync(bench.path(file));
      assert.ok(bytes.length > 0, file);
      for (const needle of needles) assert.ok(!bytes.includes(needle), `${needle} in ${file}`);
    }
  };
  search();
  vault.close();
  search();
});

test("[VAULT-16] what was set is there after a restart, whatever the bytes", async () => {
  const { vaults } = bench;
  (await vaults.create("work", PASSWORD)).close();
  const names = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}(\/[A-Za-z0-9._-]{1,12}x){0,2}$/);
  const values = fc.uint8Array({ maxLength: 20_000 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 8 }), async (pairs) => {
      const vault = await vaults.unlock("work", PASSWORD);
      for (const [name, value] of pairs) vault.set(name, value);
      vault.close();
      const again = await vaults.unlock("work", PASSWORD);
      for (const [name, value] of new Map(pairs)) {
        assert.deepEqual(Buffer.from(again.get(name).value), Buffer.from(value));
      }
      again.close();
    }),
    { numRuns: 25 },
  );
});

test("[VAULT-20] values are empty to 1 MiB, names are names of secrets", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("empty", new Uint8Array(0));
  assert.equal(vault.get("empty").value.length, 0);
  const largest = new Uint8Array(limits.MAX_SECRET_BYTES).fill(0xa5);
  vault.set("largest", largest);
  assert.deepEqual(Buffer.from(vault.get("largest").value), Buffer.from(largest));
  const tooLarge = new Uint8Array(limits.MAX_SECRET_BYTES + 1);
  assert.throws(() => vault.set("larger", tooLarge), denial("value-too-large"));
  for (const name of ["", "a//b", "..", "a b", "ü", "x".repeat(257), "a\u001b[2J"]) {
    assert.throws(() => vault.set(name, utf8("1")), denial("name-invalid"));
    assert.throws(() => vault.get(name), denial("name-invalid"));
  }
  assert.deepEqual(
    vault.list().map(({ name }) => name),
    ["empty", "largest"],
  );
  vault.close();
  await assert.rejects(bench.vaults.create("../x", PASSWORD), denial("name-invalid"));
  await assert.rejects(bench.vaults.unlock("a/b", PASSWORD), denial("name-invalid"));
});

test("[VAULT-17] ten versions are kept, with their times", async () => {
  let vault = await bench.vaults.create("work", PASSWORD);
  for (let i = 1; i <= 12; i++) {
    bench.clock.wall = 1_000 * i;
    assert.equal(vault.set("a", utf8(`value ${i}`)), i);
  }
  const check = (): void => {
    assert.deepEqual(vault.list(), [
      { name: "a", version: 12, createdMs: 1_000, updatedMs: 12_000 },
    ]);
    const kept = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert.deepEqual(
      vault.versions("a"),
      kept.map((version) => ({ version, createdMs: 1_000 * version })),
    );
    for (const version of kept) assert.equal(textIn(vault, "a", version), `value ${version}`);
    assert.throws(() => vault.get("a", 2), denial("secret-not-found", "a"));
    assert.throws(() => vault.get("a", 13), denial("secret-not-found", "a"));
  };
  check();
  vault.close();
  vault = await bench.vaults.unlock("work", PASSWORD);
  check();
  vault.close();
});

test("[VAULT-18] a deleted secret is gone, and its version numbers are not used again", async () => {
  // SECURITY: under a number that is used again, a kept copy of the old row would be genuine.
  let vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("1"));
  vault.set("a", utf8("2"));
  vault.set("b", utf8("3"));
  vault.delete("a");
  assert.throws(() => vault.get("a"), denial("secret-not-found", "a"));
  assert.throws(() => vault.delete("a"), denial("secret-not-found", "a"));
  assert.equal(statSync(bench.path("work.db-wal")).size, 0);
  vault.close();
  await tamper(bench, "work", (db) => {
    const names = db.prepare<[], { name: string }>("SELECT name FROM versions").all();
    assert.deepEqual(names, [{ name: "b" }]);
    assert.deepEqual(db.pragma("secure_delete"), [{ secure_delete: 1 }]);
  });
  vault = await bench.vaults.unlock("work", PASSWORD);
  assert.equal(vault.set("a", utf8("4")), 3);
  assert.equal(vault.set("b", utf8("5")), 2);
  vault.close();
});

test("[VAULT-21] a fetch returns every named secret once, or nothing", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("b", utf8("2"));
  vault.set("a", utf8("1"));
  const fetched = (names: string[] | null): string[] =>
    vault.fetch(names).map(({ name, value }) => `${name}=${Buffer.from(value).toString()}`);
  assert.deepEqual(fetched(null), ["a=1", "b=2"]);
  assert.deepEqual(fetched(["b", "a", "b"]), ["b=2", "a=1"]);
  assert.deepEqual(fetched([]), []);
  assert.throws(() => fetched(["a", "c"]), denial("secret-not-found", "c"));
  const large = new Uint8Array(limits.MAX_SECRET_BYTES);
  for (let i = 0; i < 16; i++) vault.set(`large/${i}`, large);
  assert.throws(() => fetched(null), denial("reply-too-large"));
  vault.close();
});

test("[VAULT-22] a pseudonym is stable in its vault and different in others", async () => {
  const work = await bench.vaults.create("work", PASSWORD);
  const home = await bench.vaults.create("home", PASSWORD);
  const pseudonym = work.pseudonym("a");
  assert.match(pseudonym, /^[0-9a-f]{16}$/);
  assert.notEqual(pseudonym, work.pseudonym("b"));
  assert.notEqual(pseudonym, home.pseudonym("a"));
  work.close();
  home.close();
  const again = await bench.vaults.unlock("work", PASSWORD);
  assert.equal(again.pseudonym("a"), pseudonym);
  again.close();
});

test("[VAULT-19] an anchor never goes back", async () => {
  // SECURITY: an older anchor would let the audit log be cut back to it unnoticed.
  const at = (sequence: number, fill: number): Checkpoint => ({
    sequence,
    hash: new Uint8Array(32).fill(fill),
    timeMs: 1,
    signature: new Uint8Array(64).fill(fill),
  });
  const plain = (checkpoint: Checkpoint | null) =>
    checkpoint && [checkpoint.sequence, toHex(checkpoint.hash), toHex(checkpoint.signature)];
  let vault = await bench.vaults.create("work", PASSWORD);
  assert.equal(vault.anchor(), null);
  assert.equal(vault.setAnchor(at(5, 1)), true);
  assert.equal(vault.setAnchor(at(4, 2)), false);
  assert.equal(vault.setAnchor(at(5, 3)), false);
  vault.close();
  vault = await bench.vaults.unlock("work", PASSWORD);
  assert.deepEqual(plain(vault.anchor()), plain(at(5, 1)));
  assert.equal(vault.setAnchor(at(6, 4)), true);
  assert.deepEqual(plain(vault.anchor()), plain(at(6, 4)));
  vault.close();
});

test("[VAULT-23] a closed vault answers nothing", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("1"));
  vault.close();
  vault.close();
  const uses = [
    () => vault.list(),
    () => vault.get("a"),
    () => vault.versions("a"),
    () => vault.fetch(null),
    () => vault.fetch(["a"]),
    () => vault.set("a", utf8("2")),
    () => vault.delete("a"),
    () => vault.pseudonym("a"),
    () => vault.anchor(),
    () => vault.adoptHeader(9),
  ];
  for (const use of uses) assert.throws(use, denial("vault-locked", "work"));
});

test("[VAULT-23] after locking no key is left in the memory that was taken for secrets", async () => {
  // SECURITY: whoever reads the daemon's memory after a lock would still open the vault.
  const taken: Uint8Array[] = [];
  const allocSecret = (length: number): Uint8Array => {
    const memory = sodiumSuite.allocSecret(length);
    taken.push(memory);
    return memory;
  };
  const { directory, clock } = bench;
  const suite = { ...sodiumSuite, allocSecret };
  const vaults = new Vaults({ directory, suite, clock, kdf: CHEAP });
  (await vaults.create("work", PASSWORD)).close();
  const vault = await vaults.unlock("work", PASSWORD);
  vault.set("a", utf8("1"));
  await vaults.changePassword(vault, PASSWORD, WRONG);
  assert.ok(taken.some((memory) => memory.some((byte) => byte !== 0)));
  vault.close();
  assert.ok(taken.length > 10);
  for (const memory of taken) assert.ok(memory.every((byte) => byte === 0));
});

test("[VAULT-6] a wrong password is rejected, an absent vault is missing", async () => {
  (await bench.vaults.create("work", PASSWORD)).close();
  await assert.rejects(bench.vaults.unlock("work", WRONG), denial("factor-rejected"));
  await assert.rejects(bench.vaults.unlock("home", PASSWORD), denial("vault-missing", "home"));
});

test("[VAULT-28] a vault has one owner at a time", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  await assert.rejects(bench.vaults.unlock("work", PASSWORD), denial("busy"));
  await assert.rejects(bench.restart().unlock("work", PASSWORD), denial("busy"));
  vault.set("a", utf8("1"));
  vault.close();
  const first = bench.vaults.unlock("work", PASSWORD);
  await assert.rejects(bench.vaults.unlock("work", PASSWORD), denial("busy"));
  (await first).close();
});

test("[VAULT-9] a factor below the configured cost is raised on unlock", async () => {
  (await bench.vaults.create("work", PASSWORD)).close();
  const before = loadHeader(bench, "work");
  const dearer = { memoryKiB: 64, passes: 2, lanes: 2 };
  for (let i = 0; i < 2; i++) {
    (await bench.restart(dearer).unlock("work", PASSWORD)).close();
    const header = loadHeader(bench, "work");
    assert.deepEqual(header.factors[0]?.kdf, dearer);
    assert.notDeepEqual(header.factors[0]?.salt, before.factors[0]?.salt);
    assert.deepEqual(header.factors[0]?.id, before.factors[0]?.id);
    assert.equal(header.revision, 2, "raised once");
  }
  (await bench.restart(CHEAP).unlock("work", PASSWORD)).close();
  assert.deepEqual(loadHeader(bench, "work").factors[0]?.kdf, dearer, "never lowered");
});

test("[VAULT-9] the default cost is the one that RFC 9106 recommends for 64 MiB", async () => {
  assert.deepEqual(ARGON2_DEFAULT, { memoryKiB: 65_536, passes: 3, lanes: 4 });
  const vaults = bench.restart(ARGON2_DEFAULT);
  (await vaults.create("work", PASSWORD)).close();
  assert.deepEqual(loadHeader(bench, "work").factors[0]?.kdf, ARGON2_DEFAULT);
  (await vaults.unlock("work", PASSWORD)).close();
});

test("[VAULT-27] a new password replaces the old one", async () => {
  const vault = await bench.vaults.create("work", PASSWORD);
  vault.set("a", utf8("1"));
  await assert.rejects(
    bench.vaults.changePassword(vault, WRONG, utf8("x")),
    denial("factor-rejected"),
  );
  bench.clock.monotonic += 1_000;
  await bench.vaults.changePassword(vault, PASSWORD, utf8("new"));
  assert.equal(textIn(vault, "a"), "1");
  vault.close();
  await assert.rejects(bench.vaults.unlock("work", PASSWORD), denial("factor-rejected"));
  bench.clock.monotonic += 1_000;
  const again = await bench.vaults.unlock("work", utf8("new"));
  assert.equal(textIn(again, "a"), "1");
  again.close();
});

test("[VAULT-29] a later format is refused by name", async () => {
  (await bench.vaults.create("work", PASSWORD)).close();
  const path = bench.path("work.vault");
  writeFileSync(path, readFileSync(path, "utf8").replace('"version": 1', '"version": 2'));
  await assert.rejects(
    bench.vaults.unlock("work", PASSWORD),
    (error) => error instanceof Fault && error.exit === "config",
  );
});
