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

// docs/ENROLMENT.md, Request and Fingerprint.

/** What an identity is before anybody has given it rights. */
export type Applicant = Pick<
  Identity,
  "name" | "kind" | "clearance" | "sealingKey" | "signingKey" | "noiseKey"
>;

const PROOF = new TextEncoder().encode("sesame enrolment v1\n");
const FINGERPRINT = new TextEncoder().encode("sesame fingerprint v1\n");
const FINGERPRINT_BYTES = 10;

const publicKey = bytes(32, 32);
const applicantSchema = struct({
  name: text(limits.MAX_IDENTITY_NAME, "identity-name"),
  kind: oneOf(IDENTITY_KINDS),
  clearance: oneOf(LEVELS),
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
  const hash = suite.blake2s(Buffer.concat([FINGERPRINT, encode(applicantSchema, applicant)]));
  const hex = toHex(hash.subarray(0, FINGERPRINT_BYTES));
  return (hex.match(/.{4}/g) ?? []).join("-");
}
