import type { Suite } from "@sesame/core-crypto";
import {
  bytes,
  decode,
  encode,
  ENROLLED_KINDS,
  LEVELS,
  limits,
  oneOf,
  struct,
  text,
  uint,
  uuidText,
  Violation,
  type Infer,
} from "@sesame/core-types";

// Certificates: statements that change who belongs to an installation without the root key, within
// what the record allows. docs/ENROLMENT.md, Certificates.

const uuid = text(36);
const publicKey = bytes(32, 32);
const keys = { noiseKey: publicKey, sealingKey: publicKey, signingKey: publicKey };

const admissionSchema = struct({
  installation: uuid,
  /** Public key of the token. */
  token: publicKey,
  name: text(limits.MAX_IDENTITY_NAME, "identity-name"),
  kind: oneOf(ENROLLED_KINDS),
  clearance: oneOf(LEVELS),
  wants: text(limits.MAX_WANTS_BYTES),
  ...keys,
});

const rotationSchema = struct({
  installation: uuid,
  /** The signing key that the identity has. */
  present: publicKey,
  /** Wall clock, milliseconds. */
  madeMs: uint,
  /** Until then the present keys are accepted as former ones. */
  untilMs: uint,
  ...keys,
});

/** Lets an identity in. */
export type Admission = Infer<typeof admissionSchema>;
/** Gives an identity other keys. */
export type Rotation = Infer<typeof rotationSchema>;

export type Certificate =
  | { readonly form: "admission"; readonly body: Admission }
  | { readonly form: "rotation"; readonly body: Rotation };

const STARTS = {
  admission: new TextEncoder().encode("sesame admission v1\n"),
  rotation: new TextEncoder().encode("sesame rotation v1\n"),
} as const;
const SIGNATURE_BYTES = 64;
const ID_BYTES = 16;

/** What the token and the new signing key sign; for a rotation, the present and the new one. */
export function certificateStatement({ form, body }: Certificate): Uint8Array {
  const encoded =
    form === "admission" ? encode(admissionSchema, body) : encode(rotationSchema, body);
  return Buffer.concat([STARTS[form], encoded]);
}

/**
 * @param signatures - of whoever may say so, then of the new signing key; 64 bytes each
 */
export function sealCertificate(
  statement: Uint8Array,
  signatures: readonly [Uint8Array, Uint8Array],
): Uint8Array {
  return Buffer.concat([statement, ...signatures]);
}

/**
 * Reads a certificate, and verifies that it was signed by the keys that it names. Whether these may
 * say so is for the record to tell.
 *
 * @returns null if it is none
 */
export function readCertificate(suite: Suite, given: Uint8Array): Certificate | null {
  const end = given.length - 2 * SIGNATURE_BYTES;
  if (end < 0 || given.length > limits.MAX_CERTIFICATE_BYTES) return null;
  // What is decoded are views.
  const statement = Uint8Array.from(given.subarray(0, end));
  const certificate = parse(statement);
  if (certificate === null) return null;
  const { form, body } = certificate;
  const signers = [form === "admission" ? body.token : body.present, body.signingKey];
  const isSigned = signers.every((key, i) => {
    const at = end + i * SIGNATURE_BYTES;
    return suite.ed25519Verify(key, statement, given.subarray(at, at + SIGNATURE_BYTES));
  });
  return isSigned ? certificate : null;
}

/**
 * The id of the identity that comes in: the statement decides it, so that the same one lets in one
 * identity however often it is shown. UUID of version 8, RFC 9562 §5.8.
 */
export function admittedId(suite: Suite, admission: Admission): string {
  const id = suite
    .blake2s(certificateStatement({ form: "admission", body: admission }))
    .slice(0, ID_BYTES);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x80;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return uuidText(id);
}

function parse(statement: Uint8Array): Certificate | null {
  try {
    const admission = bodyAfter(STARTS.admission, statement);
    if (admission !== null) return { form: "admission", body: decode(admissionSchema, admission) };
    const rotation = bodyAfter(STARTS.rotation, statement);
    return rotation === null ? null : { form: "rotation", body: decode(rotationSchema, rotation) };
  } catch (cause) {
    if (cause instanceof Violation) return null;
    throw cause;
  }
}

function bodyAfter(start: Uint8Array, statement: Uint8Array): Uint8Array | null {
  const isThere = start.every((byte, i) => statement[i] === byte);
  return isThere ? statement.subarray(start.length) : null;
}
