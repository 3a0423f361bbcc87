import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { wrapWithPassword } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createKeyFile,
  createSignerKeyFile,
  loadKeyFile,
  openKeyFile,
  protectionOf,
  rewriteKeyFile,
  type IdentityKeys,
} from "./key-file.ts";

const PASSPHRASE = "a long passphrase";
const PUBLIC_AT = 33;
const BOX_AT = 129;
const MEMORY_AT = BOX_AT + 4;
const CHECKSUM_BYTES = 32;

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const asks = (words: string) => async (): Promise<Uint8Array> => text(words);
const unasked = (): never => assert.fail("nobody is to be asked");
const hex = (bytes: Uint8Array | null | undefined): string =>
  Buffer.from(bytes ?? []).toString("hex");

type Protected = { readonly path: string; readonly keys: IdentityKeys; readonly file: Buffer };

async function protect(t: TestContext): Promise<Protected> {
  const directory = mkdtempSync(join(tmpdir(), "sesame-keys-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "ci.key");
  const keys = createKeyFile(suite, path);
  assert.ok(keys !== null);
  await rewriteKeyFile(suite, path, keys, text(PASSPHRASE));
  return { path, keys, file: readFileSync(path) };
}

/** The file with bytes changed and the checksum made to fit, as an attacker would. */
function forged(file: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(file);
  change(copy);
  const end = copy.length - CHECKSUM_BYTES;
  copy.set(suite.blake2s(copy.subarray(0, end)), end);
  return copy;
}

test("[KEYS-2] the same keys come back with the passphrase, and without it once it is removed", async (t) => {
  const { path, keys, file } = await protect(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(protectionOf(suite, path), "passphrase");
  for (const secret of [keys.noise.secretKey, keys.sealing.secretKey, keys.signingSeed])
    assert.equal(file.indexOf(secret), -1);
  const opened = await openKeyFile(suite, path, asks(PASSPHRASE));
  assert.equal(hex(opened?.noise.secretKey), hex(keys.noise.secretKey));
  assert.equal(hex(opened?.sealing.secretKey), hex(keys.sealing.secretKey));
  assert.equal(hex(opened?.signingSeed), hex(keys.signingSeed));
  assert.equal(
    hex(file.subarray(PUBLIC_AT, BOX_AT)),
    [keys.noise.publicKey, keys.sealing.publicKey, keys.signingKey].map(hex).join(""),
  );
  await rewriteKeyFile(suite, path, keys, null);
  assert.equal(protectionOf(suite, path), "none");
  assert.equal(hex((await openKeyFile(suite, path, unasked))?.signingSeed), hex(keys.signingSeed));
});

test("[KEYS-2] other keys are never replaced", async (t) => {
  // SECURITY: keys that are lost lock their owner out for good.
  const { path, keys } = await protect(t);
  rmSync(path);
  createKeyFile(suite, path);
  const present = readFileSync(path);
  for (const passphrase of [text(PASSPHRASE), null])
    await assert.rejects(rewriteKeyFile(suite, path, keys, passphrase), { exit: "try-later" });
  assert.deepEqual(readFileSync(path), present);
});

test("[KEYS-3] a wrong passphrase opens nothing, and who starts unattended is told why", async (t) => {
  // SECURITY: whoever copies the file would be the identity.
  const { path } = await protect(t);
  for (const wrong of ["", "a long passphras", "A long passphrase", `${PASSPHRASE} `])
    await assert.rejects(openKeyFile(suite, path, asks(wrong)), { name: "Fault", exit: "denied" });
  assert.throws(() => loadKeyFile(suite, path), { name: "Fault", exit: "config" });
});

test("[KEYS-3] the passphrase is wiped once it was used, whether it was right or wrong", async (t) => {
  const { path } = await protect(t);
  for (const words of [PASSPHRASE, "wrong"]) {
    const given = text(words);
    await openKeyFile(suite, path, async () => given).catch(() => undefined);
    assert.ok(given.every((byte) => byte === 0));
  }
});

test("[KEYS-3] damage is found at every byte, without a passphrase", async (t) => {
  const { path, file } = await protect(t);
  const refused = { name: "Fault", exit: "integrity" };
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    await assert.rejects(openKeyFile(suite, path, unasked), refused, `byte ${at}`);
  }
  for (const length of [0, 33, BOX_AT, file.length - 1]) {
    writeFileSync(path, file.subarray(0, length));
    await assert.rejects(openKeyFile(suite, path, unasked), refused);
  }
});

test("[KEYS-3] a forged file with a fitting checksum is not opened", async (t) => {
  // SECURITY: another public key in a protected file would pass for the identity's own; another
  // form or version would be read in another way.
  const { path, file } = await protect(t);
  for (let at = 0; at < PUBLIC_AT; at++) {
    writeFileSync(
      path,
      forged(file, (copy) => void (copy[at] = (copy[at] ?? 0) ^ 1)),
    );
    await assert.rejects(openKeyFile(suite, path, unasked), { exit: "integrity" }, `byte ${at}`);
  }
  const places = [PUBLIC_AT, PUBLIC_AT + 40, BOX_AT - 1, BOX_AT, BOX_AT + 3, BOX_AT + 9];
  for (const at of [...places, BOX_AT + 10, BOX_AT + 30, BOX_AT + 50, file.length - 33]) {
    writeFileSync(
      path,
      forged(file, (copy) => void (copy[at] = (copy[at] ?? 0) ^ 1)),
    );
    const opened = openKeyFile(suite, path, asks(PASSPHRASE));
    await assert.rejects(opened, { exit: "denied" }, `byte ${at}`);
  }
});

test("[KEYS-10] a file whose signing key is elsewhere holds the other two, under a passphrase too", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "sesame-keys-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "ci.key");
  const signingKey = suite.ed25519PublicKey(Buffer.alloc(32, 6));
  assert.equal(await createSignerKeyFile(suite, path, signingKey), true);
  assert.equal(await createSignerKeyFile(suite, path, new Uint8Array(32)), false);
  assert.equal(readFileSync(path).length, 33 + 96 + 64 + CHECKSUM_BYTES);
  const keys = await openKeyFile(suite, path, unasked);
  assert.ok(keys !== null);
  assert.equal(keys.signingSeed, null);
  assert.equal(hex(keys.signingKey), hex(signingKey));
  assert.throws(() => loadKeyFile(suite, path), { name: "Fault", exit: "config" });
  await rewriteKeyFile(suite, path, keys, text(PASSPHRASE));
  const file = readFileSync(path);
  const opened = await openKeyFile(suite, path, asks(PASSPHRASE));
  assert.equal(hex(opened?.signingKey), hex(signingKey));
  assert.equal(hex(opened?.noise.secretKey), hex(keys.noise.secretKey));
  // SECURITY: with another public key in the file, the agent would sign for somebody else.
  for (const at of [BOX_AT - 32, BOX_AT - 1]) {
    writeFileSync(
      path,
      forged(file, (copy) => void (copy[at] = (copy[at] ?? 0) ^ 1)),
    );
    await assert.rejects(openKeyFile(suite, path, asks(PASSPHRASE)), { exit: "denied" });
  }
  for (const form of [0, 1, 2, 4]) {
    writeFileSync(
      path,
      forged(file, (copy) => void (copy[32] = form)),
    );
    await assert.rejects(openKeyFile(suite, path, unasked), { exit: "integrity" });
  }
});

test("[KEYS-4] a cost out of bounds is refused without being paid", async (t) => {
  // SECURITY: a file with a cheap cost, that its owner opens once, would give the passphrase to a
  // fast search; one with an enormous cost would stop the machine.
  const { path, file } = await protect(t);
  const argon2id = t.mock.method(suite, "argon2id");
  const costs = [
    [8, 1, 1],
    [65_535, 3, 4],
    [65_536, 2, 4],
    [1_048_577, 3, 4],
    [0xff_ff_ff_ff, 255, 255],
    [65_536, 3, 17],
    [65_536, 3, 0],
  ] as const;
  for (const [memory, passes, lanes] of costs) {
    writeFileSync(
      path,
      forged(file, (copy) => {
        copy.writeUInt32BE(memory, MEMORY_AT);
        copy[MEMORY_AT + 4] = passes;
        copy[MEMORY_AT + 5] = lanes;
      }),
    );
    await assert.rejects(openKeyFile(suite, path, asks(PASSPHRASE)), { exit: "denied" });
  }
  assert.equal(argon2id.mock.callCount(), 0);
});

test("[KEYS-4] keys that were truly wrapped at a low cost are refused as well", async (t) => {
  const { path, keys, file } = await protect(t);
  const { noise, sealing, signingSeed } = keys;
  const secrets = Buffer.concat([noise.secretKey, sealing.secretKey, signingSeed]);
  const cheap = { memoryKiB: 64, passes: 1, lanes: 1 };
  const header = file.subarray(0, BOX_AT);
  const box = await wrapWithPassword(suite, text(PASSPHRASE), secrets, header, cheap);
  writeFileSync(
    path,
    forged(file, (copy) => copy.set(box, BOX_AT)),
  );
  await assert.rejects(openKeyFile(suite, path, asks(PASSPHRASE)), { exit: "denied" });
});
