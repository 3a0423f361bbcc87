// Every bound of the audit log, with its unit; docs/AUDIT.md, Limits.

/** Bytes of one line without its line feed. */
export const MAX_LINE_BYTES = 16_384;
/** Bytes after which a segment is followed by the next. */
export const SEGMENT_BYTES = 50_000_000;
/** Entries after which a checkpoint is written. */
export const CHECKPOINT_ENTRIES = 256;
/** Milliseconds that an entry waits for a checkpoint at most. */
export const CHECKPOINT_MS = 600_000;
/** Bytes of the lines that share one write. */
export const BATCH_BYTES = 1024 * 1024;
/**
 * Bytes at the end of a log that opening looks at: 256 entries of the largest size, a batch, and
 * as much again for what a crash may leave.
 */
export const RECOVERY_BYTES = 8 * 1024 * 1024;
/** Bytes that verification holds in memory. */
export const SCAN_BYTES = 1024 * 1024;
/** Gaps that a report lists; the others are counted. */
export const MAX_REPORTED_GAPS = 256;

/** What an installation may set. */
export type AuditLimits = {
  readonly segmentBytes: number;
  readonly checkpointEntries: number;
  readonly checkpointMs: number;
};

export const DEFAULT_LIMITS: AuditLimits = {
  segmentBytes: SEGMENT_BYTES,
  checkpointEntries: CHECKPOINT_ENTRIES,
  checkpointMs: CHECKPOINT_MS,
};
