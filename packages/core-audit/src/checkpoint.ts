import { fromHex, ID_BYTES, toHex, type Checkpoint } from "@sesame/core-types";

/** The part of a crypto suite that reading a log needs. */
export type SignatureVerifier = {
  /** False, never an error, for input of any length. RFC 8032 §5.1.7 */
  readonly ed25519Verify: (
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ) => boolean;
};

/** Whose log it is. */
export type LogOwner = {
  /** 16 bytes. */
  readonly installationId: Uint8Array;
  /** The key that signs; Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Keys that signed before it, the earliest first. */
  readonly formerKeys?: readonly Uint8Array[];
};

/** How far a log reached at a time: what a checkpoint's signature says. */
export type Reach = {
  readonly sequence: number;
  /** 64 hex digits: the hash of that entry. */
  readonly hash: string;
  readonly timeMs: number;
};

const PREFIX = Buffer.from("sesame audit checkpoint v1");

/**
 * The signed bytes. Every field has a fixed width, so two statements never share their bytes.
 * docs/AUDIT.md, Checkpoints.
 */
export function statement(installationId: Uint8Array, reach: Reach): Uint8Array {
  if (installationId.length !== ID_BYTES) throw new RangeError("an installation id has 16 bytes");
  const bytes = Buffer.alloc(PREFIX.length + ID_BYTES + 8 + 32 + 8);
  let at = PREFIX.copy(bytes);
  bytes.set(installationId, at);
  at = bytes.writeBigUInt64BE(BigInt(reach.sequence), at + ID_BYTES);
  at += bytes.write(reach.hash, at, "hex");
  bytes.writeBigUInt64BE(BigInt(reach.timeMs), at);
  return bytes;
}

/** The checkpoint that a signature makes of a statement. */
export function checkpointOf(reach: Reach, signature: Uint8Array): Checkpoint {
  const { sequence, timeMs } = reach;
  const hash = fromHex(reach.hash) ?? new Uint8Array(0);
  return { sequence, hash, timeMs, signature };
}

/** Every key that may have signed a part of the log, in the order in which they did. */
export function keysOf({ formerKeys = [], publicKey }: LogOwner): readonly Uint8Array[] {
  return [...formerKeys, publicKey];
}

/** Which of the log's keys signed it: an index of keysOf; null if none did. */
export function signerOf(
  verifier: SignatureVerifier,
  owner: LogOwner,
  reach: Reach,
  signature: Uint8Array,
): number | null {
  const { installationId } = owner;
  const at = keysOf(owner).findLastIndex((publicKey) =>
    isSigned(verifier, { installationId, publicKey }, reach, signature),
  );
  return at === -1 ? null : at;
}

/** True if the present key of the log signed it. */
export function isSigned(
  verifier: SignatureVerifier,
  owner: LogOwner,
  reach: Reach,
  signature: Uint8Array,
): boolean {
  const message = statement(owner.installationId, reach);
  return verifier.ed25519Verify(owner.publicKey, message, signature);
}

/** True if the checkpoint is a statement of this log's owner, under the present key. */
export function isSignedCheckpoint(
  verifier: SignatureVerifier,
  owner: LogOwner,
  { sequence, hash, timeMs, signature }: Checkpoint,
): boolean {
  return isSigned(verifier, owner, { sequence, hash: toHex(hash), timeMs }, signature);
}
