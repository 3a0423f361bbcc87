import type { Suite } from "@sesame/core-crypto";
import {
  BLOCK_REASONS,
  fromHex,
  isBlockSubject,
  limits,
  type BlockReason,
} from "@sesame/core-types";
import type { AuditEntry } from "../entry.ts";

// What an entry of the log says about the block list. docs/SIGNALS.md, Block list.

/** Entries that led to a block, in the log's order, and the hash over them. */
export type BlockEvidence = {
  /** 64 hex digits. */
  readonly hash: string;
  readonly entries: readonly number[];
};

/** What blocks somebody. */
export type Block = {
  /** Id of an identity, or a Noise key in hex. */
  readonly subject: string;
  readonly name: string | null;
  readonly reason: BlockReason;
  /** Unix milliseconds; null: until it is lifted. */
  readonly untilMs: number | null;
  readonly evidence: BlockEvidence | null;
};

/** A block that the log bears. */
export type RecordedBlock = Block & {
  readonly seq: number;
  /** Unix milliseconds of the entry. */
  readonly time: number;
  /** Who blocked it. */
  readonly by: string | null;
};

export type BlockChange =
  | { readonly adds: RecordedBlock }
  /** The subject that is blocked no more. */
  | { readonly removes: string };

const DOMAIN = new TextEncoder().encode("sesame block evidence v1\n");
const NONE = "-";
const FORM =
  /^(\S{1,64}) (\S{1,64}) ([a-z]+) until:(\d{1,16}|-)(?: evidence:([0-9a-f]{64}) of:([\d,]+))?$/;

/** The object of an entry that adds a block. */
export function blockText({ subject, name, reason, untilMs, evidence }: Block): string {
  const rests =
    evidence === null ? "" : ` evidence:${evidence.hash} of:${evidence.entries.join(",")}`;
  return `${subject} ${name ?? NONE} ${reason} until:${untilMs ?? NONE}${rests}`;
}

/** The object of an entry that removes one. */
export function unblockText(subject: string, name: string | null): string {
  return `${subject} ${name ?? NONE}`;
}

/** What the entry changes; null: nothing. */
export function blockChangeOf(entry: AuditEntry): BlockChange | null {
  const { actor, control, action, object, outcome, seq, time } = entry;
  // What another daemon asked to have recorded is no word of the writer's.
  const isOwn = control === null && actor !== null && actor.by === undefined;
  if (!isOwn || object === null || (outcome !== "ok" && !outcome.startsWith("ok:"))) return null;
  if (action === "block.remove") {
    const [subject = ""] = object.split(" ");
    return isBlockSubject(subject) ? { removes: subject } : null;
  }
  const block = action === "block.add" ? blockOf(object) : null;
  return block === null ? null : { adds: { ...block, seq, time, by: actor.name } };
}

function blockOf(object: string): Block | null {
  const [found, subject = "", name = "", reason = "", until = "", hash, of = ""] =
    FORM.exec(object) ?? [];
  const untilMs = until === NONE ? null : Number(until);
  const entries = of === "" ? [] : of.split(",").map(Number);
  const fits =
    found !== undefined &&
    isBlockSubject(subject) &&
    Object.hasOwn(BLOCK_REASONS, reason) &&
    (untilMs === null || Number.isSafeInteger(untilMs)) &&
    isEvidence(entries, hash === undefined ? 0 : 1);
  if (!fits) return null;
  return {
    subject,
    name: name === NONE ? null : name,
    reason: reason as BlockReason,
    untilMs,
    evidence: hash === undefined ? null : { hash, entries },
  };
}

/** Numbers of entries, each after the one before it. */
export function isEvidence(entries: readonly number[], least = 1): boolean {
  return (
    entries.length >= least &&
    entries.length <= limits.MAX_EVIDENCE &&
    entries.every((seq, i) => Number.isSafeInteger(seq) && seq > (entries[i - 1] ?? 0))
  );
}

/**
 * The hash over evidence: BLAKE2s-256 over the hashes that the entries bear, and so over all that
 * is in them.
 *
 * @param hashes - of the entries, 64 hex digits each, in their order
 * @returns 64 hex digits
 */
export function evidenceHash(suite: Pick<Suite, "blake2s">, hashes: readonly string[]): string {
  const bytes = hashes.map((hash) => fromHex(hash) ?? new Uint8Array(0));
  return Buffer.from(suite.blake2s(Buffer.concat([DOMAIN, ...bytes]))).toString("hex");
}
