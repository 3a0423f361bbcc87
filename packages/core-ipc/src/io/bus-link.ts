import { setTimeout as sleep } from "node:timers/promises";
import type { X25519KeyPair } from "@sesame/core-crypto";
import {
  Denial,
  Fault,
  type EventName,
  type Log,
  type Params,
  type RoutedHeader,
} from "@sesame/core-types";
import type { Answer } from "../bus/dispatcher.ts";
import type { Statics } from "../noise/respond.ts";
import { connectBus, type BusClient, type BusClientOptions } from "./bus-client.ts";
import { measurePosture } from "./posture.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;

export type BusLinkOptions = {
  /** Asked before each try: the record may name other keys by then. */
  readonly connection: () => Omit<BusClientOptions, "keys">;
  /** This daemon's own keys. */
  readonly keys: Statics;
  readonly log: Log;
  /** Ends the daemon: time will not heal this. */
  readonly fail: (cause: unknown) => void;
  readonly answer: (header: RoutedHeader, payload: Uint8Array) => Promise<Answer>;
  /** What has to be asked or heard before this daemon answers. */
  readonly prepare?: (bus: BusClient) => Promise<void>;
  /** Called once it answers. */
  readonly serving?: (bus: BusClient) => void;
};

/** The connection to the bus, made again whenever it is lost: the bus may be restarted. */
export class BusLink {
  readonly #options: BusLinkOptions;
  readonly #ended = new AbortController();
  #bus: BusClient | null = null;
  /** The keys that it was made with. */
  #under: X25519KeyPair | null = null;
  #connecting: Promise<BusClient> | null = null;

  constructor(options: BusLinkOptions) {
    this.#options = options;
  }

  /** @throws {Denial} owner-absent, while there is no connection */
  get bus(): BusClient {
    if (this.#bus === null) throw new Denial("owner-absent");
    return this.#bus;
  }

  get connected(): boolean {
    return this.#bus !== null;
  }

  /** Resolves once this daemon answers on the bus; from then on it stays connected. */
  async start(): Promise<void> {
    await this.#connect();
  }

  /**
   * Goes over to a new connection, under the keys that the record names by now. The one before ends
   * once everything that was asked over it is answered, so nothing is lost and nobody waits.
   */
  move(): void {
    const before = this.#bus;
    if (before === null) return;
    this.#connect()
      .then((bus) => (bus === before ? undefined : before.retire()))
      .catch((cause: unknown) => this.#failed(cause));
  }

  /** Tells whoever listens: nobody, while there is no connection. */
  emit<N extends EventName>(name: N, params: Params<N>): void {
    this.#bus?.emit(name, params);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#bus?.close();
  }

  #failed(cause: unknown): void {
    if (!this.#ended.signal.aborted) this.#options.fail(cause);
  }

  /** One at a time. */
  #connect(): Promise<BusClient> {
    this.#connecting ??= this.#renew();
    return this.#connecting;
  }

  async #renew(): Promise<BusClient> {
    try {
      return await this.#try();
    } finally {
      this.#connecting = null;
      // The record may have named others meanwhile, or the bus host has yet to hear of them.
      if (this.#bus !== null && this.#under !== this.#options.keys.all()[0]) this.move();
    }
  }

  async #try(): Promise<BusClient> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#open(tries);
      } catch (cause) {
        // Only what time can heal is tried again.
        const passing =
          cause instanceof Denial || (cause instanceof Fault && cause.exit === "unavailable");
        if (!passing) throw cause;
        const wait = Math.min(FIRST_WAIT_MS * 2 ** tries, LONGEST_WAIT_MS);
        await sleep(wait, undefined, { signal: this.#ended.signal });
      }
    }
  }

  async #open(tries: number): Promise<BusClient> {
    const { connection, answer, prepare, serving, log } = this.#options;
    const keys = this.#keys(tries);
    const bus = await connectBus({ ...connection(), keys });
    try {
      // A bus host that has yet to hear of these keys takes them for nobody's.
      if (bus.welcome.name === null) throw new Denial("owner-absent");
      await bus.call("trust.report", { posture: measurePosture() });
      await prepare?.(bus);
      await bus.serve(answer);
    } catch (cause) {
      await bus.close();
      throw cause;
    }
    this.#bus = bus;
    this.#under = keys;
    serving?.(bus);
    log("info", "on the bus");
    this.#stay(bus).catch((cause: unknown) => this.#failed(cause));
    return bus;
  }

  /**
   * The present keys; without any connection also former ones, in turn, which a bus host that has
   * yet to hear of the present ones knows.
   */
  #keys(tries: number): X25519KeyPair {
    // Whoever has no connection was not told of new ones.
    this.#options.keys.refresh();
    const all = this.#options.keys.all();
    const at = this.#bus === null ? tries % all.length : 0;
    const keys = all[at];
    if (keys === undefined) throw new RangeError("a daemon has keys");
    return keys;
  }

  async #stay(bus: BusClient): Promise<void> {
    const cause = await bus.closed;
    if (this.#bus !== bus) return;
    this.#bus = null;
    if (this.#ended.signal.aborted) return;
    this.#options.log("warn", "bus lost", { reason: cause?.message ?? "" });
    await this.#connect();
  }
}
