import { Fault, toHex, type Checkpoint } from "@sesame/core-types";
import { verifyAudit, type AuditReport, type GoodEntry, type VerifyOptions } from "./verify.ts";

/** Payload type of a signed export: a head of JSON and the lines of the log. docs/AUDIT.md, Export */
export const EXPORT_TYPE = "application/vnd.sesame.audit-export.v2+jsonl";
/** Bytes of the lines of one export. */
export const MAX_EXPORT_BYTES = 48 * 1024 * 1024;

export type ExportOptions = Omit<VerifyOptions, "anchors" | "onEntry"> & {
  /** First entry; 1 unless given. */
  readonly from?: number;
  /** Last entry, which the checkpoint after it follows; the whole rest unless given. */
  readonly to?: number;
  readonly anchors: readonly { readonly profile: string | null; readonly checkpoint: Checkpoint }[];
  /** Name of the identity that will sign. */
  readonly exporter: string;
  readonly nowMs: number;
  /** Bytes of the lines; MAX_EXPORT_BYTES unless given. */
  readonly maxBytes?: number;
};

export type AuditExport = {
  readonly report: AuditReport;
  /** What is to be signed, if the log is good; else null. */
  readonly payload: Uint8Array | null;
  /** Entries that it holds. */
  readonly from: number;
  readonly to: number;
};

/**
 * Verifies the whole log and takes a range of it.
 *
 * @throws {Fault} `not-found` if the range is not there, `data` if it is too large for one file
 */
export async function exportAudit(dir: string, options: ExportOptions): Promise<AuditExport> {
  const { from = 1, to = Infinity, maxBytes = MAX_EXPORT_BYTES } = options;
  const range = new Range(from, to, maxBytes);
  const report = await verifyAudit(dir, {
    ...options,
    anchors: options.anchors.map(({ checkpoint }) => checkpoint),
    onEntry: (entry, line) => range.take(entry, line),
  });
  if (!report.ok) return { report, payload: null, from, to: from };
  if (range.last < from)
    throw new Fault(
      "not-found",
      `the audit log ends with entry ${report.lastSequence}`,
      "`sesame audit tail` shows the last entries",
    );
  if (range.bytes > maxBytes)
    throw new Fault(
      "data",
      `these entries have more than ${maxBytes} bytes`,
      "export a part: `--from` and `--to` take numbers of entries",
    );
  const head = headOf(options, report, range);
  return { report, payload: range.payload(head), from, to: range.last };
}

/** The lines from one entry up to another and to the checkpoint that signs it. */
class Range {
  readonly from: number;
  readonly #to: number;
  readonly #maxBytes: number;
  readonly #lines: Buffer[] = [];
  #isOver = false;
  algorithm = "";
  bytes = 0;
  last = 0;

  constructor(from: number, to: number, maxBytes: number) {
    this.from = from;
    this.#to = to;
    this.#maxBytes = maxBytes;
  }

  take({ sequence, control }: GoodEntry, line: Uint8Array): void {
    if (control?.type === "genesis") this.algorithm = control.algorithm;
    if (sequence < this.from || this.#isOver) return;
    this.#isOver = sequence >= this.#to && control?.type === "checkpoint";
    this.last = sequence;
    this.bytes += line.length + 1;
    // What is too large is only measured.
    if (this.bytes <= this.#maxBytes) this.#lines.push(Buffer.from(line), FEED);
  }

  payload(head: object): Uint8Array {
    return Buffer.concat([Buffer.from(JSON.stringify(head)), FEED, ...this.#lines]);
  }
}

const FEED = Buffer.from("\n");

function headOf(options: ExportOptions, report: AuditReport, range: Range): object {
  return {
    version: 2,
    installation: toHex(options.installationId),
    algorithm: range.algorithm,
    writers: report.writers,
    exporter: options.exporter,
    time: options.nowMs,
    from: range.from,
    to: range.last,
    anchors: options.anchors.map(({ profile, checkpoint }) => ({
      profile,
      sequence: checkpoint.sequence,
      hash: toHex(checkpoint.hash),
      time: checkpoint.timeMs,
      signature: toHex(checkpoint.signature),
    })),
    blind: [...left(range, report), ...report.blind],
  };
}

function left({ from, last }: Range, { lastSequence }: AuditReport): string[] {
  return [
    ...(from > 1 ? [`entries 1 to ${from - 1} are not in this file`] : []),
    ...(last < lastSequence
      ? [`the log went on to entry ${lastSequence}, which is not in this file`]
      : []),
  ];
}
