import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { limits, toHex } from "@sesame/core-types";
import {
  admission,
  INSTALLATION,
  keysOf,
  NOW_MS,
  rotation,
  seedOf,
} from "../testing/certificates.ts";
import {
  admittedId,
  certificateStatement,
  readCertificate,
  sealCertificate,
  type Admission,
} from "./certificate.ts";

const T = 100;
const [ADMISSION, ROTATION] = [admission(T, 1), rotation(1, 2)];
const bodyOf = (certificate: Uint8Array): unknown => readCertificate(suite, certificate)?.body;

test("[ENROL-20] a certificate says what was signed", () => {
  const keys = { installation: INSTALLATION, ...keysOf(1) };
  assert.deepEqual(readCertificate(suite, ADMISSION), {
    form: "admission",
    body: {
      ...keys,
      token: suite.ed25519PublicKey(seedOf(T)),
      name: "ci-1",
      kind: "ai",
      clearance: "internal",
      wants: "",
    },
  });
  assert.deepEqual(readCertificate(suite, ROTATION), {
    form: "rotation",
    body: {
      installation: INSTALLATION,
      present: keysOf(1).signingKey,
      madeMs: NOW_MS,
      untilMs: NOW_MS + 60_000,
      ...keysOf(2),
    },
  });
});

test("[ENROL-20] a statement begins with what it is, so that none passes for another", () => {
  // SECURITY: a signature under one kind of statement would do for another kind.
  for (const [certificate, start] of [
    [ADMISSION, "sesame admission v1\n"],
    [ROTATION, "sesame rotation v1\n"],
  ] as const)
    assert.equal(Buffer.from(certificate).toString("latin1", 0, start.length), start);
});

test("[ENROL-20] a certificate with any byte changed, missing or too many is none", () => {
  // SECURITY: who may carry a certificate would choose what it says.
  for (const certificate of [ADMISSION, ROTATION]) {
    for (let at = 0; at < certificate.length; at++) {
      const changed = Uint8Array.from(certificate);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.equal(readCertificate(suite, changed), null, `byte ${at}`);
      assert.equal(readCertificate(suite, certificate.subarray(0, at)), null, `cut at ${at}`);
    }
    assert.equal(readCertificate(suite, Buffer.concat([certificate, new Uint8Array(1)])), null);
  }
});

test("[ENROL-20] what does not begin as a certificate is none, however well it is signed", () => {
  // SECURITY: a key that signs other texts would let somebody in by one of them.
  const signedBy = (statement: Uint8Array): Uint8Array =>
    sealCertificate(statement, [
      suite.ed25519Sign(seedOf(T), statement),
      suite.ed25519Sign(seedOf(1), statement),
    ]);
  const statement = ADMISSION.subarray(0, -128);
  assert.ok(readCertificate(suite, signedBy(statement)) !== null);
  const other = Buffer.concat([Buffer.from("sesame admission v2\n"), statement.subarray(20)]);
  assert.equal(readCertificate(suite, signedBy(other)), null);
  assert.equal(readCertificate(suite, signedBy(new Uint8Array(0))), null);
});

test("[ENROL-20] the largest certificate fits its limit", () => {
  const name = "n".repeat(limits.MAX_IDENTITY_NAME);
  const wants = "w".repeat(limits.MAX_WANTS_BYTES);
  const largest = admission(T, 1, { name, wants, clearance: "profile-scoped", kind: "extension" });
  assert.ok(largest.length <= limits.MAX_CERTIFICATE_BYTES, `${largest.length}`);
  assert.ok(readCertificate(suite, largest) !== null);
});

test("a certificate outlives the message that brought it", () => {
  const given = Uint8Array.from(ADMISSION);
  const body = bodyOf(given);
  given.fill(0);
  assert.deepEqual(body, bodyOf(ADMISSION));
});

test("[ENROL-26] the id of what comes in is the hash of the statement, as OpenSSL computes it", () => {
  // SECURITY: another id for the same certificate would let a revoked agent in again.
  for (let number = 1; number < 20; number++) {
    const body = readCertificate(suite, admission(T, number))?.body as Admission;
    const statement = certificateStatement({ form: "admission", body });
    const digest = createHash("blake2s256").update(statement).digest().subarray(0, 16);
    digest[6] = 0x80 | ((digest[6] ?? 0) & 0x0f);
    digest[8] = 0x80 | ((digest[8] ?? 0) & 0x3f);
    const id = admittedId(suite, body);
    assert.equal(id.replaceAll("-", ""), toHex(digest));
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
