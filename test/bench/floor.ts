// What Node itself costs: the least that an echo server, and a hub that carries messages between
// its clients, can be. Frames are a 4-byte length, then operation, name length, name and body.
// Whatever is sent in one turn is written at once, as the bus does it.
import { connect, createServer, type Socket } from "node:net";
import type { Link } from "./link.ts";

const HELLO = 1;
const SUBSCRIBE = 2;
const TO_NAME = 3;
const TO_TOPIC = 4;

const LENGTH = 4;
const EMPTY = Buffer.alloc(0);

type Take = (op: number, name: string, body: Buffer) => void;

class Wire {
  readonly #socket: Socket;
  #rest: Buffer = EMPTY;
  #queue: Buffer[] = [];

  constructor(socket: Socket, take: Take) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk, take));
  }

  send(op: number, name: string, body: Uint8Array): void {
    const frame = Buffer.allocUnsafe(LENGTH + 2 + name.length + body.length);
    frame.writeUInt32LE(frame.length - LENGTH);
    frame[LENGTH] = op;
    frame[LENGTH + 1] = name.length;
    frame.write(name, LENGTH + 2, "latin1");
    frame.set(body, LENGTH + 2 + name.length);
    if (this.#queue.push(frame) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const frames = this.#queue;
    this.#queue = [];
    const [only] = frames;
    this.#socket.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames));
  }

  #receive(chunk: Buffer, take: Take): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= LENGTH) {
      const end = at + LENGTH + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      const body = at + LENGTH + 2 + (bytes[at + LENGTH + 1] ?? 0);
      const name = bytes.toString("latin1", at + LENGTH + 2, body);
      take(bytes[at + LENGTH] ?? 0, name, bytes.subarray(body, end));
      at = end;
    }
    this.#rest = at === bytes.length ? EMPTY : bytes.subarray(at);
  }
}

/** Sends every frame back. */
export async function listenEcho(path: string): Promise<void> {
  await listen(path, (socket) => {
    const wire = new Wire(socket, (op, name, body) => wire.send(op, name, body));
  });
}

/** Carries frames to the client of a name, or to all that subscribed to a topic. */
export async function listenRelay(path: string): Promise<void> {
  const names = new Map<string, Wire>();
  const topics = new Map<string, Set<Wire>>();
  await listen(path, (socket) => {
    let me = "";
    const wire = new Wire(socket, (op, name, body) => {
      if (op === TO_NAME) names.get(name)?.send(TO_NAME, me, body);
      else if (op === TO_TOPIC)
        for (const subscriber of topics.get(name) ?? []) subscriber.send(TO_TOPIC, name, body);
      else if (op === SUBSCRIBE) {
        topics.set(name, (topics.get(name) ?? new Set()).add(wire));
        wire.send(SUBSCRIBE, name, EMPTY);
      } else {
        me = name;
        names.set(name, wire);
        wire.send(HELLO, "", EMPTY);
      }
    });
    socket.on("close", () => {
      if (names.get(me) === wire) names.delete(me);
      for (const subscribers of topics.values()) subscribers.delete(wire);
    });
  });
}

async function listen(path: string, accept: (socket: Socket) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    accept(socket);
  });
  server.once("error", reject).listen(path, resolve);
  await promise;
}

/** A client of the relay or of the echo server, which answers all that it is asked. */
export async function connectFloor(path: string, me: string): Promise<Link> {
  const socket = connect(path);
  let waiting: ((body: Uint8Array) => void)[] = [];
  let onPublished: (() => void) | null = null;
  let serving = false;
  const wire = new Wire(socket, (op, name, body) => {
    if (serving && op === TO_NAME) wire.send(TO_NAME, name, body);
    else if (op === TO_TOPIC) onPublished?.();
    else waiting.shift()?.(body);
  });
  const ask = (op: number, name: string, body: Uint8Array): Promise<Uint8Array> => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    waiting.push(resolve);
    wire.send(op, name, body);
    return promise;
  };
  socket.on("error", () => socket.destroy());
  await ask(HELLO, me, EMPTY);
  return {
    serve: async () => {
      serving = true;
    },
    request: (target, body) => ask(TO_NAME, target, body),
    subscribe: async (topic, published) => {
      onPublished = published;
      await ask(SUBSCRIBE, topic, EMPTY);
    },
    publish: (topic, body) => wire.send(TO_TOPIC, topic, body),
    drained: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (socket.writableNeedDrain) socket.once("drain", resolve);
      else resolve();
      await promise;
    },
    close: async () => {
      waiting = [];
      socket.destroy();
    },
  };
}
