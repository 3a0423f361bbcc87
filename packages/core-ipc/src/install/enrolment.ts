import type { Suite } from "@sesame/core-crypto";
import {
  bytes,
  encode,
  IDENTITY_KINDS,
  LEVELS,
  limits,
  oneOf,
  struct,
  text,
  toHex,
  type Identity,
} from "@sesame/core-types";
import { WORD_LIST } from "./word-list.ts";

// docs/ENROLMENT.md, Request and Fingerprint.

/** What an identity is before anybody has given it rights. */
export type Applicant = Pick<
  Identity,
  "name" | "kind" | "clearance" | "wants" | "sealingKey" | "signingKey" | "noiseKey"
>;

const PROOF = new TextEncoder().encode("sesame enrolment v1\n");
const FINGERPRINT = new TextEncoder().encode("sesame fingerprint v1\n");
const FINGERPRINT_BYTES = 10;
const WORDS = 8;
const WORD_BITS = 11;
const WORDS_BYTES = (WORDS * WORD_BITS) / 8;

const publicKey = bytes(32, 32);
const applicantSchema = struct({
  name: text(limits.MAX_IDENTITY_NAME, "identity-name"),
  kind: oneOf(IDENTITY_KINDS),
  clearance: oneOf(LEVELS),
  wants: text(limits.MAX_WANTS_BYTES),
  sealingKey: publicKey,
  signingKey: publicKey,
  noiseKey: publicKey,
});

/**
 * What the signing key signs to prove itself: a signature that is moved to another connection, or
 * to other keys or words, does not fit.
 *
 * @param session - bus session of the connection, 16 bytes
 */
export function enrolmentProof(session: Uint8Array, applicant: Applicant): Uint8Array {
  return Buffer.concat([PROOF, session, encode(applicantSchema, applicant)]);
}

/** 80 bits over everything that is asked for, as five groups of four hex digits. */
export function fingerprintOf(suite: Suite, applicant: Applicant): string {
  const hex = toHex(digestOf(suite, applicant).subarray(0, FINGERPRINT_BYTES));
  return (hex.match(/.{4}/g) ?? []).join("-");
}

/** The fingerprint as words, to be read aloud: 88 bits, of which its hex digits show the first 80. */
export function fingerprintWords(suite: Suite, applicant: Applicant): string {
  const words = WORD_LIST.trim().split(/\s/);
  const bits = BigInt(`0x${toHex(digestOf(suite, applicant).subarray(0, WORDS_BYTES))}`);
  return Array.from({ length: WORDS }, (_, i) => {
    const shift = BigInt(WORD_BITS * (WORDS - 1 - i));
    return words[Number((bits >> shift) & BigInt(words.length - 1))];
  }).join(" ");
}

function digestOf(suite: Suite, applicant: Applicant): Uint8Array {
  return suite.blake2s(Buffer.concat([FINGERPRINT, encode(applicantSchema, applicant)]));
}
