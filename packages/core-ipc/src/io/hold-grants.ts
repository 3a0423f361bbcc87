import { setTimeout as sleep } from "node:timers/promises";
import { decodeGrant } from "@sesame/core-authority";
import { Denial, Fault, limits } from "@sesame/core-types";
import type { BusClient } from "./bus-client.ts";

export type HoldOptions = {
  /** Connects as the delegatee; again, whenever the bus was restarted. */
  readonly connect: () => Promise<BusClient>;
  /** Ids of grants; left out: all that are given to it. */
  readonly grants?: readonly string[];
  /** Ends the holding; the grants end when no heartbeat comes any more. */
  readonly signal?: AbortSignal;
  /** Called once the first heartbeat is through, with the grants that it was for. */
  readonly held?: (grants: readonly string[]) => void;
  /** Called for each grant that is not alive any more. */
  readonly ended?: (grant: string) => void;
};

const RETRY_MS = 500;

/**
 * Keeps grants alive: sends heartbeats twice in each interval, also across restarts of the daemons.
 * Resolves once none of the grants is alive, or when the signal says so.
 *
 * @throws {Fault} what `connect` throws, except while the bus is away
 */
export async function holdGrants(options: HoldOptions): Promise<void> {
  const { connect, signal, held, ended } = options;
  let bus: BusClient | null = null;
  let intervals: Map<string, number> | null = null;
  let waitMs = 0;
  const stopped = (): boolean => signal?.aborted === true;
  try {
    while (!stopped()) {
      try {
        bus ??= await connect();
        const isFirst = intervals === null;
        intervals ??= await intervalsOf(bus, options.grants ?? null);
        for (const id of await beat(bus, [...intervals.keys()])) {
          intervals.delete(id);
          ended?.(id);
        }
        if (isFirst) held?.([...intervals.keys()]);
        if (intervals.size === 0) return;
        waitMs = Math.min(...intervals.values()) / 2;
      } catch (cause) {
        if (!isPassing(cause)) throw cause;
        await bus?.close().catch(() => undefined);
        bus = null;
        waitMs = RETRY_MS;
      }
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } finally {
    await bus?.close();
  }
}

/** Milliseconds between two heartbeats, of each grant. */
async function intervalsOf(
  bus: BusClient,
  wanted: readonly string[] | null,
): Promise<Map<string, number>> {
  const own = bus.identity?.id;
  const intervals = new Map<string, number>();
  for (let after: string | null = null; ;) {
    const { grants } = await bus.call("grant.list", { after });
    for (const { grant: encoded } of grants) {
      const { grant } = decodeGrant(encoded);
      if (grant.delegatee === own) intervals.set(grant.id, grant.heartbeatMs);
      after = grant.id;
    }
    if (grants.length < limits.MAX_GRANTS_LISTED) break;
  }
  if (wanted === null) return intervals;
  // One that is not in the list has ended; the answer to its heartbeat says so.
  return new Map(wanted.map((id) => [id, intervals.get(id) ?? RETRY_MS]));
}

/** Ids of those that are not alive. */
async function beat(bus: BusClient, ids: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  for (let at = 0; at < ids.length; at += limits.MAX_BEATS) {
    const grants = ids.slice(at, at + limits.MAX_BEATS);
    gone.push(...(await bus.call("grant.heartbeat", { grants })).ended);
  }
  return gone;
}

/** What time heals: the daemons are being restarted. */
function isPassing(cause: unknown): boolean {
  if (cause instanceof Fault) return cause.exit === "unavailable";
  return (
    cause instanceof Denial && ["owner-absent", "busy", "deadline-passed"].includes(cause.code)
  );
}
