import { connect, type Socket } from "node:net";
import { randomFillSync } from "node:crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  keyFileOf,
  identityOf,
  loadKeyFile,
  requireInstallation,
  type IdentityKeys,
  type Paths,
} from "@sesame/core-ipc/daemon";
import {
  BUS_HOST,
  encode,
  MAX_HEADER_BYTES,
  nothing,
  readRoutedHeader,
  stampUuidV7,
  writeHeader,
  type ClientHeader,
  type RoutedHeader,
} from "@sesame/core-types";
import { pidNamespace } from "../../packages/core-ipc/src/io/namespace.ts";
import { ClientSession, type Welcome } from "../../packages/core-ipc/src/wire/session.ts";
import { framed } from "../../packages/core-ipc/src/wire/frame.ts";

/** One decrypted envelope. */
export type Received = { readonly header: RoutedHeader; readonly payload: Uint8Array };

/** A header of which only the telling parts are given. */
export type Given = Pick<ClientHeader, "type" | "tag"> & Partial<ClientHeader>;

/** A fresh call id. */
export function freshId(): Uint8Array {
  return stampUuidV7(randomFillSync(new Uint8Array(16)), Date.now());
}

/** A client that keeps no rule after the handshake: it sends what it is told, byte for byte. */
export class RawClient {
  readonly received: Received[] = [];
  /** Resolves once the bus has closed the connection. */
  readonly closed: Promise<void>;
  readonly keys: IdentityKeys["noise"];
  readonly socket: Socket;
  readonly #session: ClientSession;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  private constructor(socket: Socket, session: ClientSession, keys: IdentityKeys["noise"]) {
    this.socket = socket;
    this.#session = session;
    this.keys = keys;
    const ended = Promise.withResolvers<void>();
    this.closed = ended.promise;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#ended = true;
      ended.resolve();
      this.#wake();
    });
    socket.on("data", (chunk: Buffer) => {
      const reply = (bytes: Uint8Array): void => void socket.write(bytes);
      session.receive(chunk, reply, (envelope) => {
        const { header, length } = readRoutedHeader(envelope);
        this.received.push({ header, payload: envelope.subarray(length) });
      });
      this.#wake();
    });
  }

  /**
   * @param as - identity whose key file to use; null: unregistered
   * @throws {Error} if the bus closes the connection instead of welcoming it
   */
  static async connect(paths: Paths, as: string | null): Promise<RawClient> {
    const installation = requireInstallation(suite, paths);
    const file = as === null ? null : loadKeyFile(suite, keyFileOf(paths, as));
    const keys = file?.noise ?? suite.generateX25519();
    const session = new ClientSession({
      suite,
      staticKeys: keys,
      busKey: identityOf(installation, BUS_HOST).noiseKey,
      own: { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      pidNamespace: pidNamespace(),
      monotonicMs: () => performance.now(),
    });
    const client = new RawClient(connect({ path: paths.socket }), session, keys);
    await client.#until(() => session.channel);
    return client;
  }

  get welcome(): Welcome {
    return this.#session.welcome as Welcome;
  }

  /** Bus session, 16 bytes. */
  get session(): Uint8Array {
    return this.#session.session as Uint8Array;
  }

  /** Sends one envelope with these fields, true or not; its id. */
  send(given: Given, payload: Uint8Array = encode(nothing, {})): Uint8Array {
    const header = { id: freshId(), level: "internal", target: null, ttlMs: 0, ...given } as const;
    const bytes = new Uint8Array(MAX_HEADER_BYTES);
    this.sendEnvelope(bytes.subarray(0, writeHeader(bytes, header)), payload);
    return header.id;
  }

  /** Sends any bytes as an envelope, in an authentic frame. */
  sendEnvelope(header: Uint8Array, payload: Uint8Array): void {
    const { channel } = this.#session;
    if (channel === null || this.#ended) return;
    channel.enqueue(header, payload);
    for (const frame of channel.flush()) this.socket.write(frame);
  }

  /** Sends bytes as a frame that no key has sealed. */
  sendFrame(bytes: Uint8Array): void {
    this.socket.write(framed(bytes));
  }

  /** Sends a request and waits for what answers it. */
  async ask(given: Omit<Given, "type">, payload?: Uint8Array): Promise<Received> {
    const from = this.received.length;
    return this.answerTo(this.send({ ...given, type: "request" }, payload), from);
  }

  /** @param from - how much had been received before, where ids are used again */
  async answerTo(id: Uint8Array, from = 0): Promise<Received> {
    const wanted = Buffer.from(id);
    const answers = ({ header }: Received, i: number): boolean =>
      i >= from &&
      (header.type === "reply" || header.type === "denial") &&
      wanted.equals(header.id);
    return this.#until(() => this.received.find(answers));
  }

  /** Waits until something that fits has been received. */
  async until(is: (received: Received) => boolean): Promise<Received> {
    return this.#until(() => this.received.find(is));
  }

  close(): void {
    this.socket.destroy();
  }

  async #until<T>(ask: () => T | null | undefined): Promise<T> {
    for (;;) {
      const answer = ask();
      if (answer !== null && answer !== undefined) return answer;
      if (this.#ended) throw new Error("the bus closed the connection");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
