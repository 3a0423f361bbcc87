import { setTimeout as sleep } from "node:timers/promises";
import {
  Denial,
  Fault,
  type EventName,
  type Log,
  type Params,
  type RoutedHeader,
} from "@sesame/core-types";
import type { Answer } from "../bus/dispatcher.ts";
import { connectBus, type BusClient, type BusClientOptions } from "./bus-client.ts";
import { measurePosture } from "./posture.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;

export type BusLinkOptions = {
  readonly connection: BusClientOptions;
  readonly log: Log;
  /** Ends the daemon: time will not heal this. */
  readonly fail: (cause: unknown) => void;
  readonly answer: (header: RoutedHeader, payload: Uint8Array) => Promise<Answer>;
  /** What has to be asked or heard before this daemon answers. */
  readonly prepare?: (bus: BusClient) => Promise<void>;
};

/** The connection to the bus, made again whenever it is lost: the bus may be restarted. */
export class BusLink {
  readonly #options: BusLinkOptions;
  readonly #ended = new AbortController();
  #bus: BusClient | null = null;

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
    const bus = await this.#connect();
    this.#stay(bus).catch((cause: unknown) => {
      if (!this.#ended.signal.aborted) this.#options.fail(cause);
    });
  }

  /** Tells whoever listens: nobody, while there is no connection. */
  emit<N extends EventName>(name: N, params: Params<N>): void {
    this.#bus?.emit(name, params);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#bus?.close();
  }

  async #stay(first: BusClient): Promise<void> {
    let bus = first;
    for (;;) {
      const cause = await bus.closed;
      this.#bus = null;
      if (this.#ended.signal.aborted) return;
      this.#options.log("warn", "bus lost", { reason: cause?.message ?? "" });
      bus = await this.#connect();
    }
  }

  async #connect(): Promise<BusClient> {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      try {
        return await this.#open();
      } catch (cause) {
        // Only what time can heal is tried again.
        const passing =
          cause instanceof Denial || (cause instanceof Fault && cause.exit === "unavailable");
        if (!passing) throw cause;
        await sleep(wait, undefined, { signal: this.#ended.signal });
      }
    }
  }

  async #open(): Promise<BusClient> {
    const { connection, answer, prepare, log } = this.#options;
    const bus = await connectBus(connection);
    try {
      await bus.call("trust.report", { posture: measurePosture() });
      await prepare?.(bus);
      await bus.serve(answer);
    } catch (cause) {
      await bus.close();
      throw cause;
    }
    this.#bus = bus;
    log("info", "on the bus");
    return bus;
  }
}
