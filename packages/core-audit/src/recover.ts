import { fromHex, toHex, type Checkpoint } from "@sesame/core-types";
import { Batch, type Maker } from "./batch.ts";
import { ChainReader, ORIGIN, type Rules } from "./chain.ts";
import {
  keysOf,
  signerOf,
  type LogOwner,
  type Reach,
  type SignatureVerifier,
} from "./checkpoint.ts";
import { FORMAT_VERSION, parseEntry, type AuditEntry, type Control } from "./entry.ts";
import {
  readUpTo,
  withFile,
  writeAll,
  type AuditFile,
  type AuditFiles,
  type ReadableFiles,
} from "./files.ts";
import type { Algorithm } from "./hash.ts";
import { loadHashers, type LogHashers } from "./io/hashers.ts";
import { MAX_LINE_BYTES, RECOVERY_BYTES } from "./limits.ts";
import {
  draftName,
  isDraft,
  isTorn,
  missingSegment,
  segmentName,
  segmentNumbers,
  tornName,
} from "./names.ts";

// Opening a log: find its durable end, and set aside what a crash left behind it. Every step leaves
// a directory from which the same procedure continues.

const LINE_FEED = 0x0a;
const FIRST_LOOK_BYTES = 256 * 1024;
/** `segment`, `gap`, `key` and a checkpoint. */
const OPENING_LINES = 4;
const OPENING_BYTES = OPENING_LINES * (MAX_LINE_BYTES + 1);

export type Owner = LogOwner & {
  readonly verifier: SignatureVerifier;
  /** Ed25519, 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Of a log that has yet to begin. */
  readonly algorithm: Algorithm;
};

/** Where the log continues. */
export type Tip = {
  readonly segment: number;
  /** Open for writing; the caller closes it. */
  readonly file: AuditFile;
  /** Bytes of the segment. */
  readonly length: number;
  readonly head: Reach;
  /** The newest; of the entry before `head` if that is its entry. */
  readonly checkpoint: Checkpoint;
  /** Entries since, without the checkpoint's own. */
  readonly unsigned: number;
  readonly maker: Maker;
};

/** The log is not what this writer left; it is evidence, and is not touched. */
export class Damage extends Error {
  override readonly name = "Damage";
}

/**
 * @param durable - what this writer knows to be on disk, if it has written
 * @throws {Damage} and what the file system throws
 */
export async function recover(
  files: AuditFiles,
  owner: Owner,
  durable: Pick<Tip, "segment" | "head"> | null,
): Promise<Tip> {
  await files.prepare();
  const names = (await files.list()) ?? [];
  for (const name of names) if (isDraft(name)) await files.remove(name);

  const numbers = segmentNumbers(names);
  const last = numbers.at(-1);
  if (last === undefined) {
    if (names.some(isTorn)) throw new Damage("its segments are gone");
    return begin(files, owner);
  }
  const missing = missingSegment(numbers);
  if (missing !== null) throw new Damage(`segment ${missing} is missing`);

  const hashers = await loadHashers(await genesisAlgorithm(files, owner));
  const rules = { ...owner, hasher: hashers.entry };
  const end = await findEnd(files, rules, last);
  if (durable?.segment === last && durable.head.hash !== end.head.hash)
    throw new Damage("somebody else writes into it");
  const maker = { ...owner, hasher: hashers.entry };
  const isPresent = end.signer === keysOf(owner).length - 1;
  const change = isPresent ? [] : [keyChange(owner)];

  const torn = tornName(end.head.sequence + 1);
  if (end.torn.length > 0) {
    await publish(files, torn, end.torn);
    await cut(files, last, end.length);
  } else if (!names.includes(torn)) {
    if (!isPresent) {
      const segment = last + 1;
      const controls: Control[] = [{ type: "segment", number: segment }, ...change];
      const opening = { segment, after: end.head, timeMs: owner.now(), controls };
      return openSegment(files, maker, opening);
    }
    const file = await openTip(files, last);
    return { segment: last, file, length: end.length, head: end.head, maker, ...end.signed };
  }
  const at = { segment: last, head: end.head, torn, change };
  return recordGap(files, { owner, maker, hashers }, at);
}

