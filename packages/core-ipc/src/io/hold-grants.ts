import { setTimeout as sleep } from "node:timers/promises";
import { decodeGrant } from "@sesame/core-authority";
import { Denial, Fault, limits } from "@sesame/core-types";
import type { BusClient } from "./bus-client.ts";
import { GRANT_OWNERS, type GrantOwner } from "./grant-owners.ts";

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

/** Grants of one owner, with the milliseconds between two heartbeats. */
type Held = { readonly owner: GrantOwner; readonly intervals: Map<string, number> };

/**
 * Keeps grants alive: sends heartbeats twice in each interval to every owner that has them, also
 * across restarts of the daemons. Resolves once none of the grants is alive, or when the signal
 * says so.
 *
 * @throws {Fault} what `connect` throws, except while the bus is away
 */
export async function holdGrants(options: HoldOptions): Promise<void> {
  const { connect, signal, held, ended } = options;
  let bus: BusClient | null = null;
  let all: readonly Held[] | null = null;
  let waitMs = 0;
  const stopped = (): boolean => signal?.aborted === true;
  const once = async (): Promise<void> => {
    bus ??= await connect();
    const first = all === null;
    all ??= await found(bus, options.grants ?? null, ended);
    const before = idsOf(all);
    for (const one of all) await beat(bus, one);
    const alive = idsOf(all);
    for (const id of before) if (!alive.has(id)) ended?.(id);
    if (first) held?.([...alive]);
    waitMs = Math.min(...all.flatMap(({ intervals }) => [...intervals.values()])) / 2;
  };
  try {
    while (!stopped() && waitMs !== Number.POSITIVE_INFINITY) {
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      try {
        if (!stopped()) await once();
      } catch (cause) {
        if (!isPassing(cause)) throw cause;
        await close(bus);
        bus = null;
        waitMs = RETRY_MS;
      }
    }
  } finally {
    await close(bus);
  }
}

async function close(bus: BusClient | null): Promise<void> {
  await bus?.close();
}

function idsOf(all: readonly Held[]): Set<string> {
  return new Set(all.flatMap(({ intervals }) => [...intervals.keys()]));
}

/** What is alive of the wanted grants, or of all that are given to this identity. */
async function found(
  bus: BusClient,
  wanted: readonly string[] | null,
  ended: HoldOptions["ended"],
): Promise<readonly Held[]> {
  const all: Held[] = [];
  for (const owner of GRANT_OWNERS) {
    const own = await intervalsOf(bus, owner);
    const intervals = new Map([...own].filter(([id]) => wanted === null || wanted.includes(id)));
    all.push({ owner, intervals });
  }
  const alive = idsOf(all);
  for (const id of new Set(wanted)) if (!alive.has(id)) ended?.(id);
  return all;
}

async function intervalsOf(bus: BusClient, owner: GrantOwner): Promise<Map<string, number>> {
  const own = bus.identity?.id;
  const intervals = new Map<string, number>();
  for (let after: string | null = null; ;) {
    const { grants } = await owner.ask(bus, "list", { after });
    for (const { grant: encoded } of grants) {
      const { grant } = decodeGrant(encoded);
      if (grant.delegatee === own) intervals.set(grant.id, grant.heartbeatMs);
      after = grant.id;
    }
    if (grants.length < limits.MAX_GRANTS_LISTED) return intervals;
  }
}

/** Takes out what is not alive any more. */
async function beat(bus: BusClient, { owner, intervals }: Held): Promise<void> {
  const ids = [...intervals.keys()];
  for (let at = 0; at < ids.length; at += limits.MAX_BEATS) {
    const grants = ids.slice(at, at + limits.MAX_BEATS);
    const { ended } = await owner.ask(bus, "heartbeat", { grants });
    for (const id of ended) intervals.delete(id);
  }
}

/** What time heals: the daemons are being restarted. */
function isPassing(cause: unknown): boolean {
  if (cause instanceof Fault) return cause.exit === "unavailable";
  return (
    cause instanceof Denial && ["owner-absent", "busy", "deadline-passed"].includes(cause.code)
  );
}
