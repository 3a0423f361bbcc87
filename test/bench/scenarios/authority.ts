import { readdirSync, readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  authorityLimits,
  draftGrant,
  encodeGrant,
  enrolledScope,
  GrantBook,
  parseScope,
  signGrant,
  type Party,
} from "@sesame/core-authority";
import { NO_MINIMUM } from "@sesame/core-types";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { Home } from "../../helpers/home.ts";
import { chainSigner } from "../../helpers/granting.ts";
import { residentKiB } from "../../helpers/process-memory.ts";
import { rateOf } from "../samples.ts";
import { interleave, type Bench, type Measured } from "../scenario.ts";

const GRANTS = 10_000;
const PER_AGENT = 10;
const CHECKS = 20_000;
const AT_ONCE = 64;
const SETTLE_MS = 500;
/** From one store of the heartbeats to the next, and a little. */
const STORE_MS = 11_000;
/** `holdGrants` sends two in each interval. */
const ROUNDS_PER_MINUTE = (2 * 60_000) / authorityLimits.DEFAULT_HEARTBEAT_MS;
const SCOPE = "secret-list:ci/*";
/** A ledger takes so many grants of one delegator and no more. */
const GIVERS = 8;
const RIGHTS = ["delegate", "secret-list"] as const;

/** What a check costs an owner that holds few and many grants, each caller as many as the next. */
export async function grantCheck(bench: Bench) {
  const [few, many, most] = [PER_AGENT, bench.count(GRANTS / 10), bench.count(GRANTS)].map((held) =>
    checks(Math.max(1, Math.round(held / PER_AGENT))),
  );
  const count = Math.max(1_000, bench.count(CHECKS));
  const run = (check: Checks | undefined, callers?: number) => () =>
    Promise.resolve(check?.(count, callers) ?? Number.NaN);
  const times = await interleave(bench.rounds, {
    few: run(few),
    many: run(many),
    most: run(most),
    oneOfMost: run(most, 1),
  });
  const beside = { name: "10 held", values: times.few };
  return {
    "check, 1 000 held": { ours: times.many, beside },
    "check, 10 000 held": { ours: times.most, beside },
    "check, 10 000 held, one caller": { ours: times.oneOfMost, beside },
  };
}

/** A thousand agents keep ten thousand grants alive with the owner of the secrets. */
export async function grantsHeld(bench: Bench) {
  const agents = names("agent", Math.max(2, bench.count(GRANTS / PER_AGENT)));
  const givers = names("giver", GIVERS);
  await using home = await Home.ready([
    ...agents.map((name) => ({ name, capabilities: [] })),
    // People: how often a service may ask is limited, and not what is measured.
    ...givers.map((name) => ({ name, kind: "human", capabilities: RIGHTS }) as const),
  ]);
  const owner = home.pidOf("daemon-secrets");
  const bus = home.pidOf("daemon-profile");
  const before = { owner: megabytes(owner), bus: megabytes(bus) };
  const sign = chainSigner(home);
  const clients = new Map<string, BusClient>();
  for (const name of [...givers, ...agents]) clients.set(name, await home.connect(name));
  const issued = agents.flatMap((to, i) => {
    const from = givers[i % GIVERS] ?? "";
    return Array.from({ length: PER_AGENT }, () => sign({ from, to, scope: SCOPE }));
  });
  const rate = await rateOf(issued.length, AT_ONCE, async (i) => {
    const from = givers[Math.floor(i / PER_AGENT) % GIVERS] ?? "";
    const chain = issued[i]?.map(encodeGrant) ?? [];
    await clients.get(from)?.call("grant.issue", { chain });
  });
  const holders = agents.map((name, i) => {
    const held = issued.slice(i * PER_AGENT, (i + 1) * PER_AGENT);
    return [clients.get(name), held.map(([leaf]) => leaf?.grant.id ?? "")] as const;
  });
  const beat = async (): Promise<void> => {
    const ended = await Promise.all(
      holders.map(([client, grants]) => client?.call("grant.heartbeat", { grants })),
    );
    if (ended.some((one) => one?.ended.length !== 0)) throw new Error("a grant has ended");
  };
  await beat();
  await pause(SETTLE_MS);
  const after = { owner: megabytes(owner), bus: megabytes(bus) };
  const shares: { owner: number; bus: number }[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const start = { owner: cpuSeconds(owner), bus: cpuSeconds(bus) };
    await beat();
    // That they are stored is a part of what they cost.
    await pause(STORE_MS);
    const share = (pid: number, since: number): number =>
      ((cpuSeconds(pid) - since) * ROUNDS_PER_MINUTE * 100) / 60;
    shares.push({ owner: share(owner, start.owner), bus: share(bus, start.bus) });
  }
  for (const client of clients.values()) await client.close();
  const memory = (of: "owner" | "bus"): Measured => ({
    ours: [after[of]],
    beside: { name: "before", values: [before[of]] },
  });
  return {
    "issue, 64 at once": { ours: [rate] },
    "memory of daemon-secrets": memory("owner"),
    "memory of daemon-profile": memory("bus"),
    "CPU of daemon-secrets for heartbeats": { ours: shares.map((share) => share.owner) },
    "CPU of daemon-profile for heartbeats": { ours: shares.map((share) => share.bus) },
  };
}

function megabytes(pid: number): number {
  return residentKiB(pid) / 1_024;
}

function names(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${word}-${i}`);
}

/** Checks so often, in turn for so many of the callers; microseconds of one check. */
type Checks = (count: number, callers?: number) => number;

function checks(callerCount: number): Checks {
  const seed = suite.randomBytes(32);
  const installation = randomUUID();
  const givers = Array.from({ length: GIVERS }, () => randomUUID());
  const callers = Array.from({ length: callerCount }, () => randomUUID());
  const signingKey = suite.ed25519PublicKey(seed);
  const party = (scope: Party["scope"]): Party => ({ scope, signingKey, revoked: false });
  const parties = new Map<string, Party>([
    ...givers.map((id) => [id, party(enrolledScope(["delegate", "secret-list"]))] as const),
    ...callers.map((id) => [id, party([])] as const),
  ]);
  const trust = { installation, party: (id: string) => parties.get(id) ?? null, verifier: suite };
  const now = { wallMs: Date.now(), bootMs: 1_000 };
  const book = new GrantBook({ bootId: "bench", self: installation }, trust, now);
  const random = (length: number): Uint8Array => suite.randomBytes(length);
  const scope = parseScope(SCOPE);
  for (const [i, delegatee] of callers.entries())
    for (let n = 0; n < PER_AGENT; n++) {
      const delegator = givers[i % GIVERS] ?? "";
      const terms = {
        installation,
        delegator,
        delegatee,
        kind: "service",
        parent: null,
        scope,
      } as const;
      const draft = draftGrant(terms, { wallMs: now.wallMs, random });
      const signed = signGrant(draft, (message) => suite.ed25519Sign(seed, message));
      const reason = book.issue([signed], delegator, now);
      if (reason !== null) throw new Error(reason);
    }
  const call = { capability: "secret-list", profile: "work", names: ["ci/token"] } as const;
  return (count, turns = callers.length) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const caller = callers[i % turns] ?? "";
      const drawing = book.permit({ ...call, caller, executable: null, trusted: NO_MINIMUM }, now);
      if (typeof drawing !== "object") throw new Error("refused");
    }
    return ((performance.now() - start) / count) * 1_000;
  };
}

/** Time on a processor so far, of all threads. Linux, Documentation/scheduler/sched-stats.rst */
function cpuSeconds(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9;
}