/** The entry from which on the present key signs. */
export function keyChange({ publicKey }: Pick<LogOwner, "publicKey">): Control {
  return { type: "key", key: toHex(publicKey) };
}

async function begin(files: AuditFiles, owner: Owner): Promise<Tip> {
  const { algorithm } = owner;
  const { entry } = await loadHashers(algorithm);
  const installation = toHex(owner.installationId);
  const genesis = { type: "genesis", version: FORMAT_VERSION, algorithm, installation } as const;
  const opening = { segment: 1, after: ORIGIN, timeMs: owner.now(), controls: [genesis] };
  return openSegment(files, { ...owner, hasher: entry }, opening);
}

type Opening = {
  readonly segment: number;
  /** The last entry of the segment before. */
  readonly after: Reach;
  readonly timeMs: number;
  readonly controls: readonly Control[];
};

/**
 * Begins a segment with control entries and a checkpoint. The name appears with the bytes, so a
 * segment is never without them, and opening never looks further back than its last segment.
 */
export async function openSegment(
  files: AuditFiles,
  maker: Maker,
  { segment, after, timeMs, controls }: Opening,
): Promise<Tip> {
  const batch = new Batch(maker, after);
  for (const control of controls) batch.control(timeMs, control);
  const checkpoint = batch.checkpoint(timeMs);
  const bytes = batch.toBytes();
  await publish(files, segmentName(segment), bytes);
  const file = await openTip(files, segment);
  const { head } = batch;
  return { segment, file, length: bytes.length, head, checkpoint, unsigned: 0, maker };
}

async function recordGap(
  files: AuditFiles,
  by: { owner: Owner; maker: Maker; hashers: LogHashers },
  at: { segment: number; head: Reach; torn: string; change: readonly Control[] },
): Promise<Tip> {
  const bytes = await withFile(files, at.torn, (file) => readUpTo(file, 0, RECOVERY_BYTES));
  if (bytes === null) throw new Damage(`${at.torn} is gone`);
  const segment = at.segment + 1;
  const hash = toHex(by.hashers.plain(bytes));
  return openSegment(files, by.maker, {
    segment,
    after: at.head,
    timeMs: by.owner.now(),
    controls: [
      { type: "segment", number: segment },
      { type: "gap", bytes: bytes.length, hash, file: at.torn },
      ...at.change,
    ],
  });
}

