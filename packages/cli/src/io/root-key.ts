import { join } from "node:path";
import { unwrapWithPassword, wrapWithPassword } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { readBounded, replaceFile, type Paths } from "@sesame/core-ipc/daemon";

// The root key signs the installation record. It lies encrypted beside the other keys.

const ROOT_AD = new TextEncoder().encode("sesame root key v1");
const MAX_BYTES = 4096;

/**
 * @returns the seed, 32 bytes, to be wiped by the caller; "wrong-password"; null if there is none
 */
export async function openRootKey(
  paths: Paths,
  password: Uint8Array,
): Promise<Uint8Array | "wrong-password" | null> {
  const box = readBounded(pathOf(paths), MAX_BYTES);
  if (box === null) return null;
  return (await unwrapWithPassword(suite, password, box, ROOT_AD)) ?? "wrong-password";
}

/** Makes a root key; its seed is to be wiped by the caller. */
export async function createRootKey(paths: Paths, password: Uint8Array): Promise<Uint8Array> {
  const seed = suite.allocSecret(32);
  seed.set(suite.randomBytes(32));
  replaceFile(pathOf(paths), await wrapWithPassword(suite, password, seed, ROOT_AD));
  return seed;
}

function pathOf({ keys }: Paths): string {
  return join(keys, "root.box");
}
