export type CryptoErrorCode =
  /** X25519 gave the all-zero secret: the peer sent a low-order point. RFC 7748 §6.1 */
  | "low-order-point"
  /** Bytes that are not a sealed box, or whose parameters are out of bounds. */
  | "sealed-box-malformed"
  /** An Aead was used after its destroy(). */
  | "key-destroyed"
  /** The system gave no secure memory. */
  | "no-secure-memory"
  /** Bytes that are no DSSE envelope in the form that docs/ENVELOPE.md asks for. */
  | "envelope-malformed"
  /** An envelope of another payload type than is expected. */
  | "envelope-type"
  /** Too few of the trusted keys signed the envelope. */
  | "envelope-untrusted";

/** A failure that a caller can tell apart by `code`; the text is for people and holds no secret. */
export class CryptoError extends Error {
  override readonly name = "CryptoError";
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
