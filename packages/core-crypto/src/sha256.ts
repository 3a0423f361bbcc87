import { createHash, hash } from "node:crypto";

/** SHA-256 of what comes in pieces, for files. FIPS 180-4 */
export type Sha256 = {
  readonly update: (bytes: Uint8Array) => void;
  /** 32 bytes; called once. */
  readonly digest: () => Uint8Array;
};

export function createSha256(): Sha256 {
  const state = createHash("sha256");
  return {
    update: (bytes) => {
      state.update(bytes);
    },
    digest: () => new Uint8Array(state.digest()),
  };
}

/** SHA-256 of what is there at once, 32 bytes. FIPS 180-4 */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}