/** Makes a file that is there whole or not at all. */
async function publish(files: AuditFiles, name: string, bytes: Uint8Array): Promise<void> {
  const draft = draftName(name);
  const file = await files.create(draft);
  try {
    await writeAll(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(draft, name);
  await files.syncNames();
}

/** Shortens a segment to what is known to be durable. */
export async function cut(files: AuditFiles, segment: number, length: number): Promise<void> {
  const file = await files.open(segmentName(segment), "write");
  if (file === null) throw new Damage(`segment ${segment} is gone`);
  try {
    if ((await file.stat()).size > length) await file.truncate(length);
    await file.sync();
  } finally {
    await file.close();
  }
}

// What an earlier process wrote and did not live to sync must be durable before more follows it.
async function openTip(files: AuditFiles, segment: number): Promise<AuditFile> {
  const file = await files.open(segmentName(segment), "write");
  if (file === null) throw new Damage(`segment ${segment} is gone`);
  try {
    await file.sync();
    await files.syncNames();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function genesisAlgorithm(files: AuditFiles, owner: Owner): Promise<Algorithm> {
  const control = (await firstEntry(files, 1))?.control;
  if (control?.type !== "genesis")
    throw new Damage("its first entry is not a genesis entry of this version");
  if (control.installation !== toHex(owner.installationId))
    throw new Damage("it belongs to another installation");
  return control.algorithm;
}

/** The entry on the first line of a segment; says nothing about hashes. */
export async function firstEntry(
  files: ReadableFiles,
  segment: number,
): Promise<AuditEntry | null> {
  const start = await withFile(files, segmentName(segment), (file) =>
    readUpTo(file, 0, MAX_LINE_BYTES + 1),
  );
  const end = start?.indexOf(LINE_FEED) ?? -1;
  return start === null || end === -1 ? null : parseEntry(start.toString("utf8", 0, end));
}

type End = {
  readonly head: Reach;
  /** The key that signs there, as an index of keysOf. */
  readonly signer: number;
  /** Bytes of the segment that hold whole entries. */
  readonly length: number;
  /** Bytes behind them. */
  readonly torn: Buffer;
  readonly signed: { readonly checkpoint: Checkpoint; readonly unsigned: number };
};

async function findEnd(files: AuditFiles, rules: Rules, segment: number): Promise<End> {
  const opener = (await firstEntry(files, segment))?.control;
  const opens =
    segment === 1
      ? opener?.type === "genesis"
      : opener?.type === "segment" && opener.number === segment;
  if (!opens) throw new Damage(`segment ${segment} does not begin as one`);
  const signer = await segmentSigner(files, rules, segment);
  if (signer === null) throw new Damage(`segment ${segment} has no checkpoint where it begins`);

  const end = await withFile(files, segmentName(segment), async (file) => {
    const { size } = await file.stat();
    for (const look of [FIRST_LOOK_BYTES, RECOVERY_BYTES]) {
      const from = Math.max(0, size - look);
      const tail = await readUpTo(file, from, size - from);
      const found = endOf(tail, from, { rules, segment, signer });
      if (found !== null) return found;
      if (from === 0) break;
    }
    return null;
  });
  if (end === null) throw new Damage("it is damaged before its last checkpoint");
  return end;
}

// From the last line that its own signature proves, the chain is followed as in verification.
function endOf(
  tail: Buffer,
  offset: number,
  { rules, segment, signer }: { rules: Rules; segment: number; signer: number },
): End | null {
  const place = { segment, isFirst: false };
  for (let end = tail.lastIndexOf(LINE_FEED); end > 0;) {
    const start = tail.lastIndexOf(LINE_FEED, end - 1) + 1;
    const before = claimedReach(tail.toString("utf8", start, end));
    const reader = before && new ChainReader(rules, before, signer);
    if (reader?.accept(tail, start, end, place) === null) {
      let at = end + 1;
      let unsigned = 0;
      for (let next; (next = tail.indexOf(LINE_FEED, at)) !== -1; at = next + 1) {
        if (reader.accept(tail, at, next, place) !== null) break;
        unsigned++;
      }
      const { head, checkpoint } = reader;
      if (checkpoint === null) return null;
      const signed = { checkpoint, unsigned };
      return { head, signer, length: offset + at, torn: tail.subarray(at), signed };
    }
    end = start - 1;
  }
  return null;
}

/**
 * The key that signs a segment: that of the checkpoint among its opening entries. Checkpoints of
 * others behind it are none, whoever has a key that was replaced.
 */
async function segmentSigner(
  files: AuditFiles,
  rules: Rules,
  segment: number,
): Promise<number | null> {
  const start = await withFile(files, segmentName(segment), (file) =>
    readUpTo(file, 0, OPENING_BYTES),
  );
  const lines = (start?.toString("utf8") ?? "").split("\n").slice(0, OPENING_LINES);
  for (const line of lines) {
    const reach = claimedReach(line);
    const control = reach === null ? null : parseEntry(line)?.control;
    if (reach === null || control?.type !== "checkpoint") continue;
    return signerOf(rules.verifier, rules, reach, fromHex(control.signature) ?? new Uint8Array(0));
  }
  return null;
}

// Where a checkpoint's line says that the chain stood before it.
function claimedReach(line: string): Reach | null {
  if (!line.includes('"control":{"type":"checkpoint"')) return null;
  const entry = parseEntry(line);
  if (entry?.control?.type !== "checkpoint") return null;
  return { sequence: entry.seq - 1, hash: entry.prev, timeMs: entry.time };
}
