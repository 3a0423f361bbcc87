import { parseEntry, type AuditEntry } from "../entry.ts";
import { withFile, type ReadableFile, type ReadableFiles } from "../files.ts";
import { LineReader } from "../line-reader.ts";
import { SCAN_BYTES } from "../limits.ts";
import { segmentName, segmentNumbers } from "../names.ts";

const LINE_FEED = 0x0a;
/** Stands in every entry about the block list, and in no text within one: its quotes are bare. */
const NEEDLE = Buffer.from('"action":"block.');

/**
 * Calls with each entry of a log that is about its block list, in the log's order. The other lines
 * are passed over as bytes: reading them costs as much as the disk does. Judges neither hashes nor
 * signatures; `verifyAudit` does.
 */
export async function readBlocks(
  files: ReadableFiles,
  visit: (entry: AuditEntry) => void,
): Promise<void> {
  for (const segment of segmentNumbers((await files.list()) ?? []))
    await withFile(files, segmentName(segment), async (file) => readSegment(file, visit));
}

async function readSegment(file: ReadableFile, visit: (entry: AuditEntry) => void): Promise<void> {
  const reader = new LineReader(file, SCAN_BYTES);
  for (let block; (block = await reader.next()) !== null;)
    for (let at = 0; (at = block.indexOf(NEEDLE, at)) !== -1;) {
      const start = block.lastIndexOf(LINE_FEED, at) + 1;
      at = block.indexOf(LINE_FEED, at);
      const entry = parseEntry(block.toString("utf8", start, at));
      if (entry !== null) visit(entry);
    }
}
