import { createServer, type Server, type Socket } from "node:net";
import { randomBytes } from "node:crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  keyFileOf,
  loadKeyFile,
  requireInstallation,
  type IdentityKeys,
} from "@sesame/core-ipc/daemon";
import { only, Registry } from "@sesame/core-ipc/server";
import {
  BUS_HOST,
  decode,
  encode,
  encodeSender,
  limits,
  MAX_HEADER_BYTES,
  messageByTag,
  MESSAGES,
  NO_TRUST,
  nothing,
  readClientHeader,
  toHex,
  VAULT_OWNER,
  writeHeader,
  type AuditRecord,
  type BlockOnRecord,
  type ClientHeader,
  type Sender,
} from "@sesame/core-types";
import { peerOf } from "../../packages/core-ipc/src/io/evidence.ts";
import { pidNamespace } from "../../packages/core-ipc/src/io/namespace.ts";
import { ServerSession } from "../../packages/core-ipc/src/wire/session.ts";
import { eventually } from "./eventually.ts";
import type { Home } from "./home.ts";

/** A request as it went to the owner of the secrets. */
export type Captured = {
  readonly sender: Sender;
  readonly header: ClientHeader;
  readonly payload: Uint8Array;
};

export type Answered = { readonly type: ClientHeader["type"]; readonly payload: Uint8Array };

type Line = { readonly socket: Socket; readonly session: ServerSession; sender: Sender | null };

/**
 * A bus host in the attacker's hands: it holds the installation's real bus key and signing key,
 * keeps everything that passes, and lies where it is told to. Owner and callers are real.
 */
export class CompromisedHost {
  /** Every envelope that clients and owner sent, decrypted. */
  readonly seen: Uint8Array[] = [];
  /** Requests to the owner of the secrets, in order. */
  readonly captured: Captured[] = [];
  /** What the owner asked to have written into the audit log. */
  readonly records: AuditRecord[] = [];
  /** What the owner is told about who is calling. */
  sender: (truth: Sender) => Sender = (truth) => truth;
  /** What the caller gets instead of the owner's reply. */
  reply: (payload: Uint8Array, asked: Captured) => Uint8Array = (payload) => payload;
  /** What it says of a panic. */
  panic = false;
  /** The version of the policy that it says it has. */
  policy = 0;
  /** The trust score that it gives everybody. */
  score: number | null = null;
  /** What it says of the block list. */
  blocks: readonly BlockOnRecord[] = [];
  /** What the owner told it of a panic. */
  readonly told: boolean[] = [];
  readonly #server: Server;
  readonly #keys: IdentityKeys["noise"];
  readonly #registry: Registry;
  readonly #lines = new Set<Line>();
  readonly #pending = new Map<string, (answer: Answered) => void>();
  #owner: Line | null = null;

  private constructor(home: Home) {
    const { identities } = requireInstallation(suite, home.paths);
    const keys = loadKeyFile(suite, keyFileOf(home.paths, BUS_HOST));
    if (keys === null) throw new Error("the home is not set up");
    this.#keys = keys.noise;
    this.#registry = new Registry(identities, Date.now);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Takes the place of the bus of a home whose daemons do not run. */
  static async start(home: Home): Promise<CompromisedHost> {
    const host = new CompromisedHost(home);
    const { promise, resolve } = Promise.withResolvers<void>();
    host.#server.listen(home.paths.socket, resolve);
    await promise;
    return host;
  }

  /** Resolves once the owner of the secrets serves here. */
  async served(): Promise<void> {
    await eventually("the owner on the bus", () => this.#owner !== null);
  }

  /** Has the owner answer a request that may have come from nobody. */
  async inject({ sender, header, payload }: Captured): Promise<Answered> {
    const { promise, resolve } = Promise.withResolvers<Answered>();
    this.#ask({ sender, header, payload }, resolve);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#lines) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }

  #accept(socket: Socket): void {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const id = randomBytes(16);
    const session = new ServerSession({
      suite,
      statics: only(this.#keys),
      monotonicMs: () => performance.now(),
      admit: (key) => {
        const identity = this.#registry.byKey(key);
        const { name = null, kind = null, clearance = "open" as const } = identity ?? {};
        line.sender = { name, kind, clearance, session: id, trust: NO_TRUST };
        return { name, kind, clearance, maxEnvelopeBytes: limits.MAX_ENVELOPE_BYTES };
      },
      hello: {
        server: { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
        peer: peerOf(fd),
        pidNamespace: pidNamespace(),
        session: id,
      },
    });
    const line: Line = { socket, session, sender: null };
    this.#lines.add(line);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#lines.delete(line);
      if (this.#owner === line) this.#owner = null;
    });
    socket.on("data", (chunk: Buffer) =>
      session.receive(
        chunk,
        (bytes) => void socket.write(bytes),
        (envelope) => this.#take(line, envelope),
      ),
    );
    socket.write(session.greeting());
  }

  #take(line: Line, envelope: Uint8Array): void {
    const { sender } = line;
    if (sender === null) return;
    this.seen.push(envelope);
    const { header, length } = readClientHeader(envelope);
    const payload = envelope.subarray(length);
    if (header.type === "publish") return;
    if (header.type !== "request") {
      this.#pending.get(toHex(header.id))?.({ type: header.type, payload });
      this.#pending.delete(toHex(header.id));
      return;
    }
    const row = messageByTag(header.tag);
    if (row?.form === "request" && row.owner === VAULT_OWNER) {
      const asked = { sender, header, payload };
      this.captured.push(asked);
      this.#ask({ ...asked, sender: this.sender(sender) }, ({ type, payload: answer }) => {
        const body = type === "reply" ? this.reply(answer, asked) : answer;
        this.#send(line, { ...header, type, target: null, ttlMs: 0 }, sender, body);
      });
      return;
    }
    const answer = this.#own(line, header, payload);
    this.#send(line, { ...header, type: "reply", target: null, ttlMs: 0 }, BUS, answer);
  }

