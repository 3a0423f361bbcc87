import { connect, type Socket } from "node:net";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

// A client of the bus that was written from docs/PROTOCOL.md alone, as plainly as possible, and
// shares no line with the implementation. It does what it is told, right or wrong.

const EMPTY = new Uint8Array(0);
const cat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const hash = (...parts: readonly Uint8Array[]): Uint8Array => blake2s(cat(...parts));

/** Noise §4.3, two outputs. */
function hkdf(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array] {
  const temporary = hmac(blake2s, chainingKey, material);
  const first = hmac(blake2s, temporary, new Uint8Array([1]));
  return [first, hmac(blake2s, temporary, cat(first, new Uint8Array([2])))];
}

function nonce(n: number): Uint8Array {
  const out = Buffer.alloc(12);
  out.writeBigUInt64LE(BigInt(n), 4);
  return new Uint8Array(out);
}

const seal = (key: Uint8Array, n: number, ad: Uint8Array, text: Uint8Array): Uint8Array =>
  chacha20poly1305(key, nonce(n), ad).encrypt(text);
const open = (key: Uint8Array, n: number, ad: Uint8Array, sealed: Uint8Array): Uint8Array =>
  chacha20poly1305(key, nonce(n), ad).decrypt(sealed);

const u32 = (value: number): Uint8Array => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return new Uint8Array(out);
};

/** A header's fields as they stand on the wire. */
export type PeerEnvelope = {
  readonly type: number;
  readonly id: Uint8Array;
  readonly tag: number;
  readonly level: number;
  readonly target: string | null;
  readonly senderName: string | null;
  /** As it stands in the header. */
  readonly trust: Uint8Array;
  readonly payload: Uint8Array;
};

export type PeerRequest = {
  readonly type?: number;
  readonly id?: Uint8Array;
  readonly tag: number;
  readonly level?: number;
  readonly target?: string;
  readonly payload?: Uint8Array;
};

