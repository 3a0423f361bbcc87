import { readFileSync } from "node:fs";
import { RELEASE, type Posture } from "@sesame/core-types";
import { hardening, secureMemory, threadStates } from "@sesame/native";
import { isConfined, sandboxAbi } from "./confine.ts";

/** What protects this process, measured now, on every thread. */
export function measurePosture(): Posture {
  const { dumpable, coreLimit } = hardening();
  const threads = threadStates();
  const memory = secureMemory();
  return {
    release: RELEASE,
    landlockAbi: sandboxAbi(),
    filesConfined: isConfined(),
    threads: threads.length,
    threadsConfined: threads.filter(({ filters, noNewPrivs }) => filters > 0 && noNewPrivs).length,
    filters: Math.min(...threads.map(({ filters }) => filters)),
    dumpable,
    coreLimit: Number.isFinite(coreLimit) ? coreLimit : Number.MAX_SAFE_INTEGER,
    secureMemory: memory.kind,
    lockedBytes: memory.bytes,
    memlockLimit: memlockLimit(),
  };
}

/** Soft limit in bytes. */
function memlockLimit(): number {
  const line = /^Max locked memory\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  const limit = Number(line?.[1] ?? 0);
  return Number.isFinite(limit) ? limit : Number.MAX_SAFE_INTEGER;
}
