import { createServer, type Server, type Socket } from "node:net";
import { randomFillSync } from "node:crypto";
import type { Depths } from "@sesame/core-authority";
import type { Suite } from "@sesame/core-crypto";
import {
  BUS_HOST,
  decode,
  Denial,
  encode,
  encodeSender,
  LAUNCHER,
  limits,
  MESSAGES,
  NO_TRUST,
  postureOf,
  readClientHeader,
  stampUuidV7,
  toHex,
  Violation,
  type ClientHeader,
  type Clock,
  type EventName,
  type Identity,
  type Log,
  type Params,
  type Party,
  type PeerEvidence,
  type Posture,
  type RequestName,
  type Result,
  type RoutedHeader,
  type Sender,
  type Trust,
} from "@sesame/core-types";
import { readDenial, type Answer } from "../bus/dispatcher.ts";
import { isCrowded } from "../bus/crowd.ts";
import { RateWindows } from "../bus/rate-windows.ts";
import type { Registry } from "../bus/registry.ts";
import { BUS_CONNECTION, Router, type ConnectionId, type Effect } from "../bus/router.ts";
import type { Statics } from "../noise/respond.ts";
import { ServerSession, type Welcome } from "../wire/session.ts";
import { Connection } from "./connection.ts";
import { introduce, peerOf, unitOf, type Peer } from "./evidence.ts";
import { errorCode } from "./files.ts";
import { pidNamespace } from "./namespace.ts";
import { MEMORY_EXHAUSTED } from "./secure-suite.ts";

/** Something that belongs in the audit log. */
export type Incident = {
  readonly action: string;
  readonly object: string | null;
  readonly outcome: string;
  readonly peer: Peer;
  /** Verified name, or null for an unregistered connection. */
  readonly name: string | null;
  readonly session: Uint8Array | null;
};

export type BusServerOptions = {
  readonly suite: Suite;
  /** The bus's static keys. */
  readonly keys: Statics;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** What protects the bus host itself. */
  readonly posture: Posture;
  /** Users whose processes may connect. */
  readonly uids: readonly number[];
  readonly incident: (incident: Incident) => void;
  /** True while a panic holds. */
  readonly panic?: () => boolean;
  /** How deep delegations are in the bus host's own ledger, by the delegatee's id. */
  readonly depths?: () => Depths;
  /** Looks whether a key is a daemon's that the registry does not know yet. Must be cheap. */
  readonly unknown?: (noiseKey: Uint8Array) => void;
  /** True for a key that gets nothing, and whose identity that is, if anybody's. */
  readonly blocked?: (noiseKey: Uint8Array, identity: Identity | null) => boolean;
  /** Answers requests whose owner is the bus host. */
  readonly answer: (header: RoutedHeader, payload: Uint8Array) => Promise<Answer>;
};

/** Outcome of a connection whose identity has ended, is nobody while a panic holds, or is blocked. */
export const REVOKED = "closed:revoked";
export const PANICKED = "closed:panic";
export const BLOCKED = "closed:blocked";

/** The other end of a bus session. */
export type Holder = {
  readonly peer: Peer;
  readonly sender: Sender;
  /** X25519, 32 bytes. */
  readonly key: Uint8Array;
};

/** A daemon that serves, and what it has measured of itself. */
export type Served = { readonly name: string; readonly posture: Posture | null };

const TICK_MS = 250;
const NO_DEPTHS: Depths = new Map();
const OWN: Party = {
  name: BUS_HOST,
  kind: "daemon",
  clearance: "internal",
  session: new Uint8Array(16),
};

/** The bus: sockets outside, the router inside. */
export class BusServer {
  readonly #options: BusServerOptions;
  readonly #router: Router;
  readonly #server: Server;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #halfOpen = new Set<Connection>();
  readonly #bySession = new Map<string, Connection>();
  readonly #senders = new Map<ConnectionId, Uint8Array>();
  readonly #dirty = new Set<Connection>();
  readonly #asked = new Map<string, (answer: Answer) => void>();
  readonly #timer: NodeJS.Timeout;
  readonly #pidNamespace = pidNamespace();
  readonly #strangers = new RateWindows();
  readonly #startedAt: number;
  #nextId = BUS_CONNECTION + 1;
  #open = 0;
  /** Percent: the least that a daemon has. */
  #posture: number;

