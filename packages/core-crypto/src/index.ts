// No provider is imported here: what uses a suite is handed one.
export { type Argon2Params, ARGON2_DEFAULT, isArgon2Params } from "./argon2-params.ts";
export { KEY_BYTES, SIGNATURE_BYTES, TAG_BYTES } from "./bytes.ts";
export { deriveKey } from "./derive-key.ts";
export { equalBytes } from "./equal.ts";
export { CryptoError, type CryptoErrorCode } from "./errors.ts";
export {
  BOX_OVERHEAD_BYTES,
  MAX_BOXED_BYTES,
  unwrapWithPassword,
  wrapWithPassword,
} from "./sealed-box.ts";
export { sha256 } from "./sha256.ts";
export { type AllocSecret, allocSecret, type FreeSecret, moveSecret, wipe } from "./secure.ts";
export type { Aead, Suite, X25519KeyPair } from "./suite.ts";
