import { readlinkSync } from "node:fs";

/** Inode of this process's pid namespace; 0 where /proc cannot be read. */
export function pidNamespace(): bigint {
  try {
    return BigInt(/\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1] ?? 0);
  } catch {
    return 0n;
  }
}
