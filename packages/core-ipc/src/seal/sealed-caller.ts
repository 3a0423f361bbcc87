import type { Suite, X25519KeyPair } from "@sesame/core-crypto";
import { Handshake } from "../noise/handshake.ts";
import {
  contextBytes,
  CONTINUED,
  CONTINUED_HEADER,
  FRESH,
  FRESH_HEADER,
  KEY_BYTES,
  nonceOf,
  TAG,
  type SealContext,
} from "./context.ts";
import { aeadOf, contentKey, deriveSession, type SealedSession } from "./keys.ts";

/** A sealed request and the way to read its reply. */
export type SealedRequest = {
  readonly payload: Uint8Array;
  /** False for the call that opens the session. */
  readonly continued: boolean;
  /** The session it was sealed under, if any. */
  readonly session: SealedSession | null;
  /** Body of the owner's reply, or null if it is not the owner's. May be called once. */
  readonly open: (payload: Uint8Array) => Uint8Array | null;
};

/**
 * The caller's end of sealed calls to one owner: the first is a Noise IK message addressed to the
 * owner's pinned key; once it was answered, later ones use the session that it made.
 * docs/PROTOCOL.md, Sealed calls.
 */
export class SealedCaller {
  readonly #suite: Suite;
  readonly #keys: X25519KeyPair;
  readonly #owner: Uint8Array;
  #session: SealedSession | null = null;
  #number = 0;

  /** @param owner - the owner's static public key, from the installation record */
  constructor(suite: Suite, keys: X25519KeyPair, owner: Uint8Array) {
    this.#suite = suite;
    this.#keys = keys;
    this.#owner = owner;
  }

  seal(context: SealContext, body: Uint8Array): SealedRequest {
    return this.#session === null
      ? this.#sealFresh(context, body)
      : this.#sealContinued(this.#session, context, body);
  }

  /**
   * The owner does not know the session of this call any more. Other calls may still wait for
   * replies under it, so its keys end with the last of them.
   */
  forget({ session }: SealedRequest): void {
    if (this.#session === session) this.#session = null;
  }

  /** Ends the session. */
  reset(): void {
    this.#session?.destroy();
    this.#session = null;
  }

  #sealFresh(context: SealContext, body: Uint8Array): SealedRequest {
    const suite = this.#suite;
    const handshake = new Handshake("initiator", {
      suite,
      staticKeys: this.#keys,
      remoteStatic: this.#owner,
      prologue: contextBytes(context),
    });
    const key = contentKey(suite);
    const message = handshake.write(key);
    const aead = aeadOf(suite, key);
    const at = FRESH_HEADER + message.length;
    const payload = new Uint8Array(at + body.length + TAG);
    payload[0] = FRESH;
    payload[1] = message.length >>> 8;
    payload[2] = message.length;
    payload.set(message, FRESH_HEADER);
    aead.sealInto(payload.subarray(at), nonceOf(0), handshake.hash, body);
    aead.destroy();
    const open = (reply: Uint8Array): Uint8Array | null => this.#openFresh(handshake, reply);
    return { payload, continued: false, session: null, open };
  }

  #openFresh(handshake: Handshake, reply: Uint8Array): Uint8Array | null {
    if (reply.length < 2) return null;
    const end = 2 + ((reply[0] ?? 0) << 8) + (reply[1] ?? 0);
    const keys = handshake.read(reply.subarray(2, end));
    if (keys === null || keys.length !== 2 * KEY_BYTES || reply.length < end + TAG) return null;
    const transcript = handshake.hash;
    const aead = aeadOf(this.#suite, keys.subarray(0, KEY_BYTES));
    const body = aead.open(nonceOf(0), transcript, reply.subarray(end));
    aead.destroy();
    if (body !== null && this.#session === null) {
      this.#session = deriveSession(this.#suite, transcript, keys.subarray(KEY_BYTES));
      this.#number = 0;
    }
    keys.fill(0);
    handshake.destroy();
    return body;
  }

  #sealContinued(session: SealedSession, context: SealContext, body: Uint8Array): SealedRequest {
    const number = ++this.#number;
    const ad = contextBytes(context);
    const payload = new Uint8Array(CONTINUED_HEADER + body.length + TAG);
    payload[0] = CONTINUED;
    payload.set(session.id, 1);
    new DataView(payload.buffer).setBigUint64(17, BigInt(number));
    session.request.sealInto(payload.subarray(CONTINUED_HEADER), nonceOf(number), ad, body);
    const open = (reply: Uint8Array): Uint8Array | null =>
      session.reply.open(nonceOf(number), ad, reply);
    return { payload, continued: true, session, open };
  }
}
