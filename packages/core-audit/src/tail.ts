import { Fault } from "@sesame/core-types";
import { parseEntry, type AuditEntry } from "./entry.ts";
import { readUpTo, withFile, type ReadableFile, type ReadableFiles } from "./files.ts";
import { nodeFiles } from "./io/node-files.ts";
import { watchDirectory, type Changes } from "./io/watch.ts";
import { LineReader } from "./line-reader.ts";
import { segmentName, segmentNumbers } from "./names.ts";

export type TailOptions = {
  /** Entries to begin with; Infinity: all. Default: 10. */
  readonly count?: number;
  /** Wait for further entries until the signal is given. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  readonly files?: ReadableFiles;
  /** Tells that the log grew. Default: a watch on the directory. */
  readonly watch?: (signal: AbortSignal | undefined) => Changes | Promise<Changes>;
};

const BLOCK_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * The last entries of a log, and with `follow` each further one, across segments. Judges neither
 * hashes nor signatures.
 *
 * @param dir - directory of the log
 * @throws {Fault} `not-found` if there is no log, `integrity` at a line that is no entry
 */
export async function* tailAudit(
  dir: string,
  options: TailOptions = {},
): AsyncGenerator<AuditEntry, void, void> {
  const { count = 10, follow = false, signal, files = nodeFiles(dir) } = options;
  const { watch = (end) => watchDirectory(dir, end) } = options;
  if (((await files.list()) ?? []).every((name) => segmentNumbers([name]).length === 0))
    throw new Fault("not-found", "there is no audit log", "`sesame init` begins one");
  // The watch begins before the first read, so that nothing written in between is missed.
  const changes = follow ? await watch(signal) : null;
  try {
    let at: Position | null = await findStart(files, count);
    while (at !== null) at = yield* readSegment(files, at, changes, signal);
  } finally {
    changes?.close();
  }
}

/** Offset of a line in a segment. */
type Position = { readonly segment: number; readonly offset: number };

async function* readSegment(
  files: ReadableFiles,
  { segment, offset }: Position,
  changes: Changes | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<AuditEntry, Position | null, void> {
  const isOver = (): boolean => signal?.aborted === true;
  const file = await files.open(segmentName(segment), "read");
  if (file === null) return null;
  try {
    const reader = new LineReader(file, BLOCK_BYTES, offset);
    for (;;) {
      // Asked before the rest is read: once there is a next segment, this one no longer grows.
      const hasNext = segmentNumbers((await files.list()) ?? []).includes(segment + 1);
      // A write that fails is taken back, and another may stand in its place: what is not a whole
      // line is read again.
      const { size } = await file.stat();
      reader.moveTo(Math.min(size, reader.position - reader.unfinished));
      for await (const entry of entriesOf(reader, segment)) {
        if (isOver()) return null;
        yield entry;
      }
      if (reader.isOverlong) throw notAnEntry(segment);
      if (hasNext) return { segment: segment + 1, offset: 0 };
      if (changes === null || isOver()) return null;
      await changes.next();
      if (isOver()) return null;
    }
  } finally {
    await file.close();
  }
}

async function* entriesOf(
  reader: LineReader,
  segment: number,
): AsyncGenerator<AuditEntry, void, void> {
  for (let block; (block = await reader.next()) !== null;)
    for (const line of block.toString("utf8").trimEnd().split("\n")) {
      const entry = parseEntry(line);
      if (entry === null) throw notAnEntry(segment);
      yield entry;
    }
}

function notAnEntry(segment: number): Fault {
  const hint = "run `sesame audit verify`";
  return new Fault("integrity", `segment ${segment} holds a line that is no entry`, hint);
}

async function findStart(files: ReadableFiles, count: number): Promise<Position> {
  const numbers = segmentNumbers((await files.list()) ?? []);
  let wanted = count;
  for (const segment of numbers.toReversed()) {
    const found = await withFile(files, segmentName(segment), (file) => findLines(file, wanted));
    if (found === null) continue;
    if (found.lines >= wanted) return { segment, offset: found.offset };
    wanted -= found.lines;
  }
  return { segment: numbers[0] ?? 1, offset: 0 };
}

// Goes backwards block by block, counting line feeds; the one that ends the last line is not one
// that begins a line.
async function findLines(
  file: ReadableFile,
  wanted: number,
): Promise<{ readonly lines: number; readonly offset: number }> {
  let { size: from } = await file.stat();
  let feeds = 0;
  while (from > 0) {
    const length = Math.min(BLOCK_BYTES, from);
    const block = await readUpTo(file, from - length, length);
    from -= length;
    for (let at = block.length; at > 0 && (at = block.lastIndexOf(LINE_FEED, at - 1)) !== -1;) {
      if (feeds === wanted) return { lines: wanted, offset: from + at + 1 };
      feeds++;
    }
  }
  return { lines: feeds, offset: 0 };
}
