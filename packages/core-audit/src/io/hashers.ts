import { hash } from "node:crypto";
import { EntryHasher, type Algorithm, type Hasher } from "../hash.ts";
import { MAX_LINE_BYTES } from "../limits.ts";

export type LogHashers = {
  /** Of entries. */
  readonly entry: EntryHasher;
  /** Of torn bytes. */
  readonly plain: Hasher;
};

/** The hash functions of a log. BLAKE3 is loaded only where a log needs it. */
export async function loadHashers(algorithm: Algorithm): Promise<LogHashers> {
  const plain = await loadHasher(algorithm);
  return { plain, entry: new EntryHasher(plain, MAX_LINE_BYTES) };
}

async function loadHasher(algorithm: Algorithm): Promise<Hasher> {
  if (algorithm === "sha256") return (bytes) => hash("sha256", bytes, "buffer");
  const { loadBlake3 } = await import("@sesame/core-crypto/blake3");
  const blake3 = await loadBlake3();
  return (bytes) => blake3.hash(bytes);
}
