import assert from "node:assert/strict";
import { createCipheriv, pbkdf2Sync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openForeignKey } from "./foreign-key.ts";
import { createImportedKeyFile, openKeyFile, protectionOf, publicKeysIn } from "./key-file.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const PASSPHRASE = "elsewhere";
const SEED = Buffer.alloc(32, 5);
const PUBLIC = Buffer.from(suite.ed25519PublicKey(SEED));

/** A file as another program writes it. */
function foreign(plaintext: Uint8Array): Readonly<Record<string, unknown>> {
  const salt = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12, 2);
  const key = pbkdf2Sync(PASSPHRASE, salt, 600_000, 32, "sha256");
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return {
    kdf: "PBKDF2-HMAC-SHA256",
    iterations: 600_000,
    salt: salt.toString("base64"),
    cipher: "AES-256-GCM",
    nonce: nonce.toString("base64"),
    ciphertext: sealed.toString("base64"),
  };
}

const FILE = foreign(SEED);
const open = (file: unknown, passphrase = PASSPHRASE): Promise<Uint8Array> =>
  openForeignKey(suite, text(JSON.stringify(file)), text(passphrase));

test("[KEYS-7] a seed comes out as it is, with or without its public key", async () => {
  assert.deepEqual(Buffer.from(await open(FILE)), SEED);
  assert.deepEqual(Buffer.from(await open(foreign(Buffer.concat([SEED, PUBLIC])))), SEED);
});

test("[KEYS-7] a public key that is not the seed's is refused, as are other sizes", async () => {
  // SECURITY: who trusts the stated public key signs under one key and is known by another, which
  // gives the secret key away.
  const other = PUBLIC.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
  for (const plaintext of [
    Buffer.concat([SEED, other]),
    Buffer.alloc(0),
    Buffer.alloc(31),
    Buffer.alloc(33),
    Buffer.alloc(63),
  ])
    await assert.rejects(open(foreign(plaintext)), { name: "Fault", exit: "data" });
});

test("[KEYS-7] a wrong passphrase opens nothing", async () => {
  await assert.rejects(open(FILE, "somewhere"), { name: "Fault", exit: "denied" });
});

test("[KEYS-8] what is not such a file is refused, and none of it is in the message", async () => {
  const twice = JSON.stringify(FILE).replace("{", '{"iterations":1,');
  const texts = [
    "",
    "{}",
    "[]",
    twice,
    JSON.stringify({ ...FILE, more: 1 }),
    JSON.stringify({ ...FILE, kdf: "PBKDF2-HMAC-SHA1" }),
    JSON.stringify({ ...FILE, cipher: "AES-128-GCM" }),
    JSON.stringify({ ...FILE, iterations: "600000" }),
    JSON.stringify({ ...FILE, iterations: 599_999 }),
    JSON.stringify({ ...FILE, salt: "AAAA" }),
    JSON.stringify({ ...FILE, salt: "not base64!" }),
    JSON.stringify({ ...FILE, nonce: null }),
    JSON.stringify({ ...FILE, ciphertext: String(FILE["ciphertext"]).slice(0, 8) }),
    JSON.stringify({ ...FILE, pad: "x".repeat(20_000) }),
  ];
  for (const file of texts)
    await assert.rejects(
      openForeignKey(suite, text(file), text(PASSPHRASE)),
      (cause: Error & { exit?: string }) =>
        cause.exit === "data" && !cause.message.includes(String(FILE["ciphertext"])),
      file.slice(0, 40),
    );
});

test("[KEYS-9] the imported key lies under the same passphrase, beside fresh ones", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "sesame-keys-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "ci.key");
  assert.equal(await createImportedKeyFile(suite, path, SEED, text(PASSPHRASE)), true);
  assert.equal(protectionOf(suite, path), "passphrase");
  const keys = await openKeyFile(suite, path, async () => text(PASSPHRASE));
  assert.deepEqual(Buffer.from(keys?.signingSeed ?? []), SEED);
  assert.notDeepEqual(Buffer.from(keys?.noise.secretKey ?? []), SEED);
  assert.deepEqual(Buffer.from(publicKeysIn(suite, path) ?? []).subarray(64), PUBLIC);
  const file = readFileSync(path);
  assert.equal(await createImportedKeyFile(suite, path, SEED, text(PASSPHRASE)), false);
  assert.deepEqual(readFileSync(path), file);
});
