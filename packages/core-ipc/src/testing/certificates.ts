import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { Certified, Identity } from "@sesame/core-types";
import {
  certificateStatement,
  sealCertificate,
  type Admission,
  type Certificate,
  type Rotation,
} from "../install/certificate.ts";
import { verified, type Verified } from "../install/certified.ts";
import type { Installation } from "../install/record.ts";
import type { Token } from "../install/token.ts";
import { identity } from "./pair.ts";

// Tokens, keys and certificates for tests: a number stands for a seed.

export const NOW_MS = 1_763_000_000_000;
export const INSTALLATION = "0198c2f4-0000-7000-8000-000000000001";

export function seedOf(number: number): Uint8Array {
  const seed = new Uint8Array(new ArrayBuffer(32)).fill(number % 256);
  seed[0] = Math.floor(number / 256);
  return seed;
}

/** Public keys; Noise and sealing keys are not real ones, since nobody uses them here. */
export function keysOf(number: number): Pick<Identity, "noiseKey" | "sealingKey" | "signingKey"> {
  const signingKey = suite.ed25519PublicKey(seedOf(number));
  return { noiseKey: suite.blake2s(signingKey), sealingKey: seedOf(number), signingKey };
}

export function tokenOf(number: number, changes: Partial<Token> = {}): Token {
  return {
    key: suite.ed25519PublicKey(seedOf(number)),
    kind: "ai",
    clearance: "internal",
    capabilities: ["secret-list", "secret-use"],
    names: "ci-*",
    uses: 1,
    madeMs: NOW_MS,
    untilMs: NOW_MS + 60_000,
    admitted: [],
    ...changes,
  };
}

export function recordOf(changes: Partial<Installation> = {}): Installation {
  const daemon = { ...identity("daemon-secrets", { kind: "daemon" }), ...keysOf(200) };
  const operator = { ...identity("operator", { kind: "human" }), ...keysOf(201) };
  return {
    id: INSTALLATION,
    rootKey: suite.ed25519PublicKey(seedOf(9)),
    serial: 1,
    identities: [daemon, operator],
    tokens: [],
    ...changes,
  };
}

/** An admission of the keys of a number by the token of another. */
export function admission(
  token: number,
  keys: number,
  changes: Partial<Admission> = {},
  signers: readonly [number, number] = [token, keys],
): Uint8Array {
  const body: Admission = {
    installation: INSTALLATION,
    token: suite.ed25519PublicKey(seedOf(token)),
    name: `ci-${keys}`,
    kind: "ai",
    clearance: "internal",
    wants: "",
    ...keysOf(keys),
    ...changes,
  };
  return signed({ form: "admission", body }, signers);
}

/** A rotation from the keys of a number to those of another. */
export function rotation(
  from: number,
  to: number,
  changes: Partial<Rotation> = {},
  signers: readonly [number, number] = [from, to],
): Uint8Array {
  const body: Rotation = {
    installation: INSTALLATION,
    present: suite.ed25519PublicKey(seedOf(from)),
    madeMs: NOW_MS,
    untilMs: NOW_MS + 60_000,
    ...keysOf(to),
    ...changes,
  };
  return signed({ form: "rotation", body }, signers);
}

function signed(certificate: Certificate, [one, other]: readonly [number, number]): Uint8Array {
  const statement = certificateStatement(certificate);
  return sealCertificate(statement, [
    suite.ed25519Sign(seedOf(one), statement),
    suite.ed25519Sign(seedOf(other), statement),
  ]);
}

/** What an owner has of a certificate that it accepted at a time. */
export function accepted(certificate: Uint8Array, acceptedMs = NOW_MS): Certified {
  return { certificate, acceptedMs };
}

export function verifiedOf(certificate: Uint8Array, acceptedMs = NOW_MS): Verified {
  const one = verified(suite, accepted(certificate, acceptedMs));
  if (one === null) throw new Error("its signatures do not fit");
  return one;
}
