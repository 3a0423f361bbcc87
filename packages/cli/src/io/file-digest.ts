import { closeSync, openSync, readSync } from "node:fs";
import { createSha256 } from "@sesame/core-crypto/sha256";
import { fileFault } from "@sesame/core-ipc/daemon";

const BLOCK_BYTES = 1024 * 1024;

/**
 * SHA-256 of a file's content, read in blocks.
 *
 * @throws {Fault} io or denied, if it cannot be read
 */
export function fileDigest(path: string): Uint8Array {
  try {
    const fd = openSync(path, "r");
    try {
      const hash = createSha256();
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      for (let n; (n = readSync(fd, block)) > 0;) hash.update(block.subarray(0, n));
      return hash.digest();
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw fileFault(cause, path);
  }
}
