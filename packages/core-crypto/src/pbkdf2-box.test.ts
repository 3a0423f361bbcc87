import assert from "node:assert/strict";
import { test } from "node:test";
import { gcm } from "@noble/ciphers/aes.js";
import { pbkdf2 as noblePbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { CryptoError } from "./errors.ts";
import { openPbkdf2Box, type Pbkdf2Box } from "./pbkdf2-box.ts";

const PASSPHRASE = new TextEncoder().encode("a passphrase");
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);

/** Sealed by an independent implementation. */
function sealedBox(iterations = 600_000, saltBytes = 32): Pbkdf2Box {
  const salt = new Uint8Array(saltBytes).fill(7);
  const nonce = new Uint8Array(12).fill(9);
  const key = noblePbkdf2(sha256, PASSPHRASE, salt, { c: iterations, dkLen: 32 });
  return { iterations, salt, nonce, sealed: gcm(key, nonce).encrypt(SECRET) };
}

const BOX = sealedBox();

test("[KEYS-7] what another implementation sealed is opened", async () => {
  assert.deepEqual(await openPbkdf2Box(BOX, PASSPHRASE), SECRET);
});

test("that implementation fits RFC 7914 §11 and McGrew and Viega's test case 14", () => {
  const vector = noblePbkdf2(sha256, "Password", "NaCl", { c: 80_000, dkLen: 64 });
  assert.equal(
    Buffer.from(vector).toString("hex"),
    "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56" +
      "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
  );
  const zeros = new Uint8Array(16);
  const sealed = gcm(new Uint8Array(32), new Uint8Array(12)).encrypt(zeros);
  assert.equal(
    Buffer.from(sealed).toString("hex"),
    "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
  );
});

test("[KEYS-7] a wrong passphrase and a changed byte open nothing", async () => {
  // SECURITY: a key that was changed on the way would be taken for the agent's own.
  assert.equal(await openPbkdf2Box(BOX, new TextEncoder().encode("a passphrasf")), null);
  const flip = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const { salt, nonce, sealed } = BOX;
  for (const changed of [
    { salt: flip(salt, 0) },
    { nonce: flip(nonce, 11) },
    { sealed: flip(sealed, 0) },
    { sealed: flip(sealed, 47) },
    { sealed: sealed.subarray(0, 47) },
    { sealed: sealed.subarray(0, 16) },
    { iterations: 600_001 },
  ])
    assert.equal(await openPbkdf2Box({ ...BOX, ...changed }, PASSPHRASE), null);
});

test("[KEYS-8] sizes and iterations out of bounds are refused before any work", async () => {
  // SECURITY: an attacker who lowers the iterations has the passphrase guessed cheaply; one who
  // raises them stops the machine.
  for (const changed of [
    { iterations: 599_999 },
    { iterations: 1 },
    { iterations: 0 },
    { iterations: 10_000_001 },
    { iterations: 2 ** 40 },
    { iterations: 600_000.5 },
    { iterations: Number.NaN },
    { salt: new Uint8Array(15) },
    { salt: new Uint8Array(65) },
    { nonce: new Uint8Array(11) },
    { nonce: new Uint8Array(16) },
    { sealed: new Uint8Array(15) },
    { sealed: new Uint8Array(4_097) },
  ])
    await assert.rejects(
      openPbkdf2Box({ ...BOX, ...changed }, PASSPHRASE),
      (cause) => cause instanceof CryptoError && cause.code === "sealed-box-malformed",
    );
});
