import {
  BUS_HOST,
  decode,
  Denial,
  denialSchema,
  dominates,
  encode,
  isTopicName,
  limits,
  MAX_HEADER_BYTES,
  messageByTag,
  MESSAGES,
  nothing,
  TOPIC_TAG,
  Violation,
  type ClientHeader,
  type DenialCode,
  type Level,
  type Party,
} from "@sesame/core-types";
import { rateLimited } from "./rate-limit.ts";

/** Number of a connection, never used twice. */
export type ConnectionId = number;

/** The bus host itself: its handlers sit behind the same rules as everybody else's. */
export const BUS_CONNECTION: ConnectionId = 0;

/** What the host has to do; the router itself touches nothing outside. */
export type Effect =
  | {
      readonly do: "deliver";
      readonly to: ConnectionId;
      readonly header: ClientHeader;
      /** Whoever the bus knows to have sent it; BUS_CONNECTION for its own words. */
      readonly from: ConnectionId;
      readonly payload: Uint8Array;
    }
  | { readonly do: "close"; readonly connection: ConnectionId; readonly rule: string }
  | {
      readonly do: "audit";
      readonly connection: ConnectionId;
      readonly action: string;
      readonly object: string;
      readonly outcome: string;
    };

type Waiting = { readonly caller: ConnectionId; readonly tag: number; readonly until: number };

type Connection = {
  sender: Party;
  readonly topics: Set<string>;
  /** Calls this connection was asked and has not answered, by call id. */
  readonly asked: Map<string, Waiting>;
  /** Calls this connection made and that are not answered. */
  outstanding: number;
  missed: number;
};

export type RouterOptions = {
  readonly monotonicMs: () => number;
  /** Bytes that still fit the queue of a connection. */
  readonly room: (connection: ConnectionId) => number;
  /** Counts a request of an unregistered connection: milliseconds to wait if it is one too many. */
  readonly strangers?: (connection: ConnectionId) => number;
  /** True while a panic holds: who is nobody now may have been somebody. */
  readonly panic?: () => boolean;
};

const EMPTY = encode(nothing, {});

