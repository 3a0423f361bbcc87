import type { Depths } from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { limits, type Log } from "@sesame/core-types";

/** The bus host passes it on within a tick of its own: together, well within a second. */
const TELL_EVERY_MS = 250;
const NOTHING: Depths = new Map();
/** What the bus host has of an identity, if it did not say: no depth is this. */
const UNKNOWN = -1;

type Change = { readonly identity: string; readonly links: number };

export type DelegationsOptions = {
  readonly depths: () => Depths;
  /** The connection to the bus; null while there is none. */
  readonly bus: () => Pick<BusClient, "call"> | null;
  readonly log: Log;
};

/** Tells the bus host how deep delegations are here. docs/PROTOCOL.md, Trust vector */
export class Delegations {
  readonly #options: DelegationsOptions;
  readonly #timer: NodeJS.Timeout;
  #bus: Pick<BusClient, "call"> | null = null;
  /** What has been said over this connection. */
  #told: Depths = NOTHING;
  #telling = false;

  constructor(options: DelegationsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#tick(), TELL_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #tick(): Promise<void> {
    const { depths, log } = this.#options;
    const bus = this.#options.bus();
    if (bus === null || this.#telling) return;
    if (bus !== this.#bus) this.#told = NOTHING;
    this.#bus = bus;
    const present = depths();
    const told = this.#told;
    if (present === told) return;
    this.#telling = true;
    try {
      await tell(bus, changesOf(told, present));
      this.#told = present;
    } catch (cause) {
      // Some of it may have got through: all of it is said again, or taken back.
      this.#told = new Map([...told.keys(), ...present.keys()].map((id) => [id, UNKNOWN]));
      log("info", "delegations not told", { reason: String(cause) });
    } finally {
      this.#telling = false;
    }
  }
}

async function tell(bus: Pick<BusClient, "call">, changes: readonly Change[]): Promise<void> {
  for (let at = 0; at < changes.length; at += limits.MAX_DEPTHS)
    await bus.call("trust.delegations", { depths: changes.slice(at, at + limits.MAX_DEPTHS) });
}

function changesOf(before: Depths, after: Depths): Change[] {
  const gone = [...before.keys()].filter((identity) => !after.has(identity));
  const other = [...after].filter(([identity, links]) => before.get(identity) !== links);
  return [
    ...gone.map((identity) => ({ identity, links: 0 })),
    ...other.map(([identity, links]) => ({ identity, links })),
  ];
}