  /** The host's own kinds: the log is written nowhere, and every profile is in use. */
  #own(line: Line, { tag }: ClientHeader, payload: Uint8Array): Uint8Array {
    switch (tag) {
      case MESSAGES["bus.serve"].tag:
        if (line.sender?.name === VAULT_OWNER) this.#owner = line;
        return encode(nothing, {});
      case MESSAGES["profile.list"].tag: {
        const profiles = [{ name: "default", active: true, default: true }];
        return encode(MESSAGES["profile.list"].result, { profiles });
      }
      case MESSAGES["profile.activate"].tag:
        return encode(MESSAGES["profile.activate"].result, { changed: false });
      case MESSAGES["audit.append"].tag: {
        const { records } = decode(MESSAGES["audit.append"].params, payload);
        this.records.push(...records);
        return encode(MESSAGES["audit.append"].result, { sequence: this.records.length });
      }
      case MESSAGES["trust.score"].tag:
        return encode(MESSAGES["trust.score"].result, { score: this.score });
      case MESSAGES["block.list"].tag:
        return encode(MESSAGES["block.list"].result, { blocks: [...this.blocks] });
      case MESSAGES["audit.checkpoint"].tag: {
        const [hash, signature] = [new Uint8Array(32), new Uint8Array(64)];
        const checkpoint = { sequence: this.records.length, hash, timeMs: Date.now(), signature };
        return encode(MESSAGES["audit.checkpoint"].result, { checkpoint });
      }
      case MESSAGES["status.get"].tag:
        return encode(MESSAGES["status.get"].result, {
          release: "",
          pid: process.pid,
          uptimeMs: 0,
          secretsConnected: true,
          auditWritable: true,
          panic: this.panic,
          you: line.sender?.name ?? null,
        });
      case MESSAGES["bus-policy.compare"].tag:
        return encode(MESSAGES["bus-policy.compare"].result, { version: this.policy });
      case MESSAGES["bus.panic"].tag:
        this.told.push(decode(MESSAGES["bus.panic"].params, payload).held);
        return encode(nothing, {});
      default:
        return encode(nothing, {});
    }
  }

  #ask({ sender, header, payload }: Captured, done: (answer: Answered) => void): void {
    if (this.#owner === null) throw new Error("the owner is not here");
    this.#pending.set(toHex(header.id), done);
    this.#send(this.#owner, { ...header, type: "request" }, sender, payload);
  }

  #send(
    { socket, session }: Line,
    header: ClientHeader,
    sender: Sender,
    payload: Uint8Array,
  ): void {
    const { channel } = session;
    const bytes = new Uint8Array(MAX_HEADER_BYTES);
    const length = writeHeader(bytes, header, encodeSender(sender));
    channel?.enqueue(bytes.subarray(0, length), payload);
    for (const frame of channel?.flush() ?? []) socket.write(frame);
  }
}

const BUS: Sender = {
  name: BUS_HOST,
  kind: "daemon",
  clearance: "internal",
  session: new Uint8Array(16),
  trust: NO_TRUST,
};