/**
 * The routing rules of docs/PROTOCOL.md as a state machine: connections come and go, messages
 * arrive, time passes, and each step answers with effects.
 *
 * Invariant: no effect delivers a message to a connection whose clearance is below its level.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #topics = new Map<string, Set<ConnectionId>>();
  /** Which connection answers for an identity: the last that said it is ready. */
  readonly #servers = new Map<string, ConnectionId>();

  constructor(options: RouterOptions) {
    this.#options = options;
    this.connected(BUS_CONNECTION, {
      name: BUS_HOST,
      kind: "daemon",
      clearance: "internal",
      session: new Uint8Array(16),
    });
    this.#servers.set(BUS_HOST, BUS_CONNECTION);
  }

  connected(id: ConnectionId, sender: Party): void {
    this.#connections.set(id, {
      sender,
      topics: new Set(),
      asked: new Map(),
      outstanding: 0,
      missed: 0,
    });
  }

  /** Whose connection it is from now on: what it sends later goes by the new clearance. */
  identified(id: ConnectionId, sender: Party): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) connection.sender = sender;
  }

  /** True while some connection answers for the identity. */
  serves(name: string): boolean {
    return this.#servers.has(name);
  }

  /** True if this is the connection that answers for its identity. */
  servedBy(id: ConnectionId): boolean {
    const name = this.#connections.get(id)?.sender.name ?? null;
    return name !== null && this.#servers.get(name) === id;
  }

  disconnected(id: ConnectionId): Effect[] {
    const connection = this.#connections.get(id);
    if (connection === undefined) return [];
    this.#connections.delete(id);
    for (const topic of connection.topics) this.#leave(topic, id);
    const { name } = connection.sender;
    if (name !== null && this.#servers.get(name) === id) this.#servers.delete(name);
    // Calls vanish with either side: the owner's late answer finds nobody.
    for (const other of this.#connections.values())
      for (const [call, waiting] of other.asked)
        if (waiting.caller === id) other.asked.delete(call);
    const effects: Effect[] = [];
    for (const [call, waiting] of connection.asked)
      effects.push(...this.#refuseWaiting(waiting, call, "owner-absent"));
    return effects;
  }

  /**
   * A message from a connection.
   *
   * @param payload - not retained beyond the returned effects
   */
  message(id: ConnectionId, header: ClientHeader, payload: Uint8Array): Effect[] {
    const from = this.#connections.get(id);
    if (from === undefined) return [];
    switch (header.type) {
      case "request":
        return this.#request(id, from, header, payload);
      case "reply":
      case "denial":
        return this.#reply(id, from, header, payload);
      case "publish":
        return this.#publish(id, from, header, payload);
    }
  }

  /** Ends calls whose deadline has passed. */
  tick(): Effect[] {
    const now = this.#options.monotonicMs();
    const effects: Effect[] = [];
    for (const owner of this.#connections.values())
      for (const [call, waiting] of owner.asked) {
        if (waiting.until > now) continue;
        owner.asked.delete(call);
        effects.push(...this.#refuseWaiting(waiting, call, "deadline-passed"));
      }
    return effects;
  }

  /** The connection reads again: it learns how much it missed. */
  drained(id: ConnectionId): Effect[] {
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.missed === 0) return [];
    const row = MESSAGES["bus.missed"];
    const payload = encode(row.params, { count: connection.missed });
    connection.missed = 0;
    const id16 = new Uint8Array(16);
    const header = { type: "publish", id: id16, tag: row.tag, level: row.level } as const;
    return [
      {
        do: "deliver",
        to: id,
        header: { ...header, target: null, ttlMs: 0 },
        from: BUS_CONNECTION,
        payload,
      },
    ];
  }

  #request(
    id: ConnectionId,
    from: Connection,
    header: ClientHeader,
    payload: Uint8Array,
  ): Effect[] {
    const wait = from.sender.name === null ? (this.#options.strangers?.(id) ?? 0) : 0;
    if (wait > 0) return this.#refuseForRate(id, header, wait);
    const row = messageByTag(header.tag);
    if (row === undefined || row.form !== "request")
      return this.#refuse(id, header, "unknown-kind");
    // For a kind of the catalogue the level is the table's, whatever the caller wrote.
    const chosen = row.owner === "*";
    const level = chosen ? header.level : row.level;
    if (!dominates(from.sender.clearance, level) || !dominates(from.sender.clearance, row.level)) {
      const isPanic = from.sender.name === null && this.#options.panic?.() === true;
      return this.#refuseAudited(id, header, isPanic ? "panic" : "clearance-too-low", row.name);
    }
    if (chosen && level !== "open" && level !== "internal")
      return this.#refuseAudited(id, header, "clearance-too-low", row.name);
    if (row.owner === BUS_HOST) {
      const answered = this.#ownRequest(id, from, header, payload);
      if (answered !== null) return answered;
    }
    const owner = chosen ? header.target : row.owner;
    const server = owner === null ? undefined : this.#servers.get(owner);
    const to = server === undefined ? undefined : this.#connections.get(server);
    if (server === undefined || to === undefined || !dominates(to.sender.clearance, level))
      return this.#refuse(id, header, "owner-absent", owner ?? "");
    if (
      from.outstanding >= limits.MAX_OUTSTANDING_CALLS ||
      this.#options.room(server) < payload.length + MAX_HEADER_BYTES
    )
      return this.#refuse(id, header, "busy");
    const call = callKey(header.id);
    if (to.asked.has(call)) return this.#refuse(id, header, "duplicate-call");
    const ttlMs = Math.min(header.ttlMs || row.deadlineMs, Math.max(row.deadlineMs, 600_000));
    to.asked.set(call, { caller: id, tag: header.tag, until: this.#now() + ttlMs });
    from.outstanding++;
    return [
      {
        do: "deliver",
        to: server,
        header: { ...header, level, ttlMs, target: chosen ? owner : null },
        from: id,
        payload,
      },
    ];
  }

  /** Subscriptions and readiness are the router's own state. */
  #ownRequest(
    id: ConnectionId,
    from: Connection,
    header: ClientHeader,
    payload: Uint8Array,
  ): Effect[] | null {
    const { tag } = header;
    const subscribe = tag === MESSAGES["bus.subscribe"].tag;
    if (!subscribe && tag !== MESSAGES["bus.unsubscribe"].tag && tag !== MESSAGES["bus.serve"].tag)
      return null;
    if (tag === MESSAGES["bus.serve"].tag) {
      if (from.sender.name === null)
        return this.#refuseAudited(id, header, "clearance-too-low", "bus.serve");
      this.#servers.set(from.sender.name, id);
      return [this.#answer(id, header)];
    }
    try {
      const { topic } = decode(MESSAGES["bus.subscribe"].params, payload);
      if (subscribe && from.topics.size >= limits.MAX_SUBSCRIPTIONS)
        return this.#refuse(id, header, "busy");
      if (subscribe) this.#join(topic, id, from);
      else {
        from.topics.delete(topic);
        this.#leave(topic, id);
      }
      return [this.#answer(id, header)];
    } catch (cause) {
      if (cause instanceof Violation) return this.#refuse(id, header, "params-invalid", cause.rule);
      throw cause;
    }
  }

  #reply(id: ConnectionId, from: Connection, header: ClientHeader, payload: Uint8Array): Effect[] {
    const call = callKey(header.id);
    const waiting = from.asked.get(call);
    if (waiting === undefined || waiting.tag !== header.tag) {
      // An owner that is late is no attacker; anybody else answers what it was never asked.
      const { name } = from.sender;
      if (name !== null && this.#servers.get(name) === id) return [];
      return [
        {
          do: "audit",
          connection: id,
          action: "bus.reply",
          object: messageByTag(header.tag)?.name ?? `kind ${header.tag}`,
          outcome: "refused:not-asked",
        },
        { do: "close", connection: id, rule: "ROUTE-4" },
      ];
    }
    from.asked.delete(call);
    const caller = this.#connections.get(waiting.caller);
    if (caller === undefined) return [];
    if (this.#options.room(waiting.caller) < payload.length + MAX_HEADER_BYTES)
      return this.#refuseWaiting(waiting, call, "busy");
    caller.outstanding--;
    return [
      {
        do: "deliver",
        to: waiting.caller,
        header: { ...header, level: this.#levelOf(waiting.tag), target: null, ttlMs: 0 },
        from: id,
        payload,
      },
    ];
  }

  #publish(
    id: ConnectionId,
    from: Connection,
    header: ClientHeader,
    payload: Uint8Array,
  ): Effect[] {
    const row = messageByTag(header.tag);
    const event = row !== undefined && row.form === "event" ? row : null;
    const topic = event === null ? header.target : event.name;
    const level = event === null ? header.level : event.level;
    const allowed =
      event === null
        ? header.tag === TOPIC_TAG &&
          topic !== null &&
          // A topic that somebody subscribed to was checked then.
          (this.#topics.has(topic) || isTopicName(topic)) &&
          !Object.hasOwn(MESSAGES, topic) &&
          from.sender.name !== null &&
          (level === "open" || level === "internal")
        : from.sender.name === event.from;
    if (!allowed || topic === null || !dominates(from.sender.clearance, level))
      return [
        {
          do: "audit",
          connection: id,
          action: "bus.publish",
          object: event === null ? "topic" : event.name,
          outcome: "refused:clearance-too-low",
        },
        this.#denial(id, header, new Denial("clearance-too-low")),
      ];
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) return [];
    const effects: Effect[] = [];
    const routed = { ...header, level, target: topic, ttlMs: 0 };
    for (const to of subscribers) {
      const subscriber = this.#connections.get(to);
      if (to === id || subscriber === undefined) continue;
      if (!dominates(subscriber.sender.clearance, level)) continue;
      if (subscriber.missed > 0 || this.#options.room(to) < payload.length + MAX_HEADER_BYTES) {
        subscriber.missed++;
        continue;
      }
      effects.push({ do: "deliver", to, header: routed, from: id, payload });
    }
    return effects;
  }

  #join(topic: string, id: ConnectionId, connection: Connection): void {
    connection.topics.add(topic);
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) this.#topics.set(topic, new Set([id]));
    else subscribers.add(id);
  }

  #leave(topic: string, id: ConnectionId): void {
    const subscribers = this.#topics.get(topic);
    subscribers?.delete(id);
    if (subscribers?.size === 0) this.#topics.delete(topic);
  }

  #answer(to: ConnectionId, request: ClientHeader): Effect {
    const header = { ...request, type: "reply", target: null, ttlMs: 0 } as const;
    return this.#say(to, header, EMPTY);
  }

  /** The bus's own words pass a full queue, up to a bound: asking without reading ends there. */
  #say(to: ConnectionId, header: ClientHeader, payload: Uint8Array): Effect {
    if (this.#options.room(to) < -limits.MAX_REFUSAL_BYTES)
      return { do: "close", connection: to, rule: "FLOW-4" };
    return { do: "deliver", to, header, from: BUS_CONNECTION, payload };
  }

  #refuse(to: ConnectionId, request: ClientHeader, code: DenialCode, detail = ""): Effect[] {
    return [this.#denial(to, request, new Denial(code, detail))];
  }

  #refuseAudited(
    to: ConnectionId,
    request: ClientHeader,
    code: DenialCode,
    object: string,
  ): Effect[] {
    const outcome = `refused:${code}`;
    return [
      { do: "audit", connection: to, action: "bus.request", object, outcome },
      this.#denial(to, request, new Denial(code)),
    ];
  }

  #refuseForRate(to: ConnectionId, request: ClientHeader, waitMs: number): Effect[] {
    const object = messageByTag(request.tag)?.name ?? `kind ${request.tag}`;
    const outcome = "refused:rate-limited";
    return [
      { do: "audit", connection: to, action: "bus.request", object, outcome },
      this.#denial(to, request, rateLimited(waitMs)),
    ];
  }

  #refuseWaiting(waiting: Waiting, call: string, code: DenialCode): Effect[] {
    const caller = this.#connections.get(waiting.caller);
    if (caller === undefined) return [];
    caller.outstanding--;
    const row = messageByTag(waiting.tag);
    const request = {
      type: "request",
      id: Uint8Array.from(call, (unit) => unit.charCodeAt(0)),
      tag: waiting.tag,
      level: this.#levelOf(waiting.tag),
      target: null,
      ttlMs: 0,
    } as const;
    const owner = row?.form === "request" ? row.owner : "";
    return this.#refuse(waiting.caller, request, code, owner);
  }

  /** Refusals are readable by everybody who was allowed to ask. */
  #denial(to: ConnectionId, request: ClientHeader, refusal: Denial): Effect {
    const { code, detail, retryAfterMs } = refusal;
    const header = { ...request, type: "denial", level: "open", target: null, ttlMs: 0 } as const;
    return this.#say(to, header, encode(denialSchema, { code, detail, retryAfterMs }));
  }

  #levelOf(tag: number): Level {
    return messageByTag(tag)?.level ?? "open";
  }

  #now(): number {
    return this.#options.monotonicMs();
  }
}

/** A call id as a map key: one UTF-16 unit a byte. */
function callKey(id: Uint8Array): string {
  return String.fromCharCode(...id);
}
