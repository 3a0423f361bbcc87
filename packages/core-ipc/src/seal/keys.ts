import type { Aead, Suite } from "@sesame/core-crypto";
import { KEY_BYTES } from "./context.ts";

/** Keys of an end-to-end session that outlives the call that made it. */
export type SealedSession = {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly request: Aead;
  readonly reply: Aead;
  destroy: () => void;
};

/**
 * Both directions and the name of a session.
 *
 * @param transcript - handshake hash after message 2
 * @param secret - 32 random bytes that message 2 carried; wiped
 */
export function deriveSession(
  suite: Suite,
  transcript: Uint8Array,
  secret: Uint8Array,
): SealedSession {
  const [requestKey, replyKey, name] = suite.hkdfBlake2s(transcript, secret, 3);
  secret.fill(0);
  const request = aeadOf(suite, requestKey as Uint8Array);
  const reply = aeadOf(suite, replyKey as Uint8Array);
  return {
    id: (name as Uint8Array).slice(0, 16),
    request,
    reply,
    destroy: () => {
      request.destroy();
      reply.destroy();
    },
  };
}

/** A fresh key for one body. */
export function contentKey(suite: Suite): Uint8Array {
  const key = suite.allocSecret(KEY_BYTES);
  key.set(suite.randomBytes(KEY_BYTES));
  return key;
}

/** A prepared cipher; the key's bytes are wiped. */
export function aeadOf(suite: Suite, key: Uint8Array): Aead {
  const aead = suite.chacha20poly1305(key);
  key.fill(0);
  return aead;
}
