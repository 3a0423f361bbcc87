import { hash } from "node:crypto";
import { expectMembers, JsonError, type JsonValue, readJson } from "@sesame/core-types";
import { KEY_BYTES, SIGNATURE_BYTES } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import type { Suite } from "./suite.ts";

// DSSE 1.0 (github.com/secure-systems-lab/dsse, protocol.md and envelope.md) with Ed25519.
// docs/ENVELOPE.md.

/** Bytes of the longest payload. */
export const MAX_ENVELOPE_PAYLOAD = 64 * 1024 * 1024;
/** Signatures of one envelope. */
export const MAX_ENVELOPE_SIGNATURES = 8;
/** Keys that one verification may trust. */
export const MAX_TRUSTED_KEYS = 32;

/** Bytes beside the payload's: the payload type, signatures and key ids. */
const ROOM_BYTES = 16_384;

export type EnvelopeSigner = {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519, 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
};

export type EnvelopeTrust = {
  /** The one type that is expected; the signature covers it. */
  readonly payloadType: string;
  /** Ed25519, 32 bytes each. Nothing is trusted where there is none. */
  readonly keys: readonly Uint8Array[];
  /** Different trusted keys that must have signed; 1 unless given. */
  readonly threshold?: number;
  /** Bytes of the longest payload that is accepted. */
  readonly maxBytes?: number;
};

export type OpenedEnvelope = {
  readonly payload: Uint8Array;
  /** The trusted keys that signed, each once, in the order of `keys`. */
  readonly signers: readonly Uint8Array[];
};

/** The bytes that are signed. DSSE protocol, PAE */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType);
  const head = Buffer.from(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  return Buffer.concat([head, payload]);
}

/** The hint in an envelope at whose signature it is: SHA-256 of the 32 bytes, in hex. */
export function envelopeKeyId(publicKey: Uint8Array): string {
  return hash("sha256", publicKey, "hex");
}

/** The text of an envelope: JSON in one line, ended by a line feed. */
export function signEnvelope(
  payloadType: string,
  payload: Uint8Array,
  signers: readonly EnvelopeSigner[],
): string {
  if (payload.length > MAX_ENVELOPE_PAYLOAD) throw new RangeError("the payload is too long");
  if (signers.length < 1 || signers.length > MAX_ENVELOPE_SIGNATURES)
    throw new RangeError(`an envelope has 1 to ${MAX_ENVELOPE_SIGNATURES} signatures`);
  const message = preAuthEncoding(payloadType, payload);
  const signatures = signers.map(({ publicKey, sign }) => ({
    keyid: envelopeKeyId(publicKey),
    sig: Buffer.from(sign(message)).toString("base64"),
  }));
  const base64 = Buffer.from(payload).toString("base64");
  return `${JSON.stringify({ payload: base64, payloadType, signatures })}\n`;
}

/**
 * The payload of an envelope that enough trusted keys signed. Key ids are not believed: every
 * signature is tried with every trusted key.
 *
 * @throws {CryptoError} `envelope-malformed`, `envelope-type`, `envelope-untrusted`
 */
export function openEnvelope(
  suite: Pick<Suite, "ed25519Verify">,
  envelope: Uint8Array,
  { payloadType, keys, threshold = 1, maxBytes = MAX_ENVELOPE_PAYLOAD }: EnvelopeTrust,
): OpenedEnvelope {
  if (!Number.isSafeInteger(threshold) || threshold < 1) throw new RangeError("threshold");
  if (keys.length > MAX_TRUSTED_KEYS || keys.some((key) => key.length !== KEY_BYTES))
    throw new RangeError("trusted keys");
  const { type, payload, signatures } = parse(envelope, Math.min(maxBytes, MAX_ENVELOPE_PAYLOAD));
  if (type !== payloadType)
    throw new CryptoError("envelope-type", `the signed file is not of the type ${payloadType}`);
  const message = preAuthEncoding(type, payload);
  const different = new Map(keys.map((key) => [Buffer.from(key).toString("hex"), key]));
  const signers = [...different.values()].filter((key) =>
    signatures.some((signature) => suite.ed25519Verify(key, message, signature)),
  );
  if (signers.length < threshold)
    throw new CryptoError(
      "envelope-untrusted",
      `${signers.length} trusted keys signed this very content, ${threshold} must have`,
    );
  return { payload, signers };
}

type Parts = {
  readonly type: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly Uint8Array[];
};

function parse(envelope: Uint8Array, maxBytes: number): Parts {
  try {
    const limit = Math.ceil(maxBytes / 3) * 4 + ROOM_BYTES;
    const members = expectMembers(readJson(envelope, limit), [
      "payload",
      "payloadType",
      "signatures",
    ]);
    const { payload, payloadType, signatures } = members;
    if (typeof payloadType !== "string") throw malformed("its payload type is no text");
    if (!Array.isArray(signatures) || signatures.length < 1)
      throw malformed("it has no signatures");
    if (signatures.length > MAX_ENVELOPE_SIGNATURES) throw malformed("it has too many signatures");
    const bytes = fromBase64(payload);
    if (bytes.length > maxBytes) throw malformed(`its payload has more than ${maxBytes} bytes`);
    return { type: payloadType, payload: bytes, signatures: signatures.map(signatureOf) };
  } catch (error) {
    throw error instanceof JsonError ? malformed(error.message) : error;
  }
}

function signatureOf(item: JsonValue): Uint8Array {
  const { sig, keyid } = expectMembers(item, ["sig"], ["keyid"]);
  if (keyid !== undefined && typeof keyid !== "string") throw malformed("a key id is no text");
  const signature = fromBase64(sig);
  if (signature.length !== SIGNATURE_BYTES) throw malformed("a signature has a wrong length");
  return signature;
}

/** Bytes of padded base64 in one of its alphabets, in the one form that they have. RFC 4648 §4, 5 */
function fromBase64(text: JsonValue | undefined): Uint8Array {
  if (typeof text !== "string") throw malformed("bytes are no text");
  const bytes = Buffer.from(text, "base64");
  const standard = bytes.toString("base64");
  if (text !== standard && text !== standard.replaceAll("+", "-").replaceAll("/", "_"))
    throw malformed("bytes are not in base64");
  return bytes;
}

function malformed(reason: string): CryptoError {
  return new CryptoError("envelope-malformed", `not a signed file: ${reason}`);
}
