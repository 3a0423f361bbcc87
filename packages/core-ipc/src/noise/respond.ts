import type { Suite, X25519KeyPair } from "@sesame/core-crypto";
import { Handshake } from "./handshake.ts";

/** The static keys of a responder, any of which a message may be addressed to. */
export type Statics = {
  /** Few, the likeliest first. */
  readonly all: () => readonly X25519KeyPair[];
  /** Looks for others, when none of these fits; true if there are. Must be cheap. */
  readonly refresh: () => boolean;
};

/** One static key, for good. */
export function only(keys: X25519KeyPair): Statics {
  const all = [keys];
  return { all: () => all, refresh: () => false };
}

/**
 * Reads message 1 as whichever key it is addressed to. Noise §7.5: IK does not say which one its
 * initiator knows, so each is tried; a try that fails costs one X25519.
 *
 * @returns null if it is authentic under none of them
 */
export function respond(
  suite: Suite,
  statics: Statics,
  prologue: Uint8Array,
  message: Uint8Array,
): { readonly handshake: Handshake; readonly payload: Uint8Array } | null {
  const found = attempt(suite, statics.all(), prologue, message);
  if (found !== null || !statics.refresh()) return found;
  return attempt(suite, statics.all(), prologue, message);
}

function attempt(
  suite: Suite,
  keys: readonly X25519KeyPair[],
  prologue: Uint8Array,
  message: Uint8Array,
): ReturnType<typeof respond> {
  for (const staticKeys of keys) {
    const handshake = new Handshake("responder", { suite, staticKeys, prologue });
    const payload = handshake.read(message);
    if (payload !== null) return { handshake, payload };
  }
  return null;
}
