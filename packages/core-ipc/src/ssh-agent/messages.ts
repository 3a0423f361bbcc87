import { equalBytes, sha256 } from "@sesame/core-crypto";

// The protocol of ssh-agent(1), as its client: keys are listed, bytes are signed. RFC 9987;
// wire types are those of RFC 4251 §5.

/** Bytes of a message without its length; what OpenSSH takes and gives at most. */
export const MAX_AGENT_MESSAGE = 256 * 1024;

// RFC 9987 §5.1
const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;

const ED25519 = new TextEncoder().encode("ssh-ed25519");
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** A key that an agent offers. */
export type OfferedKey = {
  /** Ed25519, 32 bytes; null for a key of another type. */
  readonly publicKey: Uint8Array | null;
  /** As `ssh-add -l` shows it: `SHA256:` and base64 without padding. */
  readonly fingerprint: string;
};

/** A message with its length in front. */
export function identitiesRequest(): Uint8Array {
  return framed(Uint8Array.of(REQUEST_IDENTITIES));
}

/** @param publicKey - Ed25519, 32 bytes */
export function signRequest(publicKey: Uint8Array, data: Uint8Array): Uint8Array {
  const flags = new Uint8Array(4);
  return framed(
    Buffer.concat([Uint8Array.of(SIGN_REQUEST), text(ed25519Blob(publicKey)), text(data), flags]),
  );
}

/** The keys of an answer without its length; null if it is none. */
export function parseIdentities(message: Uint8Array): readonly OfferedKey[] | null {
  const reader = new Reader(message);
  if (reader.byte() !== IDENTITIES_ANSWER) return null;
  const count = reader.uint32();
  // Each takes two lengths at least: a larger count is a lie.
  if (count === null || count > message.length / 8) return null;
  const keys: OfferedKey[] = [];
  for (let i = 0; i < count; i++) {
    const blob = reader.string();
    if (blob === null || reader.string() === null) return null;
    keys.push({ publicKey: ed25519Of(blob), fingerprint: fingerprintOf(blob) });
  }
  return reader.done ? keys : null;
}

/**
 * The Ed25519 signature, 64 bytes, of an answer without its length; "refused" if the agent says no;
 * null if it is no such answer.
 */
export function parseSignature(message: Uint8Array): Uint8Array | "refused" | null {
  const reader = new Reader(message);
  const type = reader.byte();
  if (type === FAILURE) return reader.done ? "refused" : null;
  const signature = type === SIGN_RESPONSE ? reader.string() : null;
  if (signature === null || !reader.done) return null;
  return ed25519Part(signature, SIGNATURE_BYTES);
}

/** As `ssh-add -l` shows the key. */
export function agentFingerprint(publicKey: Uint8Array): string {
  return fingerprintOf(ed25519Blob(publicKey));
}

function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${Buffer.from(sha256(blob)).toString("base64").replace(/=+$/, "")}`;
}

/** RFC 8709 §4 */
function ed25519Blob(publicKey: Uint8Array): Uint8Array {
  return Buffer.concat([text(ED25519), text(publicKey)]);
}

function ed25519Of(blob: Uint8Array): Uint8Array | null {
  return ed25519Part(blob, KEY_BYTES);
}

/** The bytes behind the algorithm's name, a copy: keys and signatures look alike. RFC 8709 §4, §6 */
function ed25519Part(given: Uint8Array, length: number): Uint8Array | null {
  const reader = new Reader(given);
  const name = reader.string();
  const part = reader.string();
  const fits = name !== null && equalBytes(name, ED25519) && part?.length === length && reader.done;
  return fits ? Uint8Array.from(part) : null;
}

function framed(message: Uint8Array): Uint8Array {
  return text(message);
}

/** RFC 4251 §5, string: length and bytes. */
function text(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Every step is checked against what is there; null once something is missing. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number | null {
    return this.#take(1)?.[0] ?? null;
  }

  uint32(): number | null {
    const four = this.#take(4);
    return four === null ? null : new DataView(four.buffer, four.byteOffset).getUint32(0);
  }

  string(): Uint8Array | null {
    const length = this.uint32();
    return length === null ? null : this.#take(length);
  }

  #take(length: number): Uint8Array | null {
    if (length > this.#bytes.length - this.#at) return null;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
