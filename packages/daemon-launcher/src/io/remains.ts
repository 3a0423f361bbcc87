import { readdirSync, readFileSync } from "node:fs";
import { MARK } from "../environment.ts";

/** Passes after which a program that starts others faster than they are ended is left alone. */
const PASSES = 20;

/**
 * Ends every process that carries a mark in its environment, as all that a program starts do
 * unless they take it away.
 *
 * @param mark - of one run, or the beginning of the marks of all
 */
export function endRemains(mark: string): void {
  for (let pass = 0; pass < PASSES; pass += 1) {
    const found = marked(mark);
    if (found.length === 0) return;
    for (const pid of found) end(pid);
  }
}

function marked(mark: string): number[] {
  const wanted = Buffer.from(`\0${MARK}=${mark}`);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && environmentOf(pid).includes(wanted));
}

/** Empty for a process of somebody else, and for one that has ended. */
function environmentOf(pid: number): Buffer {
  try {
    return Buffer.concat([Buffer.from("\0"), readFileSync(`/proc/${pid}/environ`)]);
  } catch {
    return Buffer.alloc(0);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
