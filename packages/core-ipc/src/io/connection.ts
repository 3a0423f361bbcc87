import type { Socket } from "node:net";
import {
  limits,
  MAX_HEADER_BYTES,
  writeHeader,
  type ClientHeader,
  type Posture,
  type Sender,
} from "@sesame/core-types";
import type { ServerSession } from "../wire/session.ts";
import { SeenProgram } from "../bus/seen-program.ts";
import { isAlive, type Peer } from "./evidence.ts";

const scratch = new Uint8Array(MAX_HEADER_BYTES);

type Written = {
  readonly header: ClientHeader | null;
  readonly sender: Uint8Array | null;
  readonly bytes: Uint8Array;
};

// What `scratch` holds: the subscribers of a publish get the same header, one after the other.
let written: Written = { header: null, sender: null, bytes: scratch };

type Reading = {
  readonly _handle?: { readonly fd: number; readStop(): void; readStart(): void } | null;
};

/** One accepted socket with its session. */
export class Connection {
  readonly id: number;
  readonly #peer: Peer;
  readonly program = new SeenProgram();
  readonly session: ServerSession;
  readonly #socket: Socket;
  /** Set once the handshake has ended. */
  sender: Sender | null = null;
  /** The static key that the handshake proved, 32 bytes. */
  key: Uint8Array | null = null;
  /** What a daemon has measured of itself. */
  posture: Posture | null = null;
  /** How deep delegations are in a daemon's ledger, by the delegatee's id. */
  readonly depths = new Map<string, number>();
  #flushed = 0;
  #progressAt: number;

  constructor(id: number, socket: Socket, peer: Peer, session: ServerSession, now: number) {
    this.id = id;
    this.#peer = peer;
    this.session = session;
    this.#socket = socket;
    this.#progressAt = now;
  }

  /** The peer, with the program that was found last. */
  get peer(): Peer {
    const { executable, sha256 } = this.program.last;
    return executable === null ? this.#peer : { ...this.#peer, executable, sha256 };
  }

  /** True while the process that connected is alive. */
  get alive(): boolean {
    const { _handle } = this.#socket as unknown as Reading;
    return !this.#socket.destroyed && isAlive(_handle?.fd ?? -1);
  }

  /** Bytes that wait for this peer to read. */
  get queued(): number {
    return this.#socket.writableLength + (this.session.channel?.pendingBytes ?? 0);
  }

  /** Bytes that may still be queued; anything fits an empty queue. */
  get room(): number {
    const { queued } = this;
    return queued === 0 ? Number.POSITIVE_INFINITY : limits.MAX_QUEUE_BYTES - queued;
  }

  enqueue(header: ClientHeader, sender: Uint8Array, payload: Uint8Array): void {
    if (header !== written.header || sender !== written.sender) {
      const bytes = scratch.subarray(0, writeHeader(scratch, header, sender));
      written = { header, sender, bytes };
    }
    this.session.channel?.enqueue(written.bytes, payload);
  }

  flush(): void {
    const frames = this.session.channel?.flush() ?? [];
    if (frames.length === 0 || this.#socket.destroyed) return;
    this.#socket.cork();
    for (const bytes of frames) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** True if bytes have waited for the peer since STALL_TIMEOUT_MS without any getting through. */
  stalled(now: number): boolean {
    const waiting = this.#socket.writableLength;
    const flushed = this.#socket.bytesWritten - waiting;
    if (waiting === 0 || flushed > this.#flushed) {
      this.#flushed = flushed;
      this.#progressAt = now;
      return false;
    }
    return now - this.#progressAt >= limits.STALL_TIMEOUT_MS;
  }

  /**
   * Lets the other connections have their turn: libuv would read a busy socket up to 32 times
   * in a row.
   */
  yieldTurn(): void {
    const handle = (this.#socket as unknown as Reading)._handle;
    if (handle === undefined || handle === null) return;
    handle.readStop();
    setImmediate(() => {
      if (!this.#socket.destroyed) (this.#socket as unknown as Reading)._handle?.readStart();
    });
  }

  /** Ends after what is queued has been written. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
    this.session.channel?.destroy();
  }
}
