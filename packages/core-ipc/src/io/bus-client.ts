import { connect as connectSocket, type Socket } from "node:net";
import { lstatSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { equalBytes, type Suite, type X25519KeyPair } from "@sesame/core-crypto";
import {
  decode,
  Denial,
  dominates,
  encode,
  Fault,
  limits,
  MAX_HEADER_BYTES,
  messageByTag,
  MESSAGES,
  readRoutedHeader,
  stampUuidV7,
  TOPIC_TAG,
  Violation,
  writeHeader,
  type ClientHeader,
  type Clock,
  type EventName,
  type Identity,
  type Level,
  type Params,
  type RequestName,
  type Result,
  type RoutedHeader,
  type Sender,
} from "@sesame/core-types";
import { denialAnswer, readDenial, readSealedBody, type Answer } from "../bus/dispatcher.ts";
import { SealedCaller, type SealedRequest } from "../seal/sealed-caller.ts";
import { ClientSession, type Welcome } from "../wire/session.ts";
import { pidNamespace } from "./namespace.ts";
import { errorCode } from "./files.ts";

export type BusClientOptions = {
  readonly socket: string;
  /** Uid of whom the system runs the suite for: the socket may be that user's, too. */
  readonly served?: number | undefined;
  readonly suite: Suite;
  /** Static keys of an identity; without them the connection is unregistered. */
  readonly keys?: X25519KeyPair;
  /** The bus's static public key, pinned by the installation record. */
  readonly busKey: Uint8Array;
  /** Pinned keys of the owners of sealed kinds. */
  readonly identities: readonly Identity[];
  /** The same, read again: owners get new keys while a connection lives. */
  readonly reread?: () => readonly Identity[];
  readonly clock?: Clock;
  /** Milliseconds for connecting and the handshake. */
  readonly timeoutMs?: number;
  /** Asked about every denial of a call: true, if the cause is gone and the call is to be made again. */
  readonly meet?: ((bus: BusClient, denial: Denial) => Promise<boolean>) | undefined;
};

export type CallOptions = {
  readonly signal?: AbortSignal;
  /** Instead of the kind's own deadline. */
  readonly timeoutMs?: number;
};

/** What a subscriber gets. */
export type Publication = { readonly sender: Sender; readonly level: Level };

type Waiting = {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (cause: Error) => void;
  /** By the monotonic clock: when the bus's own refusal is no longer waited for. */
  readonly untilMs: number;
};

type Subscriber = (payload: Uint8Array, publication: Publication) => void;

const SYSTEM_CLOCK: Clock = { wallMs: Date.now, monotonicMs: () => performance.now() };
const ID_POOL = 4_096;
const WATCH_EVERY_MS = 500;
const NOTHING = new Uint8Array(0);

/**
 * A connection to the bus.
 *
 * @throws {Fault} unavailable, if nothing listens; denied, if the socket is somebody else's
 */
export async function connectBus(options: BusClientOptions): Promise<BusClient> {
  const owner = ownerOf(options.socket);
  const trusted = [process.getuid?.(), 0, options.served];
  if (owner !== undefined && !trusted.includes(owner))
    throw new Fault(
      "denied",
      `the bus socket ${options.socket} belongs to another user`,
      "check XDG_RUNTIME_DIR: it must be your own",
    );
  const socket = connectSocket({ path: options.socket });
  const client = new BusClient(socket, options);
  await client.ready(options.timeoutMs ?? limits.HANDSHAKE_TIMEOUT_MS);
  return client;
}

/** @throws {Fault} denied, if the way to it may not be gone */
function ownerOf(path: string): number | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.uid;
  } catch (cause) {
    throw unreachable(cause as Error);
  }
}

