import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { isSegment, isTorn, nodeFiles } from "@sesame/core-audit";
import { limits } from "@sesame/core-types";

// The audit log as it lies on disk, for readers who may not open its directory.

export type LogFile = {
  readonly name: string;
  /** Length so far. */
  readonly bytes: number;
};

const NOTHING = new Uint8Array(0);

/** Segments of the log, and what crashes left of entries. */
export async function logFiles(dir: string): Promise<LogFile[]> {
  const names = (await nodeFiles(dir).list()) ?? [];
  const found = await Promise.all(names.map((name) => logFile(dir, name)));
  return found.filter((file) => file !== null);
}

/** @returns at most MAX_AUDIT_READ bytes; none at the end of the file, or if it is not the log's */
export async function readLog(
  dir: string,
  name: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const found = await logFile(dir, name);
  const file = found === null ? null : await nodeFiles(dir).open(name, "read");
  if (file === null) return NOTHING;
  try {
    const bytes = Buffer.alloc(Math.min(length, limits.MAX_AUDIT_READ));
    return bytes.subarray(0, await file.read(bytes, offset));
  } finally {
    await file.close();
  }
}

async function logFile(dir: string, name: string): Promise<LogFile | null> {
  if (!isSegment(name) && !isTorn(name)) return null;
  const found = await lstat(join(dir, name)).catch(() => null);
  return found?.isFile() === true ? { name, bytes: found.size } : null;
}
