import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Home } from "./home.ts";

/** A file of /proc; empty if the process is gone or somebody else's. */
export function procFile(pid: number, name: "environ" | "cmdline"): Buffer {
  try {
    return readFileSync(`/proc/${pid}/${name}`);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Processes that run in a home: commands, supervisor, daemons. */
export function processesOf(home: Home): number[] {
  const mark = `HOME=${home.path}\0`;
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => `\0${procFile(pid, "environ").toString("latin1")}`.includes(`\0${mark}`));
}

/** SIGKILL to every process of a home, the supervisor too; resolves when none is left. */
export async function killAll(home: Home): Promise<void> {
  for (let pids; (pids = processesOf(home)).length > 0; await delay(2))
    for (const pid of pids) killed(pid);
}

function killed(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
