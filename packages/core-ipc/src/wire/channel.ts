import { limits, Violation } from "@sesame/core-types";
import type { Transport } from "../noise/handshake.ts";
import { readU32, writeU32 } from "./frame.ts";

// First byte of every frame's plaintext.
const BATCH = 0; // whole envelopes, each behind a 4-byte length
const FIRST = 1; // 4-byte length of one envelope, and its beginning
const MORE = 2; // the next piece of that envelope
const REKEY = 3; // the sender's next frame is under a new key; also between fragments

const HEADER = 4;
const EMPTY = new Uint8Array(0);
const REKEY_INTERVAL_MS = 3_600_000;

// Frames under construction. A channel holds one only between its first enqueue and its flush in
// the same turn, so idle connections cost nothing.
const pool: Uint8Array[] = [];

/**
 * Envelopes to Noise messages and back, after the handshake. Without I/O: `flush` returns what is
 * to be written, `receive` hands out what arrived. docs/PROTOCOL.md, Frames.
 */
export class Channel {
  readonly #transport: Transport;
  readonly #maxEnvelope: number;
  readonly #now: () => number;
  #rekeyedAt: number;
  #building: Uint8Array | null = null;
  #length = 0;
  #sealed: Uint8Array[] = [];
  #pieces: Uint8Array[] = [];
  #announced = 0;
  #gathered = 0;
  #ended = false;

  constructor(transport: Transport, maxEnvelope: number, monotonicMs: () => number) {
    this.#transport = transport;
    this.#maxEnvelope = maxEnvelope;
    this.#now = monotonicMs;
    this.#rekeyedAt = monotonicMs();
  }

  /** Bytes that the next flush will return, to within a frame's overhead. */
  get pendingBytes(): number {
    return this.#sealed.reduce((sum, bytes) => sum + bytes.length, this.#length);
  }

