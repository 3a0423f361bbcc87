import { CryptoError, type Suite, type X25519KeyPair } from "@sesame/core-crypto";
import { limits } from "@sesame/core-types";
import type { CipherState } from "./cipher-state.ts";
import { SymmetricState } from "./symmetric-state.ts";

const KEY_BYTES = 32;

type Token = "e" | "s" | "ee" | "es" | "se" | "ss";

/** Noise §7.5: `-> e, es, s, ss` and `<- e, ee, se`, after the pre-message `<- s`. */
const IK: readonly (readonly Token[])[] = [
  ["e", "es", "s", "ss"],
  ["e", "ee", "se"],
];

export type HandshakeOptions = {
  readonly suite: Suite;
  readonly prologue: Uint8Array;
  readonly staticKeys: X25519KeyPair;
  /** Responder's static public key; the initiator must know it. */
  readonly remoteStatic?: Uint8Array;
  /** Where ephemeral keys come from; published vectors fix them. */
  readonly ephemeral?: () => X25519KeyPair;
};

/** Both directions of an established session, seen from this side. */
export type Transport = {
  readonly send: CipherState;
  readonly receive: CipherState;
  readonly hash: Uint8Array;
  readonly remoteStatic: Uint8Array;
};

/**
 * Noise_IK_25519_ChaChaPoly_BLAKE2s as a state machine without I/O. Noise §5.3.
 *
 * A message that cannot be read ends the handshake: `read` answers null and the state is wiped.
 */
export class Handshake {
  readonly #suite: Suite;
  readonly #initiator: boolean;
  readonly #static: X25519KeyPair;
  readonly #symmetric: SymmetricState;
  readonly #makeEphemeral: () => X25519KeyPair;
  #ephemeral: X25519KeyPair | null = null;
  #remoteStatic: Uint8Array | null;
  #remoteEphemeral: Uint8Array | null = null;
  #turn = 0;

  constructor(role: "initiator" | "responder", options: HandshakeOptions) {
    this.#suite = options.suite;
    this.#initiator = role === "initiator";
    this.#static = options.staticKeys;
    this.#makeEphemeral = options.ephemeral ?? (() => options.suite.generateX25519());
    this.#symmetric = new SymmetricState(options.suite);
    this.#symmetric.mixHash(options.prologue);
    this.#remoteStatic = options.remoteStatic ?? null;
    if (this.#initiator && this.#remoteStatic === null)
      throw new RangeError("the initiator of IK needs the responder's static key");
    this.#symmetric.mixHash(
      this.#initiator ? (this.#remoteStatic as Uint8Array) : this.#static.publicKey,
    );
  }

  /** The peer's static key: known to the responder once message 1 was read. */
  get remoteStatic(): Uint8Array | null {
    return this.#remoteStatic;
  }

  /** Transcript hash so far, 32 bytes. */
  get hash(): Uint8Array {
    return this.#symmetric.hash;
  }

  /** Next handshake message with its payload. */
  write(payload: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const token of this.#tokens(true)) {
      if (token === "e") {
        this.#ephemeral = this.#makeEphemeral();
        this.#symmetric.mixHash(this.#ephemeral.publicKey);
        parts.push(this.#ephemeral.publicKey);
      } else if (token === "s") {
        parts.push(this.#symmetric.encryptAndHash(this.#static.publicKey));
      } else this.#mix(token);
    }
    parts.push(this.#symmetric.encryptAndHash(payload));
    return concat(parts);
  }

  /**
   * Payload of the peer's handshake message, or null if it is not authentic.
   *
   * @throws what the suite throws where it has no memory for keys; the state is wiped then, too
   */
  read(message: Uint8Array): Uint8Array | null {
    const payload = message.length > limits.MAX_NOISE_BYTES ? null : this.#read(message);
    if (payload === null) this.destroy();
    return payload;
  }

  #read(message: Uint8Array): Uint8Array | null {
    let rest = message;
    for (const token of this.#tokens(false)) {
      if (token === "e") {
        if (rest.length < KEY_BYTES) return null;
        this.#remoteEphemeral = rest.slice(0, KEY_BYTES);
        this.#symmetric.mixHash(this.#remoteEphemeral);
        rest = rest.subarray(KEY_BYTES);
      } else if (token === "s") {
        const length = KEY_BYTES + limits.TAG_BYTES;
        if (rest.length < length) return null;
        this.#remoteStatic = this.#symmetric.decryptAndHash(rest.subarray(0, length));
        if (this.#remoteStatic === null) return null;
        rest = rest.subarray(length);
      } else if (!this.#tryMix(token)) return null;
    }
    return this.#symmetric.decryptAndHash(rest);
  }

  /** Transport keys once both messages have passed. */
  split(): Transport {
    if (this.#turn !== IK.length) throw new RangeError("the handshake has not ended");
    const hash = this.#symmetric.hash;
    const [first, second] = this.#symmetric.split();
    const remoteStatic = this.#remoteStatic as Uint8Array;
    this.#forget();
    this.#turn = Number.NaN;
    return this.#initiator
      ? { send: first, receive: second, hash, remoteStatic }
      : { send: second, receive: first, hash, remoteStatic };
  }

  destroy(): void {
    this.#forget();
    this.#symmetric.destroy();
    this.#turn = Number.NaN;
  }

  #forget(): void {
    if (this.#ephemeral !== null) this.#suite.freeSecret(this.#ephemeral.secretKey);
    this.#ephemeral = null;
  }

  #tokens(writing: boolean): readonly Token[] {
    const mine = this.#turn % 2 === (this.#initiator ? 0 : 1);
    const tokens = IK[this.#turn];
    if (tokens === undefined || mine !== writing)
      throw new RangeError("not this side's turn in the handshake");
    this.#turn++;
    return tokens;
  }

  /**
   * A low-order public key makes X25519 fail: from the peer that is a refused message. Whatever else
   * fails, such as a want of memory for keys, is none of the peer's doing.
   */
  #tryMix(token: Exclude<Token, "e" | "s">): boolean {
    try {
      this.#mix(token);
      return true;
    } catch (cause) {
      if (cause instanceof CryptoError && cause.code === "low-order-point") return false;
      this.destroy();
      throw cause;
    }
  }

  // The first letter is the initiator's key, the second the responder's. Noise §5.3.
  #mix(token: Exclude<Token, "e" | "s">): void {
    const [own, remote] = this.#initiator
      ? [token.charAt(0), token.charAt(1)]
      : [token.charAt(1), token.charAt(0)];
    const secret = own === "e" ? this.#ephemeral?.secretKey : this.#static.secretKey;
    const publicKey = remote === "e" ? this.#remoteEphemeral : this.#remoteStatic;
    if (secret === undefined || publicKey === null) throw new RangeError("a key is missing");
    this.#symmetric.mixKey(this.#suite.x25519(secret, publicKey));
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
