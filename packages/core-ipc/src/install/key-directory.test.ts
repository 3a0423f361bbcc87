import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { BUS_HOST } from "@sesame/core-types";
import { keyDirectory, keyFileOf, keysIn, moveIntoDirectory } from "./key-directory.ts";
import { createKeyFile, type IdentityKeys } from "./key-file.ts";

function place(t: TestContext): { readonly keys: string; readonly own: string } {
  const keys = mkdtempSync(join(tmpdir(), "sesame-keys-"));
  t.after(() => rmSync(keys, { recursive: true }));
  return { keys, own: keyDirectory({ keys }, BUS_HOST) };
}

function made(path: string): IdentityKeys {
  const keys = createKeyFile(suite, path);
  assert.ok(keys);
  return keys;
}

/** True if these keys are in the directory. */
function found(own: string, { noise }: IdentityKeys): boolean {
  return keysIn(suite, own, noise.publicKey) !== null;
}

test("[KEYS-17] whichever file has the keys, they are found; others are not", (t) => {
  const { own } = place(t);
  const stranger = suite.generateX25519().publicKey;
  assert.equal(keysIn(suite, own, stranger), null);
  mkdirSync(own, { mode: 0o700 });
  const all = ["a", "b", "c"].map((name) => made(join(own, `${name}.key`)));
  for (const keys of all) assert.ok(found(own, keys));
  assert.equal(keysIn(suite, own, stranger), null);
});

test("[KEYS-17] a damaged file hinders only whoever needs it", (t) => {
  const { own } = place(t);
  mkdirSync(own, { mode: 0o700 });
  const keys = made(join(own, "b.key"));
  writeFileSync(join(own, "a.key"), "no keys", { mode: 0o600 });
  writeFileSync(join(own, "notes"), "no keys");
  assert.ok(found(own, keys));
  const stranger = suite.generateX25519().publicKey;
  assert.throws(() => keysIn(suite, own, stranger), { name: "Fault", exit: "integrity" });
});

test("too many files in a key directory are not read", (t) => {
  const { own } = place(t);
  mkdirSync(own, { mode: 0o700 });
  for (let i = 0; i < 65; i++) writeFileSync(join(own, `${i}.key`), "", { mode: 0o600 });
  const { publicKey } = suite.generateX25519();
  assert.throws(() => keysIn(suite, own, publicKey), { name: "Fault", exit: "config" });
});

test("[KEYS-18] a key file of an older release moves once, as it is", (t) => {
  const { keys, own } = place(t);
  const before = made(join(keys, `${BUS_HOST}.key`));
  for (let i = 0; i < 2; i++) {
    moveIntoDirectory({ keys }, BUS_HOST);
    assert.ok(found(own, before));
    assert.deepEqual(readdirSync(keys), [BUS_HOST]);
    assert.deepEqual(readdirSync(own), [`${BUS_HOST}.key`]);
  }
});

test("[KEYS-18] a move that was cut short is completed", (t) => {
  const { keys, own } = place(t);
  const old = join(keys, `${BUS_HOST}.key`);
  const before = made(old);
  mkdirSync(own, { mode: 0o700 });
  moveIntoDirectory({ keys }, "daemon-secrets");
  assert.ok(existsSync(old), "another daemon's keys stay");
  linkSync(old, keyFileOf({ keys }, BUS_HOST));
  moveIntoDirectory({ keys }, BUS_HOST);
  assert.ok(found(own, before));
  assert.deepEqual(readdirSync(own), [`${BUS_HOST}.key`]);
  assert.ok(!existsSync(old));
});

test("[KEYS-18] a file of a restored backup takes no other file's place", (t) => {
  const { keys, own } = place(t);
  mkdirSync(own, { mode: 0o700 });
  const present = made(keyFileOf({ keys }, BUS_HOST));
  const restored = made(join(keys, `${BUS_HOST}.key`));
  moveIntoDirectory({ keys }, BUS_HOST);
  assert.ok(found(own, present));
  assert.ok(found(own, restored));
});