  /** Adds one envelope, header and payload, to what the next flush returns. */
  enqueue(header: Uint8Array, payload: Uint8Array): void {
    if (this.#ended) return;
    const length = header.length + payload.length;
    if (1 + HEADER + length > limits.MAX_FRAME_PLAINTEXT) {
      this.#enqueueLarge(header, payload, length);
      return;
    }
    if (this.#length + HEADER + length > limits.MAX_FRAME_PLAINTEXT) this.#sealFrame();
    const out = this.#frame(BATCH);
    writeU32(out, this.#length, length);
    out.set(header, this.#length + HEADER);
    out.set(payload, this.#length + HEADER + header.length);
    this.#length += HEADER + length;
  }

  /** Everything enqueued since the last flush, sealed and framed. */
  flush(): Uint8Array[] {
    this.#sealFrame();
    const out = this.#sealed;
    this.#sealed = [];
    return out;
  }

  /**
   * Opens one frame and hands out its envelopes, which are views of a buffer of their own.
   *
   * @throws {Violation} FRAME-2 not authentic, FRAME-3 malformed, FRAME-4 too large
   */
  receive(frame: Uint8Array, take: (envelope: Uint8Array) => void): void {
    if (this.#ended) return;
    if (frame.length <= limits.TAG_BYTES) throw new Violation("FRAME-2", "frame without content");
    const plaintext = Buffer.allocUnsafe(frame.length - limits.TAG_BYTES);
    if (this.#transport.receive.count >= limits.REKEY_AFTER_MESSAGES + 1)
      throw new Violation("FRAME-5", "the peer did not rekey");
    if (!this.#transport.receive.openInto(plaintext, EMPTY, frame))
      throw new Violation("FRAME-2", "frame is not authentic");
    const type = plaintext[0];
    if (type === MORE) {
      this.#gather(plaintext, 1, take);
      return;
    }
    if (type === REKEY && plaintext.length === 1) {
      this.#transport.receive.rekey();
      return;
    }
    if (this.#announced > 0) throw new Violation("FRAME-3", "envelope broken off");
    if (type === BATCH) this.#unpack(plaintext, take);
    else if (type === FIRST) {
      if (plaintext.length <= 1 + HEADER) throw new Violation("FRAME-3", "empty fragment");
      this.#announced = this.#bounded(readU32(plaintext, 1));
      this.#gather(plaintext, 1 + HEADER, take);
    } else throw new Violation("FRAME-3", "unknown frame type");
  }

  /** After this nothing goes in or out: the peer may still be sending, and others to it. */
  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sealed = [];
    this.#pieces = [];
    if (this.#building !== null) this.#release();
    this.#transport.send.destroy();
    this.#transport.receive.destroy();
  }

  #unpack(plaintext: Uint8Array, take: (envelope: Uint8Array) => void): void {
    let at = 1;
    if (at === plaintext.length) throw new Violation("FRAME-3", "batch of no envelopes");
    while (at < plaintext.length && !this.#ended) {
      if (plaintext.length - at < HEADER) throw new Violation("FRAME-3", "length cut off");
      const length = this.#bounded(readU32(plaintext, at));
      at += HEADER;
      if (length > plaintext.length - at) throw new Violation("FRAME-3", "envelope cut off");
      take(plaintext.subarray(at, at + length));
      at += length;
    }
  }

  // Memory follows what has arrived, never what was announced. A frame that does not complete
  // its envelope is full, so that an envelope never costs more pieces than it needs.
  #gather(plaintext: Uint8Array, at: number, take: (envelope: Uint8Array) => void): void {
    const piece = plaintext.subarray(at);
    if (piece.length === 0 || piece.length > this.#announced - this.#gathered)
      throw new Violation("FRAME-3", "fragment does not fit its envelope");
    this.#pieces.push(piece);
    this.#gathered += piece.length;
    if (this.#gathered < this.#announced) {
      if (plaintext.length < limits.MAX_FRAME_PLAINTEXT)
        throw new Violation("FRAME-3", "fragment smaller than its frame");
      return;
    }
    const envelope = Buffer.concat(this.#pieces, this.#announced);
    this.#pieces = [];
    this.#announced = 0;
    this.#gathered = 0;
    take(envelope);
  }

  #bounded(length: number): number {
    if (length === 0) throw new Violation("FRAME-3", "empty envelope");
    if (length > this.#maxEnvelope)
      throw new Violation("FRAME-4", `envelope of ${length} bytes; ${this.#maxEnvelope} allowed`);
    return length;
  }

  #enqueueLarge(header: Uint8Array, payload: Uint8Array, length: number): void {
    this.#sealFrame();
    const envelope = Buffer.concat([header, payload], length);
    let at = 0;
    while (at < length) {
      const out = this.#frame(at === 0 ? FIRST : MORE);
      if (at === 0) {
        writeU32(out, this.#length, length);
        this.#length += HEADER;
      }
      const size = Math.min(length - at, limits.MAX_FRAME_PLAINTEXT - this.#length);
      out.set(envelope.subarray(at, at + size), this.#length);
      this.#length += size;
      at += size;
      this.#sealFrame();
    }
    envelope.fill(0);
  }

  #frame(type: number): Uint8Array {
    if (this.#building !== null) return this.#building;
    this.#building = pool.pop() ?? new Uint8Array(limits.MAX_FRAME_PLAINTEXT);
    this.#building[0] = type;
    this.#length = 1;
    return this.#building;
  }

  #sealFrame(): void {
    if (this.#building === null) return;
    this.#sealed.push(this.#seal(this.#building.subarray(0, this.#length)));
    this.#release();
    const { send } = this.#transport;
    const due = this.#now() - this.#rekeyedAt >= REKEY_INTERVAL_MS;
    if (send.count >= limits.REKEY_AFTER_MESSAGES || due) {
      this.#sealed.push(this.#seal(new Uint8Array([REKEY])));
      send.rekey();
      this.#rekeyedAt = this.#now();
    }
  }

  #seal(plaintext: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(HEADER + plaintext.length + limits.TAG_BYTES);
    writeU32(out, 0, plaintext.length + limits.TAG_BYTES);
    this.#transport.send.sealInto(out.subarray(HEADER), EMPTY, plaintext);
    return out;
  }

  #release(): void {
    const buffer = this.#building as Uint8Array;
    buffer.fill(0, 0, this.#length);
    this.#building = null;
    this.#length = 0;
    if (pool.length < 64) pool.push(buffer);
  }
}