export class BusClient {
  readonly #socket: Socket;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #session: ClientSession;
  readonly #keys: X25519KeyPair;
  readonly #meet: BusClientOptions["meet"];
  readonly #reread: BusClientOptions["reread"];
  #identities: readonly Identity[];
  readonly #waiting = new Map<string, Waiting>();
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  readonly #sealed = new Map<string, SealedCaller>();
  readonly #scratch = new Uint8Array(MAX_HEADER_BYTES);
  readonly #ids = new Uint8Array(ID_POOL);
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<Error | null>();
  #idAt = ID_POOL;
  #flushing = false;
  /** Requests that are being answered. */
  #answering = 0;
  #idle: PromiseWithResolvers<void> | null = null;
  #failure: Error | null = null;
  #watch: NodeJS.Timeout | null = null;
  #answer: ((header: RoutedHeader, payload: Uint8Array) => Promise<Answer>) | null = null;

  constructor(socket: Socket, options: BusClientOptions) {
    this.#socket = socket;
    this.#suite = options.suite;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#keys = options.keys ?? options.suite.generateX25519();
    this.#identities = options.identities;
    this.#meet = options.meet;
    this.#reread = options.reread;
    this.#session = new ClientSession({
      suite: options.suite,
      staticKeys: this.#keys,
      busKey: options.busKey,
      own: { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      pidNamespace: pidNamespace(),
      monotonicMs: this.#clock.monotonicMs,
    });
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (cause) => this.#fail(unreachable(cause)));
    socket.on("close", () => this.#fail(this.#failure ?? this.#lost()));
  }

