import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { identity } from "../testing/pair.ts";
import { enrolmentProof, fingerprintOf, type Applicant } from "./enrolment.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const APPLICANT: Applicant = {
  name: "ci",
  kind: "ai",
  clearance: "internal",
  sealingKey: key(1),
  signingKey: key(2),
  noiseKey: key(3),
};
const OTHERS: readonly Applicant[] = [
  { ...APPLICANT, name: "cj" },
  { ...APPLICANT, kind: "service" },
  { ...APPLICANT, clearance: "secrets-only" },
  { ...APPLICANT, sealingKey: key(9) },
  { ...APPLICANT, signingKey: key(9) },
  { ...APPLICANT, noiseKey: key(9) },
];

test("[ENROL-7] the fingerprint covers everything that is asked for", () => {
  // SECURITY: a bus host could show the operator another key, kind or clearance than was asked for.
  const fingerprint = fingerprintOf(suite, APPLICANT);
  assert.match(fingerprint, /^([0-9a-f]{4}-){4}[0-9a-f]{4}$/);
  for (const other of OTHERS) assert.notEqual(fingerprintOf(suite, other), fingerprint);
});

test("[ENROL-7] it is the start of BLAKE2s over the documented bytes", () => {
  const field = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([0xc4, 32]), bytes]);
  const word = (text: string): Buffer => Buffer.from([0xa0 + text.length, ...Buffer.from(text)]);
  const struct = [Buffer.from([0x96]), word("ci"), word("ai"), word("internal")].concat(
    [key(1), key(2), key(3)].map(field),
  );
  const hash = suite.blake2s(Buffer.concat([Buffer.from("sesame fingerprint v1\n"), ...struct]));
  const shown = fingerprintOf(suite, APPLICANT).replaceAll("-", "");
  assert.equal(shown, Buffer.from(hash).toString("hex").slice(0, 20));
  const session = key(7).subarray(0, 16);
  const proof = Buffer.concat([Buffer.from("sesame enrolment v1\n"), session, ...struct]);
  assert.equal(Buffer.compare(enrolmentProof(session, APPLICANT), proof), 0);
});

test("[ENROL-7] an identity has the fingerprint that its request had", () => {
  assert.equal(
    fingerprintOf(suite, { ...identity("ci"), ...APPLICANT }),
    fingerprintOf(suite, APPLICANT),
  );
});

test("[ENROL-1] what is signed differs with the session and with every field", () => {
  // SECURITY: a signature that fits twice could be moved.
  const session = new Uint8Array(16).fill(1);
  const texts = [APPLICANT, ...OTHERS].map((one) => Buffer.from(enrolmentProof(session, one)));
  texts.push(Buffer.from(enrolmentProof(new Uint8Array(16), APPLICANT)));
  assert.equal(new Set(texts.map((bytes) => bytes.toString("hex"))).size, texts.length);
});
