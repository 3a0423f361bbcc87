import type { Suite, X25519KeyPair } from "@sesame/core-crypto";
import {
  decode,
  encode,
  IDENTITY_KINDS,
  LEVELS,
  limits,
  MAX_HEADER_BYTES,
  nullable,
  oneOf,
  struct,
  text,
  uint,
  Violation,
  type Infer,
} from "@sesame/core-types";
import { Handshake } from "../noise/handshake.ts";
import { respond, type Statics } from "../noise/respond.ts";
import { Channel } from "./channel.ts";
import { FrameSplitter, framed } from "./frame.ts";
import {
  checkHello,
  decodeHello,
  encodeHello,
  prologueOf,
  type Credentials,
  type Hello,
} from "./hello.ts";

// Sessions: bytes in, bytes and envelopes out. No sockets, no timers.

const NO_PAYLOAD = new Uint8Array(0);

/** Payload of handshake message 2: what the bus takes the client for. */
export const welcomeSchema = struct({
  name: nullable(text(limits.MAX_IDENTITY_NAME, "identity-name")),
  kind: nullable(oneOf(IDENTITY_KINDS)),
  clearance: oneOf(LEVELS),
  maxEnvelopeBytes: uint,
});
export type Welcome = Infer<typeof welcomeSchema>;

export type ServerSessionOptions = {
  readonly suite: Suite;
  readonly statics: Statics;
  readonly hello: Hello;
  readonly monotonicMs: () => number;
  /** Who the proved key belongs to; null refuses it. */
  readonly admit: (publicKey: Uint8Array) => Welcome | null;
};

/** The bus's half of one connection. */
export class ServerSession {
  readonly #options: ServerSessionOptions;
  readonly #splitter = new FrameSplitter(limits.MAX_HANDSHAKE_BYTES);
  readonly #hello: Uint8Array;
  #channel: Channel | null = null;

  constructor(options: ServerSessionOptions) {
    this.#options = options;
    this.#hello = encodeHello(options.hello);
  }

  /** The first bytes to send. */
  greeting(): Uint8Array {
    return framed(this.#hello);
  }

  /** Null until the handshake has ended. */
  get channel(): Channel | null {
    return this.#channel;
  }

  /** The bus session: the hello's 16 random bytes. */
  get sessionId(): Uint8Array {
    return this.#options.hello.session;
  }

  /**
   * @param reply - takes handshake bytes to send at once
   * @throws {Violation} after which the connection must be closed
   */
  receive(
    chunk: Uint8Array,
    reply: (bytes: Uint8Array) => void,
    take: (envelope: Uint8Array) => void,
  ): void {
    this.#splitter.push(chunk, (message) => {
      if (this.#channel === null) reply(this.#accept(message));
      else this.#channel.receive(message, take);
    });
  }

  #accept(message: Uint8Array): Uint8Array {
    const { suite, statics, admit, monotonicMs } = this.#options;
    const asked = respond(suite, statics, prologueOf(this.#hello), message);
    if (asked === null || asked.payload.length > 0)
      throw new Violation("HANDSHAKE-1", "handshake message 1 is not authentic");
    const { handshake } = asked;
    const welcome = admit(handshake.remoteStatic as Uint8Array);
    if (welcome === null) throw new Violation("HANDSHAKE-3", "this key was revoked");
    const answer = handshake.write(encode(welcomeSchema, welcome));
    this.#channel = new Channel(handshake.split(), welcome.maxEnvelopeBytes, monotonicMs);
    this.#splitter.maxBytes = limits.MAX_NOISE_BYTES;
    return framed(answer);
  }
}

export type ClientSessionOptions = {
  readonly suite: Suite;
  readonly staticKeys: X25519KeyPair;
  /** The bus's static public key from the installation record. */
  readonly busKey: Uint8Array;
  readonly own: Credentials;
  readonly pidNamespace: bigint;
  readonly monotonicMs: () => number;
};

/** A client's half of one connection. */
export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #splitter = new FrameSplitter(limits.MAX_HANDSHAKE_BYTES);
  #handshake: Handshake | null = null;
  #hello: Hello | null = null;
  #channel: Channel | null = null;
  #welcome: Welcome | null = null;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
  }

  get channel(): Channel | null {
    return this.#channel;
  }

  /** The bus session: 16 bytes that both ends of a sealed call know. */
  get session(): Uint8Array | null {
    return this.#hello?.session ?? null;
  }

  get welcome(): Welcome | null {
    return this.#welcome;
  }

  /** As ServerSession.receive. */
  receive(
    chunk: Uint8Array,
    reply: (bytes: Uint8Array) => void,
    take: (envelope: Uint8Array) => void,
  ): void {
    this.#splitter.push(chunk, (message) => {
      if (this.#channel !== null) this.#channel.receive(message, take);
      else if (this.#handshake === null) reply(this.#greet(message));
      else this.#finish(this.#handshake, message);
    });
  }

  #greet(message: Uint8Array): Uint8Array {
    const { suite, staticKeys, busKey, own, pidNamespace } = this.#options;
    this.#hello = decodeHello(message);
    checkHello(this.#hello, own, pidNamespace);
    this.#handshake = new Handshake("initiator", {
      suite,
      staticKeys,
      remoteStatic: busKey,
      prologue: prologueOf(message),
    });
    return framed(this.#handshake.write(NO_PAYLOAD));
  }

  #finish(handshake: Handshake, message: Uint8Array): void {
    const payload = handshake.read(message);
    if (payload === null)
      throw new Violation("HANDSHAKE-2", "the bus does not hold the installation's bus key");
    this.#welcome = decode(welcomeSchema, payload);
    this.#channel = new Channel(
      handshake.split(),
      // The bus adds the sender to the header of the largest envelope, too.
      limits.MAX_ENVELOPE_BYTES + MAX_HEADER_BYTES,
      this.#options.monotonicMs,
    );
    this.#splitter.maxBytes = limits.MAX_NOISE_BYTES;
  }
}
