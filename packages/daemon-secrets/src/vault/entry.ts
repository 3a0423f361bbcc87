import { type Aead, type Suite, TAG_BYTES } from "@sesame/core-crypto";
import { bytes, encode, type Infer, limits, struct, text, uint } from "@sesame/core-types";
import { VAULT_ID_BYTES } from "./header.ts";

/** Where a value belongs: its associated data. No two places have the same encoding. */
const placeSchema = struct({
  vaultId: bytes(VAULT_ID_BYTES, VAULT_ID_BYTES),
  profile: text(limits.MAX_PROFILE_NAME, "profile-name"),
  name: text(limits.MAX_SECRET_NAME, "secret-name"),
  version: uint,
});
export type Place = Infer<typeof placeSchema>;

/** One encrypted value. The tag stands for the value in the authenticated state. */
export type Entry = {
  /** 24 random bytes. */
  readonly nonce: Uint8Array;
  /** 16 bytes. */
  readonly tag: Uint8Array;
  /** As long as the value. */
  readonly ciphertext: Uint8Array;
};

/** Encrypts a value for its place. */
export function sealEntry(suite: Suite, cipher: Aead, place: Place, value: Uint8Array): Entry {
  const nonce = suite.randomBytes(24);
  const sealed = cipher.seal(nonce, encode(placeSchema, place), value);
  const end = sealed.length - TAG_BYTES;
  return { nonce, tag: sealed.slice(end), ciphertext: sealed.subarray(0, end) };
}

/** The value, which the caller wipes, or null if the entry does not belong to this place. */
export function openEntry(cipher: Aead, place: Place, entry: Entry): Uint8Array | null {
  if (entry.nonce.length !== 24 || entry.tag.length !== TAG_BYTES) return null;
  const sealed = new Uint8Array(entry.ciphertext.length + TAG_BYTES);
  sealed.set(entry.ciphertext);
  sealed.set(entry.tag, entry.ciphertext.length);
  return cipher.open(entry.nonce, encode(placeSchema, place), sealed);
}
