import { fdatasyncSync, openSync, closeSync, writeSync } from "node:fs";
import { join } from "node:path";
import { rateOf } from "../samples.ts";

/** Bytes of an ordinary entry of the audit log. */
const ENTRY_BYTES = 420;

/** What the disk allows one at a time: writes per second, each with its fdatasync(2). */
export async function singleSyncRate(directory: string, count: number): Promise<number> {
  const fd = openSync(join(directory, "single"), "w", 0o600);
  const line = Buffer.alloc(ENTRY_BYTES, "a");
  try {
    return await rateOf(count, 1, async () => {
      writeSync(fd, line);
      fdatasyncSync(fd);
    });
  } finally {
    closeSync(fd);
  }
}
