import { createHash } from "node:crypto";

/** SHA-256 of what comes in pieces, for files. FIPS 180-4 */
export type Sha256 = {
  readonly update: (bytes: Uint8Array) => void;
  /** 32 bytes; called once. */
  readonly digest: () => Uint8Array;
};

export function createSha256(): Sha256 {
  const hash = createHash("sha256");
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => new Uint8Array(hash.digest()),
  };
}
