import type { Suite } from "@sesame/core-crypto";
import { limits, toHex, type Clock } from "@sesame/core-types";
import type { Handshake } from "../noise/handshake.ts";
import { respond, type Statics } from "../noise/respond.ts";
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
import { ReplayWindow } from "./replay-window.ts";

/** An opened sealed request: who sent it by proof, what it says, and how to answer. */
export type OpenedRequest = {
  /** The static key that the call proved, 32 bytes. */
  readonly caller: Uint8Array;
  readonly body: Uint8Array;
  /** May be called once. */
  readonly sealReply: (body: Uint8Array) => Uint8Array;
};

/** Why a sealed request was not accepted; for the audit log, not for the caller. */
export type SealRefusal = "malformed" | "not-authentic" | "stale" | "replayed" | "full";

type Kept = {
  readonly session: SealedSession;
  readonly caller: Uint8Array;
  last: number;
  /** Calls that were opened and are not answered. */
  open: number;
  evicted: boolean;
};

/** The owner's end of sealed calls. docs/PROTOCOL.md, Sealed calls. */
export class SealedOwner {
  readonly #suite: Suite;
  readonly #statics: Statics;
  readonly #window: ReplayWindow;
  readonly #sessions = new Map<string, Kept>();

  constructor(suite: Suite, statics: Statics, clock: Clock) {
    this.#suite = suite;
    this.#statics = statics;
    this.#window = new ReplayWindow(clock.wallMs, clock.monotonicMs);
  }

  open(context: SealContext, payload: Uint8Array): OpenedRequest | SealRefusal {
    if (payload[0] === FRESH) return this.#openFresh(context, payload);
    if (payload[0] === CONTINUED) return this.#openContinued(context, payload);
    return "malformed";
  }

  /** Ends every session. */
  destroy(): void {
    for (const { session } of this.#sessions.values()) session.destroy();
    this.#sessions.clear();
  }

  #openFresh(context: SealContext, payload: Uint8Array): OpenedRequest | SealRefusal {
    const at = FRESH_HEADER + ((payload[1] ?? 0) << 8) + (payload[2] ?? 0);
    if (payload.length < at + TAG) return "malformed";
    const message = payload.subarray(FRESH_HEADER, at);
    const asked = respond(this.#suite, this.#statics, contextBytes(context), message);
    if (asked === null || asked.payload.length !== KEY_BYTES) return "not-authentic";
    const { handshake, payload: key } = asked;
    const aead = aeadOf(this.#suite, key);
    const body = aead.open(nonceOf(0), handshake.hash, payload.subarray(at));
    aead.destroy();
    if (body === null) return "not-authentic";
    // Only an authentic call may fill the window, and it binds the id by its prologue.
    const verdict = this.#window.check(context.id);
    if (verdict !== "fresh") {
      body.fill(0);
      return verdict;
    }
    const caller = handshake.remoteStatic as Uint8Array;
    return { caller, body, sealReply: (reply) => this.#replyFresh(handshake, caller, reply) };
  }

  #replyFresh(handshake: Handshake, caller: Uint8Array, body: Uint8Array): Uint8Array {
    const suite = this.#suite;
    const keys = suite.allocSecret(2 * KEY_BYTES);
    keys.set(contentKey(suite));
    keys.set(contentKey(suite), KEY_BYTES);
    const message = handshake.write(keys);
    const transcript = handshake.hash;
    const aead = aeadOf(suite, keys.subarray(0, KEY_BYTES));
    const out = new Uint8Array(2 + message.length + body.length + TAG);
    out[0] = message.length >>> 8;
    out[1] = message.length;
    out.set(message, 2);
    aead.sealInto(out.subarray(2 + message.length), nonceOf(0), transcript, body);
    aead.destroy();
    this.#keep(deriveSession(suite, transcript, keys.subarray(KEY_BYTES)), caller);
    handshake.destroy();
    return out;
  }

  #openContinued(context: SealContext, payload: Uint8Array): OpenedRequest | SealRefusal {
    if (payload.length < CONTINUED_HEADER + TAG) return "malformed";
    const view = new DataView(payload.buffer, payload.byteOffset);
    const number = Number(view.getBigUint64(17));
    const kept = this.#sessions.get(toHex(payload.subarray(1, 17)));
    if (kept === undefined || !Number.isSafeInteger(number)) return "not-authentic";
    const { session, caller } = kept;
    const ad = contextBytes(context);
    const body = session.request.open(nonceOf(number), ad, payload.subarray(CONTINUED_HEADER));
    if (body === null) return "not-authentic";
    // Numbers only grow, so an old call cannot come back.
    if (number <= kept.last) {
      body.fill(0);
      return "replayed";
    }
    kept.last = number;
    kept.open++;
    return { caller, body, sealReply: (reply) => replyContinued(kept, number, ad, reply) };
  }

  #keep(session: SealedSession, caller: Uint8Array): void {
    if (this.#sessions.size >= limits.MAX_SEALED_SESSIONS) {
      const [oldest] = this.#sessions;
      if (oldest !== undefined) {
        const [id, kept] = oldest;
        kept.evicted = true;
        this.#sessions.delete(id);
        endIfUnused(kept);
      }
    }
    const kept = { session, caller, last: 0, open: 0, evicted: false };
    this.#sessions.set(toHex(session.id), kept);
  }
}

function replyContinued(kept: Kept, number: number, ad: Uint8Array, body: Uint8Array): Uint8Array {
  const sealed = kept.session.reply.seal(nonceOf(number), ad, body);
  kept.open--;
  endIfUnused(kept);
  return sealed;
}

/** A call that is still being answered keeps the keys of an evicted session. */
function endIfUnused({ session, open, evicted }: Kept): void {
  if (evicted && open === 0) session.destroy();
}
