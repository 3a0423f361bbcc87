import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { sesameParty } from "../parties.ts";
import type { Bench } from "../scenario.ts";

const COUNT = 1_000;
// Fewer would drown in what the heap does anyway.
const LEAST = 200;
const WARM_UP = 20;
const SETTLE_MS = 300;
const CONNECTIONS_OF_TARGET = 1_000;

/** Resident memory of the bus's daemon, restarted for each round, that connections add. */
export async function connections(bench: Bench) {
  const home = await bench.home();
  const count = Math.max(LEAST, bench.count(COUNT));
  const bases: number[] = [];
  const added: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    home.must(["daemon", "stop"]);
    home.must(["daemon", "start"]);
    const { client, toClient: to } = await sesameParty(bench);
    const pid = home.pidOf("daemon-profile");
    await client.do("connect", { to, count: WARM_UP });
    await pause(SETTLE_MS);
    const base = residentMB(pid);
    await client.do("connect", { to, count });
    await pause(SETTLE_MS);
    bases.push(base);
    // A shorter run says what a thousand would take.
    added.push(((residentMB(pid) - base) * CONNECTIONS_OF_TARGET) / count);
    await client[Symbol.asyncDispose]();
  }
  return {
    "1000 idle, above base": { ours: added, beside: { name: "base", values: bases } },
  };
}

/** VmRSS. proc_pid_status(5) */
function residentMB(pid: number): number {
  const kB = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kB) / 1_024;
}