  constructor(options: BusServerOptions) {
    this.#options = options;
    this.#router = new Router({
      monotonicMs: options.clock.monotonicMs,
      room: (id) => this.#connections.get(id)?.room ?? Number.POSITIVE_INFINITY,
      strangers: (id) => this.#countStranger(id),
      panic: () => options.panic?.() === true,
    });
    this.#startedAt = seconds(options.clock);
    this.#posture = postureOf(options.posture);
    this.#stampOwn();
    this.#server = createServer({ pauseOnConnect: false }, (socket) => this.#accept(socket));
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Accepts connections on a socket path, or on an inherited descriptor. */
  async listen(where: { readonly path: string } | { readonly fd: number }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ ...where, backlog: 511 }, resolve);
    await promise;
    this.#server.off("error", reject);
  }

  /** True while some connection answers for the identity. */
  serves(name: string): boolean {
    return this.#router.serves(name);
  }

  /** Who holds a bus session, and the static key it proved; null once it has ended. */
  peerOf(session: Uint8Array): Holder | null {
    const { peer, sender, key } = this.#bySession.get(toHex(session)) ?? {};
    return peer && sender && key ? { peer, sender, key } : null;
  }

  /**
   * Which processes are at the other end of a bus session now, as the launcher sees them, or as far
   * as the bus host does; null once the session has ended. docs/LAUNCHER.md, Evidence.
   */
  async introduce(session: Uint8Array): Promise<PeerEvidence | null> {
    const connection = this.#bySession.get(toHex(session));
    return connection === undefined ? null : this.#examine(connection);
  }

  /** The daemons that serve, the bus host first, as far as they have said what protects them. */
  served(): readonly Served[] {
    const others = [...this.#connections.values()].flatMap(({ id, sender, posture }) =>
      sender?.kind === "daemon" && sender.name !== null && this.#router.servedBy(id)
        ? [{ name: sender.name, posture }]
        : [],
    );
    return [{ name: BUS_HOST, posture: this.#options.posture }, ...others];
  }

  /** Takes over what a daemon has measured of itself. */
  report(session: Uint8Array, posture: Posture): void {
    const connection = this.#bySession.get(toHex(session));
    if (connection === undefined) return;
    connection.posture = posture;
    this.#restamp();
  }

  /** Takes over how deep delegations are in a daemon's ledger, as far as that has changed. */
  delegated(
    session: Uint8Array,
    changes: readonly { readonly identity: string; readonly links: number }[],
  ): void {
    const depths = this.#bySession.get(toHex(session))?.depths;
    if (depths === undefined) return;
    for (const { identity, links } of changes)
      if (links === 0) depths.delete(identity);
      else if (depths.size < limits.MAX_DEPTHS_KEPT || depths.has(identity))
        depths.set(identity, links);
    this.#restamp();
  }

  /** The vectors of an identity's connections. */
  trustOf(name: string): readonly { readonly pid: number; readonly trust: Trust }[] {
    return [...this.#connections.values()].flatMap(({ sender, peer: { pid } }) =>
      sender?.name === name ? [{ pid, trust: sender.trust }] : [],
    );
  }

  /**
   * Makes the live connections fit a registry that has changed: a key that was nobody's and is
   * somebody's now gets name and clearance; a connection whose identity is gone or another ends, and
   * so does one that is blocked.
   *
   * @param outcome - why it ends if it is not blocked
   */
  reregister(outcome: typeof REVOKED | typeof PANICKED = REVOKED): void {
    const ledgers = this.#ledgers();
    for (const connection of this.#connections.values()) {
      const { sender, key } = connection;
      if (sender === null || key === null) continue;
      const { session } = sender;
      const identity = this.#options.registry.byKey(key);
      const trust = this.#trust(identity, connection.peer, ledgers);
      const now = { ...partyOf(identity, session), trust };
      const same = sameIdentity(sender, now);
      const isBlocked = this.#isBlocked(key, identity);
      if (!isBlocked && (same || sender.name === null)) {
        if (!same) this.#open--;
        this.#stamp(connection, now);
        this.#router.identified(connection.id, now);
        if (!same && identity !== null) this.#lookAt(connection);
      } else {
        const why = isBlocked ? BLOCKED : outcome;
        this.#report(connection.peer, "bus.connection", null, why, sender);
        connection.destroy();
        this.#forget(connection);
      }
    }
  }

  /** Asks the owner of an unsealed kind in the bus host's own name. */
  async ask<N extends RequestName>(name: N, params: Params<N>): Promise<Result<N>> {
    const { tag, level, params: schema, result, deadlineMs } = MESSAGES[name];
    const id = stampUuidV7(randomFillSync(new Uint8Array(16)), this.#options.clock.wallMs());
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const key = toHex(id);
    this.#asked.set(key, resolve);
    const header = { type: "request", id, tag, level, target: null, ttlMs: deadlineMs } as const;
    this.#send(header, encode<unknown>(schema, params));
    const { type, payload } = await promise;
    if (type === "denial") throw readDenial(payload);
    return decode<unknown>(result, payload) as Result<N>;
  }

  /** Publishes an event of the bus host. */
  emit<N extends EventName>(name: N, params: Params<N>): void {
    const { tag, level, params: schema } = MESSAGES[name];
    const id = stampUuidV7(randomFillSync(new Uint8Array(16)), this.#options.clock.wallMs());
    const header = { type: "publish", id, tag, level, target: null, ttlMs: 0 } as const;
    this.#send(header, encode<unknown>(schema, params));
  }

  /** Stops accepting, writes out what is queued, ends every connection. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections.values()) connection.end();
    // A peer that does not read does not hold up the end.
    const cut = setTimeout(() => {
      for (const connection of this.#connections.values()) connection.destroy();
    }, 1_000);
    await promise;
    clearTimeout(cut);
  }

  #accept(socket: Socket): void {
    const { suite, keys, clock, uids } = this.#options;
    const fd = (socket as unknown as { _handle?: { fd: number } | null })._handle?.fd ?? -1;
    let peer: Peer;
    try {
      peer = peerOf(fd);
    } catch (cause) {
      this.#options.log("warn", "connection without credentials", { error: String(cause) });
      socket.destroy();
      return;
    }
    if (!uids.includes(peer.uid)) {
      socket.destroy();
      this.#report(peer, "bus.connect", null, "refused:uid");
      return;
    }
    this.#makeWay();
    const session = new ServerSession({
      suite,
      statics: keys,
      monotonicMs: clock.monotonicMs,
      admit: (key) => this.#admit(connection, key),
      hello: {
        server: { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
        peer,
        pidNamespace: this.#pidNamespace,
        session: randomFillSync(new Uint8Array(16)),
      },
    });
    const id = this.#nextId++;
    const connection = new Connection(id, socket, peer, session, clock.monotonicMs());
    this.#connections.set(id, connection);
    this.#halfOpen.add(connection);
    const overdue = setTimeout(() => {
      if (connection.sender === null) connection.destroy();
    }, limits.HANDSHAKE_TIMEOUT_MS).unref();
    socket.on("data", (chunk: Buffer) => this.#receive(connection, chunk));
    socket.on("drain", () => {
      this.#carryOut(this.#router.drained(id));
      this.#flush();
    });
    // A peer may vanish at any moment; "close" follows.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(overdue);
      this.#forget(connection);
    });
    connection.write(session.greeting());
  }

  /** Bounds what has not authenticated itself: the process with most of it gives up its oldest. */
  #makeWay(): void {
    if (this.#halfOpen.size < limits.MAX_HALF_OPEN) return;
    const byProcess = new Map<number, Connection[]>();
    let most: Connection[] = [];
    for (const connection of this.#halfOpen) {
      const { pid } = connection.peer;
      const held = byProcess.get(pid) ?? [];
      byProcess.set(pid, held);
      held.push(connection);
      if (held.length > most.length) most = held;
    }
    const [oldest] = most;
    if (oldest === undefined) return;
    oldest.destroy();
    this.#halfOpen.delete(oldest);
  }

  #admit(connection: Connection, key: Uint8Array): Welcome | null {
    const { registry, unknown } = this.#options;
    if (registry.byKey(key) === null) unknown?.(key);
    const identity = registry.byKey(key);
    // Nobody else speaks for the bus host, whoever holds its key.
    if (identity?.name === BUS_HOST) return null;
    if (this.#isBlocked(key, identity)) throw new Violation("BLOCK-3", "this key is blocked");
    // This one is half open still, and others that are do not count.
    const all = this.#connections.size - this.#halfOpen.size + 1;
    if (isCrowded(identity?.kind ?? null, { all, open: this.#open }))
      throw new Violation("LIMIT-1", "too many connections");
    const session = connection.session.sessionId;
    const party = partyOf(identity, session);
    const { name, kind, clearance } = party;
    const maxEnvelopeBytes =
      identity === null ? limits.MAX_OPEN_ENVELOPE_BYTES : limits.MAX_ENVELOPE_BYTES;
    connection.key = key.slice();
    this.#halfOpen.delete(connection);
    if (identity === null) this.#open++;
    this.#bySession.set(toHex(session), connection);
    this.#stamp(connection, { ...party, trust: this.#trust(identity, connection.peer) });
    this.#router.connected(connection.id, party);
    if (identity !== null) this.#lookAt(connection);
    return { name, kind, clearance, maxEnvelopeBytes };
  }

  #isBlocked(key: Uint8Array, identity: Identity | null): boolean {
    return this.#options.blocked?.(key, identity) === true;
  }

  #receive(connection: Connection, chunk: Buffer): void {
    try {
      connection.session.receive(
        chunk,
        (bytes) => connection.write(bytes),
        (envelope) => {
          const { header, length } = readClientHeader(envelope);
          const payload = envelope.subarray(length);
          this.#carryOut(this.#router.message(connection.id, header, payload));
        },
      );
    } catch (cause) {
      // Without locked memory for its keys there is no session; the others go on.
      if (errorCode(cause) === MEMORY_EXHAUSTED) connection.destroy();
      else if (cause instanceof Violation) this.#violated(connection, cause.rule);
      else throw cause;
    }
    this.#flush();
    if (chunk.length >= limits.READ_TURN_BYTES) connection.yieldTurn();
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.do === "deliver") {
        this.#deliver(effect);
        continue;
      }
      const connection = this.#connections.get(effect.connection);
      if (connection === undefined) continue;
      if (effect.do === "close") this.#violated(connection, effect.rule);
      else {
        const { action, object, outcome } = effect;
        this.#report(connection.peer, action, object, outcome, connection.sender);
      }
    }
  }

  #deliver({ to, from, header, payload }: Extract<Effect, { do: "deliver" }>): void {
    if (to === BUS_CONNECTION) {
      if (header.type === "request") void this.#answer(from, header, payload);
      else if (header.type !== "publish") this.#answered(header.type, header.id, payload);
      return;
    }
    const connection = this.#connections.get(to);
    const sender = this.#senders.get(from);
    if (connection === undefined || sender === undefined) return;
    connection.enqueue(header, sender, payload);
    this.#dirty.add(connection);
  }

  async #answer(from: ConnectionId, header: ClientHeader, payload: Uint8Array): Promise<void> {
    const sender = this.#connections.get(from)?.sender;
    if (sender === undefined || sender === null) return;
    const answer = await this.#options.answer({ ...header, sender }, payload);
    this.#send({ ...header, type: answer.type, target: null, ttlMs: 0 }, answer.payload);
  }

  #answered(type: Answer["type"], id: Uint8Array, payload: Uint8Array): void {
    const key = toHex(id);
    this.#asked.get(key)?.({ type, payload });
    this.#asked.delete(key);
  }

  /** All unregistered connections of a user together: whoever reconnects gains nothing. */
  #countStranger(id: ConnectionId): number {
    const uid = this.#connections.get(id)?.peer.uid ?? 0;
    const { monotonicMs } = this.#options.clock;
    return this.#strangers.take(String(uid), limits.OPEN_RATE_LIMIT, monotonicMs());
  }

  async #examine(connection: Connection): Promise<PeerEvidence> {
    const { peer } = connection;
    const known = introduce(peer);
    if (peer.pid === 0 || !this.serves(LAUNCHER)) return known;
    try {
      const found = await this.ask("process.describe", { pid: peer.pid });
      // Asked last: a pid whose process has ended may be another one's.
      if (!connection.alive) return known;
      const { sha256 } = connection.program.note(found);
      return { ...found, uid: peer.uid, unit: unitOf(peer), sha256 };
    } catch (cause) {
      if (cause instanceof Denial) return known;
      if (!(cause instanceof Violation)) throw cause;
      this.#options.log("warn", "the launcher's word is none", { rule: cause.rule });
      return known;
    }
  }

  /** Nobody waits for it: until it is found out it is not known. */
  #lookAt(connection: Connection): void {
    this.#examine(connection).catch((cause: unknown) => {
      this.#options.log("error", "program not found out", { error: String(cause) });
    });
  }

  /** A message in the bus host's own name goes by the same rules as anybody's. */
  #send(header: ClientHeader, payload: Uint8Array): void {
    this.#carryOut(this.#router.message(BUS_CONNECTION, header, payload));
    this.#flush();
  }

  #flush(): void {
    for (const connection of this.#dirty) connection.flush();
    this.#dirty.clear();
  }

  #tick(): void {
    if (this.#options.registry.lapsed()) this.reregister();
    this.#carryOut(this.#router.tick());
    this.#flush();
    this.#restamp();
    const now = this.#options.clock.monotonicMs();
    for (const connection of this.#connections.values()) {
      if (!connection.stalled(now)) continue;
      this.#report(connection.peer, "bus.connection", null, "closed:stalled", connection.sender);
      connection.destroy();
    }
  }

  /** From evidence only; nothing here comes from what the client says. */
  #trust(identity: Identity | null, { certain }: Peer, ledgers = this.#ledgers()): Trust {
    if (identity === null) return { ...NO_TRUST, posture: this.#posture };
    return {
      authentication: certain ? "key-and-pid" : "key",
      exposure: "local",
      posture: this.#posture,
      authorizedAt: seconds(this.#options.clock),
      delegation: deepest(ledgers, identity),
    };
  }

  /** How deep delegations are, as each daemon has said. */
  #ledgers(): readonly Depths[] {
    const told = [...this.#connections.values()].map(({ depths }) => depths);
    const own = this.#options.depths?.() ?? NO_DEPTHS;
    return [own, ...told].filter(({ size }) => size > 0);
  }

  /** What goes out in the connection's name from now on says this of it. */
  #stamp(connection: Connection, sender: Sender): void {
    connection.sender = sender;
    this.#senders.set(connection.id, encodeSender(sender));
  }

  #stampOwn(): void {
    const trust = {
      authentication: "key",
      exposure: "local",
      posture: this.#posture,
      authorizedAt: this.#startedAt,
      delegation: 0,
    } as const;
    this.#senders.set(BUS_CONNECTION, encodeSender({ ...OWN, trust }));
  }

  /** Daemons come, go and report, and grants come and end: every vector follows. */
  #restamp(): void {
    const postures = this.served().map(({ posture }) =>
      posture === null ? 0 : postureOf(posture),
    );
    const posture = Math.min(...postures);
    if (posture !== this.#posture) {
      this.#posture = posture;
      this.#stampOwn();
    }
    const ledgers = this.#ledgers();
    for (const connection of this.#connections.values()) {
      const { sender } = connection;
      if (sender === null) continue;
      const identity = sender.name === null ? null : this.#options.registry.byName(sender.name);
      const delegation = identity === null ? 0 : deepest(ledgers, identity);
      const { trust } = sender;
      if (trust.posture === posture && trust.delegation === delegation) continue;
      this.#stamp(connection, { ...sender, trust: { ...trust, posture, delegation } });
    }
  }

  #violated(connection: Connection, rule: string): void {
    this.#report(connection.peer, "bus.violation", rule, "closed", connection.sender);
    connection.destroy();
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection.id)) return;
    this.#halfOpen.delete(connection);
    this.#dirty.delete(connection);
    const { sender } = connection;
    if (sender === null) return;
    if (sender.name === null) this.#open--;
    this.#bySession.delete(toHex(sender.session));
    this.#carryOut(this.#router.disconnected(connection.id));
    this.#senders.delete(connection.id);
    this.#flush();
  }

  #report(
    peer: Peer,
    action: string,
    object: string | null,
    outcome: string,
    sender: Sender | null = null,
  ): void {
    const { name, session } = sender ?? { name: null, session: null };
    this.#options.incident({ action, object, outcome, peer, name, session });
  }
}

function partyOf(identity: Identity | null, session: Uint8Array): Party {
  if (identity === null) return { name: null, kind: null, clearance: "open", session };
  const { name, kind, clearance } = identity;
  return { name, kind, clearance, session };
}

/** A header has four bytes for it. */
function seconds(clock: Clock): number {
  return Math.min(Math.max(0, Math.floor(clock.wallMs() / 1_000)), 0xffff_ffff);
}

function sameIdentity(one: Party, other: Party): boolean {
  return one.name === other.name && one.kind === other.kind && one.clearance === other.clearance;
}

/** The most that a ledger has, as far as a byte goes. */
function deepest(ledgers: readonly Depths[], { id }: Identity): number {
  return Math.min(255, Math.max(0, ...ledgers.map((depths) => depths.get(id) ?? 0)));
}