  /** Resolves once the bus has proved its key; the connection is closed if it does not. */
  async ready(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => {
      const hint = "run `sesame daemon stop`, then `sesame daemon start`";
      this.#fail(new Fault("unavailable", "the bus does not answer", hint));
    }, timeoutMs);
    try {
      await this.#opened.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the bus takes this client for. */
  get welcome(): Welcome {
    const { welcome } = this.#session;
    if (welcome === null) throw new RangeError("not connected");
    return welcome;
  }

  /** The identity that the bus takes this client for, as the signed record has it. */
  get identity(): Identity | null {
    return this.#identities.find(({ name }) => name === this.welcome.name) ?? null;
  }

  /** The bus session: what proofs to the bus are bound to; 16 bytes. */
  get session(): Uint8Array {
    const { session } = this.#session;
    if (session === null) throw new RangeError("not connected");
    return session;
  }

  /** Resolves when the connection has ended: with null after close(), else with the reason. */
  get closed(): Promise<Error | null> {
    return this.#closed.promise;
  }

  /** Bytes that the bus has not taken yet. */
  get queued(): number {
    return this.#socket.writableLength + (this.#session.channel?.pendingBytes ?? 0);
  }

  /** Resolves once everything published or asked has been handed to the kernel. */
  async drained(): Promise<void> {
    this.#flush();
    if (this.#socket.writableLength === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    // "drain" comes only after the high-water mark was passed; a callback always comes.
    this.#socket.write(NOTHING, () => resolve());
    await Promise.race([promise, this.#closed.promise]);
  }

  /**
   * Asks the owner of a kind.
   *
   * @throws {Denial} what the owner or the bus answers
   * @throws {Fault} unavailable, if the connection ends first
   */
  async call<N extends RequestName>(
    name: N,
    params: Params<N>,
    options: CallOptions = {},
  ): Promise<Result<N>> {
    for (;;) {
      try {
        return await this.#callOnce(name, params, options);
      } catch (cause) {
        const isMet = cause instanceof Denial && (await this.#meet?.(this, cause)) === true;
        if (!isMet) throw cause;
      }
    }
  }

  async #callOnce<N extends RequestName>(
    name: N,
    params: Params<N>,
    options: CallOptions,
  ): Promise<Result<N>> {
    const row = MESSAGES[name];
    const body = encode<unknown>(row.params, params);
    try {
      const payload = row.sealed
        ? await this.#callSealed(name, body, options)
        : await this.#ask({ tag: row.tag, level: row.level, target: null }, body, options);
      return decode<unknown>(row.result, payload) as Result<N>;
    } finally {
      body.fill(0);
    }
  }

  /** Asks the application that serves under an identity's name. */
  async request(
    target: string,
    body: Uint8Array,
    options: CallOptions & { readonly level?: "open" | "internal" } = {},
  ): Promise<Uint8Array> {
    const { tag, level } = MESSAGES["app.call"];
    return this.#ask({ tag, level: options.level ?? level, target }, body, options);
  }

  /**
   * Answers requests to this connection's identity until the connection ends. A thrown Denial is
   * the answer; anything else is answered as a fault and thrown on, as from an event listener.
   */
  async serve(
    answer: (header: RoutedHeader, payload: Uint8Array) => Promise<Answer>,
  ): Promise<void> {
    this.#answer = answer;
    await this.call("bus.serve", {});
  }

  /** Answers `app.call`s: bytes in, bytes out. Errors as in `serve`. */
  async serveApp(
    answer: (body: Uint8Array, sender: Sender) => Promise<Uint8Array> | Uint8Array,
  ): Promise<void> {
    const { tag } = MESSAGES["app.call"];
    await this.serve(async (header, payload) => {
      if (header.tag !== tag) throw new Denial("unknown-kind");
      return { type: "reply", payload: await answer(payload, header.sender) };
    });
  }

  /** Hears an event of the catalogue. */
  async on<N extends EventName>(name: N, listener: (event: Params<N>) => void): Promise<void> {
    const row = MESSAGES[name];
    await this.#subscribe(name, (payload, { sender }) => {
      if (sender.name === row.from) listener(decode<unknown>(row.params, payload) as Params<N>);
    });
  }

  /** Hears an application topic. The payload is a view that may be kept. */
  async subscribe(topic: string, listener: Subscriber): Promise<void> {
    await this.#subscribe(topic, listener);
  }

  /** Stops hearing a topic or event. */
  async unsubscribe(topic: string): Promise<void> {
    this.#subscribers.delete(topic);
    await this.call("bus.unsubscribe", { topic });
  }

  /** Publishes on an application topic. Returns at once; see `queued` and `drained`. */
  publish(topic: string, body: Uint8Array, level: "open" | "internal" = "internal"): void {
    this.#send("publish", this.#id(), { tag: TOPIC_TAG, level, target: topic }, body);
  }

  /** Publishes an event that this identity owns. */
  emit<N extends EventName>(name: N, params: Params<N>): void {
    const { tag, level, params: schema } = MESSAGES[name];
    const body = encode<unknown>(schema, params);
    this.#send("publish", this.#id(), { tag, level, target: null }, body);
  }

  /**
   * Ends the connection once nothing waits for it: what was asked of this client is answered, and
   * what it asked. Nothing new may be asked meanwhile.
   */
  async retire(): Promise<void> {
    try {
      // What the bus has sent here before is here with the answer.
      await this.call("status.get", {});
      while ((this.#answering > 0 || this.#waiting.size > 0) && this.#failure === null) {
        this.#idle ??= Promise.withResolvers<void>();
        await Promise.race([this.#idle.promise, this.#closed.promise]);
      }
    } catch (cause) {
      if (!(cause instanceof Denial || cause instanceof Fault)) throw cause;
    }
    await this.close();
  }

  /** Ends the connection after what is queued has been written. */
  async close(): Promise<void> {
    this.#flush();
    for (const sealed of this.#sealed.values()) sealed.reset();
    this.#socket.end();
    this.#end(null);
    await this.#closed.promise;
  }

  async #callSealed(
    name: RequestName,
    body: Uint8Array,
    options: CallOptions,
    again = true,
  ): Promise<Uint8Array> {
    const { owner, tag, level } = MESSAGES[name];
    const sealed = this.#sealedFor(owner);
    const id = this.#id();
    const context = { session: this.#session.session as Uint8Array, id, tag };
    const request: SealedRequest = sealed.seal(context, body);
    try {
      const reply = await this.#ask({ tag, level, target: null }, request.payload, options, id);
      const opened = request.open(reply);
      if (opened === null) {
        sealed.forget(request);
        const hint = "somebody answers in its place; run `sesame audit tail`";
        throw new Fault("integrity", `the answer is not from ${owner}`, hint);
      }
      return readSealedBody(opened);
    } catch (cause) {
      // The owner was restarted and does not know the session, or does not know its key any more;
      // it has done nothing yet.
      const forgotten = cause instanceof Denial && cause.code === "seal-invalid";
      if (!forgotten || !again) throw cause;
      if (request.continued) sealed.forget(request);
      else if (!this.#pinAnew(owner)) throw cause;
      return this.#callSealed(name, body, options, request.continued);
    }
  }

  /** True if the record names another key of the owner by now. */
  #pinAnew(owner: string): boolean {
    const keyOf = (identities: readonly Identity[]): Uint8Array | undefined =>
      identities.find(({ name }) => name === owner)?.noiseKey;
    const before = keyOf(this.#identities);
    const after = this.#reread?.() ?? this.#identities;
    const key = keyOf(after);
    if (before === undefined || key === undefined || equalBytes(before, key)) return false;
    this.#identities = after;
    // Calls that wait for replies keep the session that they were sealed under.
    this.#sealed.delete(owner);
    return true;
  }

  #sealedFor(owner: string): SealedCaller {
    const known = this.#sealed.get(owner);
    if (known !== undefined) return known;
    const identity = this.#identities.find(({ name }) => name === owner);
    if (identity === undefined)
      throw new Fault("config", `the installation has no identity ${owner}`, "run `sesame init`");
    const sealed = new SealedCaller(this.#suite, this.#keys, identity.noiseKey);
    this.#sealed.set(owner, sealed);
    return sealed;
  }

  async #ask(
    kind: Pick<ClientHeader, "tag" | "level" | "target">,
    payload: Uint8Array,
    { signal, timeoutMs }: CallOptions,
    id = this.#id(),
  ): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (this.#failure !== null) throw this.#failure;
    const row = messageByTag(kind.tag);
    const ttlMs = timeoutMs ?? (row?.form === "request" ? row.deadlineMs : 0);
    const key = String.fromCharCode(...id);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const untilMs = this.#clock.monotonicMs() + ttlMs + limits.DEADLINE_GRACE_MS;
    this.#waiting.set(key, { resolve, reject, untilMs });
    this.#watch ??= setInterval(() => this.#expire(), WATCH_EVERY_MS).unref();
    const aborted = (): void => {
      this.#waiting.delete(key);
      reject(signal?.reason instanceof Error ? signal.reason : new Denial("deadline-passed"));
    };
    signal?.addEventListener("abort", aborted, { once: true });
    this.#send("request", id, kind, payload, ttlMs);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** The bus ends calls at their deadline; one that hangs, or withholds, does not. */
  #expire(): void {
    const now = this.#clock.monotonicMs();
    for (const [key, { reject, untilMs }] of this.#waiting) {
      if (untilMs > now) continue;
      this.#waiting.delete(key);
      reject(new Denial("deadline-passed"));
    }
    this.#settled();
  }

  /** Lets whoever retires this client look again. */
  #settled(): void {
    this.#idle?.resolve();
    this.#idle = null;
  }

  async #subscribe(topic: string, listener: Subscriber): Promise<void> {
    const listeners = this.#subscribers.get(topic);
    if (listeners !== undefined) {
      listeners.add(listener);
      return;
    }
    this.#subscribers.set(topic, new Set([listener]));
    try {
      await this.call("bus.subscribe", { topic });
    } catch (cause) {
      this.#subscribers.delete(topic);
      throw cause;
    }
  }

  #send(
    type: ClientHeader["type"],
    id: Uint8Array,
    kind: Pick<ClientHeader, "tag" | "level" | "target">,
    payload: Uint8Array,
    ttlMs = 0,
  ): void {
    const { channel } = this.#session;
    if (channel === null) throw this.#failure ?? lost();
    if (payload.length + MAX_HEADER_BYTES > this.welcome.maxEnvelopeBytes)
      throw new Denial("value-too-large");
    const length = writeHeader(this.#scratch, { type, id, ttlMs, ...kind });
    channel.enqueue(this.#scratch.subarray(0, length), payload);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const frames = this.#session.channel?.flush() ?? [];
    if (frames.length === 0 || this.#socket.destroyed) return;
    this.#socket.cork();
    for (const bytes of frames) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  #receive(chunk: Buffer): void {
    try {
      const open = this.#session.channel !== null;
      this.#session.receive(
        chunk,
        (bytes) => this.#socket.write(bytes),
        (envelope) => this.#take(envelope),
      );
      if (!open && this.#session.channel !== null) this.#opened.resolve();
    } catch (cause) {
      if (!(cause instanceof Violation)) throw cause;
      const hint = "run `sesame status`; if keys were replaced, `sesame daemon stop` and start";
      this.#fail(
        new Fault("integrity", `the bus broke the protocol (${cause.message})`, hint, cause),
      );
    }
  }

  #take(envelope: Uint8Array): void {
    const { header, length } = readRoutedHeader(envelope);
    const payload = envelope.subarray(length);
    if (header.type === "publish") this.#published(header, payload);
    else if (header.type === "request") void this.#asked(header, payload);
    else this.#answered(header, payload);
  }

  #answered(header: RoutedHeader, payload: Uint8Array): void {
    const key = String.fromCharCode(...header.id);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    if (header.type === "reply") waiting.resolve(payload);
    else waiting.reject(refusalIn(payload));
    this.#settled();
  }

  #published(header: RoutedHeader, payload: Uint8Array): void {
    const row = header.tag === TOPIC_TAG ? undefined : messageByTag(header.tag);
    const topic = row?.name ?? header.target ?? "";
    const { sender, level } = header;
    for (const listener of this.#subscribers.get(topic) ?? []) listener(payload, { sender, level });
  }

  async #asked(header: RoutedHeader, payload: Uint8Array): Promise<void> {
    const answer = this.#answer;
    if (answer === null || !dominates(this.welcome.clearance, header.level)) return;
    const { id, tag, level } = header;
    const send = ({ type, payload: body }: Answer): void => {
      if (this.#failure === null) this.#send(type, id, { tag, level, target: null }, body);
    };
    this.#answering++;
    try {
      send(await answer(header, payload));
    } catch (cause) {
      send(denialAnswer(cause instanceof Denial ? cause : new Denial("fault")));
      if (!(cause instanceof Denial)) throw cause;
    } finally {
      this.#answering--;
      this.#settled();
    }
  }

  /** A fresh version 7 identifier. */
  #id(): Uint8Array {
    if (this.#idAt === ID_POOL) {
      randomFillSync(this.#ids);
      this.#idAt = 0;
    }
    const id = this.#ids.slice(this.#idAt, this.#idAt + 16);
    this.#idAt += 16;
    return stampUuidV7(id, this.#clock.wallMs());
  }

  /** Closed before it has proved its key. It looks the same whatever the reason. [BLOCK-3] */
  #lost(): Fault {
    if (this.#session.session === null || this.#session.channel !== null) return lost();
    return new Fault(
      "unavailable",
      "the bus closed the connection before it proved its key",
      "it tells nobody why: ask the operator whether this identity is blocked (`sesame agent " +
        "blocked`, `sesame audit tail`), or whether too many are connected; a program that has run " +
        "since the bus got new keys has to be started again",
    );
  }

  #fail(cause: Error): void {
    this.#end(cause);
    this.#socket.destroy();
  }

  #end(cause: Error | null): void {
    if (this.#failure !== null) return;
    this.#failure = cause ?? lost();
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#opened.reject(this.#failure);
    this.#opened.promise.catch(() => undefined);
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
    this.#closed.resolve(cause);
  }
}

/** What an owner writes is its own: words that are no denial concern this call only. */
function refusalIn(payload: Uint8Array): Error {
  try {
    return readDenial(payload);
  } catch (cause) {
    if (!(cause instanceof Violation)) throw cause;
    return new Fault("integrity", "the answer is malformed", "update both sides", cause);
  }
}

function lost(): Fault {
  return new Fault(
    "unavailable",
    "the bus closed the connection",
    "run `sesame status`; `sesame audit tail` shows a refusal",
  );
}

function unreachable(cause: Error): Fault {
  const code = errorCode(cause);
  if (code === "EACCES" || code === "EPERM")
    return new Fault("denied", "no permission for the bus socket", "it belongs to its user", cause);
  return new Fault(
    "unavailable",
    "the bus is not running",
    "`sesame daemon start` starts it",
    cause,
  );
}