export class NoisePeer {
  readonly #socket: Socket;
  readonly #inbox: PeerEnvelope[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #sendKey: Uint8Array = EMPTY;
  #receiveKey: Uint8Array = EMPTY;
  #sent = 0;
  #opened = 0;
  #fragments: Uint8Array[] = [];
  #announced = 0;
  #next = 0;
  #isOpen = true;
  /** The hello's bytes, and the payload of handshake message 2. */
  hello: Uint8Array = EMPTY;
  welcome: Uint8Array = EMPTY;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isOpen = false;
      this.#ended.resolve();
      this.#wake();
    });
  }

  /** Connects and does the handshake. */
  static async connect(
    path: string,
    secretKey: Uint8Array,
    busKey: Uint8Array,
  ): Promise<NoisePeer> {
    const peer = new NoisePeer(connect({ path }));
    await peer.#handshake(secretKey, busKey);
    return peer;
  }

  /** Resolves when the bus has closed the connection. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async #handshake(secretKey: Uint8Array, busKey: Uint8Array): Promise<void> {
    this.hello = await this.#frame();
    let h = hash(ascii("Noise_IK_25519_ChaChaPoly_BLAKE2s"));
    let chainingKey = h;
    let key: Uint8Array = EMPTY;
    const mixHash = (data: Uint8Array): void => void (h = hash(h, data));
    const mixKey = (secret: Uint8Array): void =>
      void ([chainingKey, key] = hkdf(chainingKey, secret));
    mixHash(cat(ascii("Sesame bus protocol, version 1\n"), this.hello));
    mixHash(busKey);

    const ephemeral = x25519.utils.randomSecretKey();
    const e = x25519.getPublicKey(ephemeral);
    mixHash(e);
    mixKey(x25519.getSharedSecret(ephemeral, busKey));
    const s = seal(key, 0, h, x25519.getPublicKey(secretKey));
    mixHash(s);
    mixKey(x25519.getSharedSecret(secretKey, busKey));
    const payload = seal(key, 0, h, EMPTY);
    mixHash(payload);
    this.write(cat(e, s, payload));

    const answer = await this.#frame();
    const re = answer.subarray(0, 32);
    mixHash(re);
    mixKey(x25519.getSharedSecret(ephemeral, re));
    mixKey(x25519.getSharedSecret(secretKey, re));
    this.welcome = open(key, 0, h, answer.subarray(32));
    [this.#sendKey, this.#receiveKey] = hkdf(chainingKey, EMPTY);
  }

  /** Writes one frame around these bytes, whatever they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(cat(u32(bytes.length), bytes));
  }

  /** Seals a plaintext as the next Noise message. */
  sealed(plaintext: Uint8Array): Uint8Array {
    return seal(this.#sendKey, this.#sent++, EMPTY, plaintext);
  }

  /** An envelope with a client's header. */
  envelope(given: PeerRequest): Uint8Array {
    const id = given.id ?? this.id();
    const { tag, target } = given;
    const name =
      target === undefined
        ? new Uint8Array([0xc0])
        : cat(new Uint8Array([0xd9, target.length]), ascii(target));
    const short =
      target !== undefined && target.length < 32
        ? cat(new Uint8Array([0xa0 | target.length]), ascii(target))
        : name;
    const head = new Uint8Array([0x97, 1, given.type ?? 0, 0xc4, 16]);
    const kind = new Uint8Array([0xcd, tag >> 8, tag & 0xff, given.level ?? 1]);
    return cat(head, id, kind, short, new Uint8Array([0]), given.payload ?? EMPTY);
  }

  /** Sends envelopes in one frame. */
  send(...envelopes: readonly Uint8Array[]): void {
    const parts = envelopes.flatMap((envelope) => [u32(envelope.length), envelope]);
    this.write(this.sealed(cat(new Uint8Array([0]), ...parts)));
  }

  id(): Uint8Array {
    return cat(new Uint8Array(12).fill(0x77), u32(++this.#next));
  }

  /** The next envelope from the bus, or null once it has closed the connection. */
  async next(): Promise<PeerEnvelope | null> {
    while (this.#inbox.length === 0) {
      const frame = await this.#tryFrame();
      if (frame === null) return null;
      this.#take(open(this.#receiveKey, this.#opened++, EMPTY, frame));
    }
    return this.#inbox.shift() ?? null;
  }

  /** Stops reading; the kernel's buffer fills, and then the bus's queue. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(plaintext: Uint8Array): void {
    const buffer = Buffer.from(plaintext);
    if (buffer[0] === 0) {
      for (let at = 1; at < buffer.length;) {
        const length = buffer.readUInt32BE(at);
        this.#inbox.push(parse(buffer.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
      }
      return;
    }
    if (buffer[0] === 1) this.#announced = buffer.readUInt32BE(1);
    this.#fragments.push(buffer.subarray(buffer[0] === 1 ? 5 : 1));
    const whole = Buffer.concat(this.#fragments);
    if (whole.length < this.#announced) return;
    this.#fragments = [];
    this.#inbox.push(parse(whole));
  }

  async #frame(): Promise<Uint8Array> {
    const frame = await this.#tryFrame();
    if (frame === null) throw new Error("the bus closed the connection");
    return frame;
  }

  async #tryFrame(): Promise<Uint8Array | null> {
    for (;;) {
      const all = this.#received;
      if (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) {
        const end = 4 + all.readUInt32BE(0);
        this.#received = all.subarray(end);
        return new Uint8Array(all.subarray(4, end));
      }
      if (!this.#isOpen) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Reads a routed header; only the forms that the bus writes. */
function parse(bytes: Buffer): PeerEnvelope {
  let at = 0;
  const uint = (): number => {
    const tag = bytes.readUInt8(at++);
    if (tag < 0x80) return tag;
    const length = tag === 0xcc ? 1 : tag === 0xcd ? 2 : 4;
    at += length;
    return bytes.readUIntBE(at - length, length);
  };
  const bin = (): Uint8Array => {
    const length = bytes.readUInt8(at + 1);
    at += 2 + length;
    return new Uint8Array(bytes.subarray(at - length, at));
  };
  const text = (): string | null => {
    const tag = bytes.readUInt8(at++);
    if (tag === 0xc0) return null;
    const length = tag === 0xd9 ? bytes.readUInt8(at++) : tag & 0x1f;
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  if (bytes.readUInt8(at++) !== 0x9c || uint() !== 1) throw new Error("not a routed header");
  const fields = { type: uint(), id: bin(), tag: uint(), level: uint(), target: text() };
  uint();
  const senderName = text();
  at += 2; // kind and clearance
  bin();
  const trust = bin();
  return { ...fields, senderName, trust, payload: new Uint8Array(bytes.subarray(at)) };
}
