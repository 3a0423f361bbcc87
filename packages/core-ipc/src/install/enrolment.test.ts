import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { identity } from "../testing/pair.ts";
import { WORD_LIST } from "./word-list.ts";
import { enrolmentProof, fingerprintOf, fingerprintWords, type Applicant } from "./enrolment.ts";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const APPLICANT: Applicant = {
  name: "ci",
  kind: "ai",
  clearance: "internal",
  wants: "secret-list",
  sealingKey: key(1),
  signingKey: key(2),
  noiseKey: key(3),
};
const OTHERS: readonly Applicant[] = [
  { ...APPLICANT, name: "cj" },
  { ...APPLICANT, kind: "service" },
  { ...APPLICANT, clearance: "secrets-only" },
  { ...APPLICANT, wants: "" },
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
  const struct = [Buffer.from([0x97]), ...["ci", "ai", "internal", "secret-list"].map(word)].concat(
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

test("[ENROL-14] the words are the published list, and tell apart what the digits do", () => {
  // SECURITY: words that stand for two things would let another key pass for the one that was read out.
  const words = WORD_LIST.trim().split(/\s/);
  const published = createHash("sha256")
    .update(`${words.join("\n")}\n`)
    .digest("hex");
  assert.equal(published, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
  assert.equal(new Set(words.map((word) => word.slice(0, 4))).size, 2048);
  const read = fingerprintWords(suite, APPLICANT).split(" ");
  assert.equal(read.length, 8);
  const bits = read.map((word) => words.indexOf(word).toString(2).padStart(11, "0")).join("");
  const digits = BigInt(`0b${bits.slice(0, 80)}`)
    .toString(16)
    .padStart(20, "0");
  assert.equal(digits, fingerprintOf(suite, APPLICANT).replaceAll("-", ""));
  for (const other of OTHERS)
    assert.notEqual(fingerprintWords(suite, other), fingerprintWords(suite, APPLICANT));
});
