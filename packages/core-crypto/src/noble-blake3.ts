import { blake3 as noble } from "@noble/hashes/blake3.js";
import { expectLength, KEY_BYTES } from "./bytes.ts";
import { moveSecret } from "./secure.ts";

/** 32 bytes over the concatenated parts. BLAKE3 §2 */
export function blake3(...parts: Uint8Array[]): Uint8Array {
  return digest(noble.create(), parts);
}

/** 32 bytes over the concatenated parts under a 32-byte key. BLAKE3 §2.3, keyed_hash */
export function blake3Keyed(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  expectLength(key, KEY_BYTES, "BLAKE3 key");
  return digest(noble.create({ key }), parts);
}

/**
 * A 32-byte key from other key material. `context` is a constant of the program, unique to the
 * purpose, and never secret. BLAKE3 §2.3, derive_key
 */
export function blake3DeriveKey(context: string, material: Uint8Array): Uint8Array {
  return moveSecret(noble(material, { context: new TextEncoder().encode(context) }));
}

function digest(state: ReturnType<typeof noble.create>, parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) state.update(part);
  return state.digest();
}
