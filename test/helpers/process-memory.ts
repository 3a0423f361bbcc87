import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const BLOCK = 1024 * 1024;

/** Resident set of a process, in KiB. proc_pid_status(5), VmRSS. */
export function residentKiB(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`process ${pid} has no resident set`);
  return Number(match[1]);
}

/**
 * Which of the needles occur in the memory of a process, in any mapping that can be read.
 *
 * @returns indices of the needles that were found
 * @throws {Error} EACCES, if the process is protected from this one
 */
export function memoryContains(pid: number, needles: readonly Buffer[]): Set<number> {
  const found = new Set<number>();
  const overlap = Math.max(...needles.map(({ length }) => length)) - 1;
  const block = Buffer.alloc(BLOCK + overlap);
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const [, from = "", to = ""] of readFileSync(`/proc/${pid}/maps`, "utf8").matchAll(
      /^([0-9a-f]+)-([0-9a-f]+) r/gm,
    )) {
      const end = BigInt(`0x${to}`);
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(BLOCK)) {
        const length = Number(end - at > block.length ? BigInt(block.length) : end - at);
        const read = tryRead(memory, block, length, at);
        const bytes = block.subarray(0, read);
        needles.forEach((needle, i) => {
          if (!found.has(i) && bytes.includes(needle)) found.add(i);
        });
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

/** Mappings such as [vvar] are listed and cannot be read. */
function tryRead(fd: number, into: Buffer, length: number, at: bigint): number {
  try {
    return readSync(fd, into, 0, length, at);
  } catch {
    return 0;
  }
}
