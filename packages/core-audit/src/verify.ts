import { toHex, type Checkpoint } from "@sesame/core-types";
import { ChainReader, type Rules } from "./chain.ts";
import { keysOf, signerOf, type LogOwner, type SignatureVerifier } from "./checkpoint.ts";
import type { Control } from "./entry.ts";
import { readUpTo, withFile, type ReadableFile, type ReadableFiles } from "./files.ts";
import { loadHashers, type LogHashers } from "./io/hashers.ts";
import { nodeFiles } from "./io/node-files.ts";
import { eachLine, LineReader } from "./line-reader.ts";
import { MAX_LINE_BYTES, MAX_REPORTED_GAPS, RECOVERY_BYTES, SCAN_BYTES } from "./limits.ts";
import { isTorn, segmentName, segmentNumbers } from "./names.ts";
import { firstEntry } from "./recover.ts";

export type VerifyOptions = LogOwner & {
  /** A crypto suite. */
  readonly suite: SignatureVerifier;
  /** Checkpoints that were kept outside of the log. */
  readonly anchors: readonly Checkpoint[];
  /** Called with each good entry. The line, without line feed, is valid until it returns. */
  readonly onEntry?: (entry: GoodEntry, line: Uint8Array) => void;
  readonly files?: ReadableFiles;
};

export type GoodEntry = { readonly sequence: number; readonly control: Control | null };

/**
 * `missing`: the log ends before it. `unreached`: the first bad entry comes before it. `not signed`:
 * not by the key that signs there.
 */
export type AnchorState = "matches" | "contradicts" | "missing" | "unreached" | "not signed";

export type AuditReport = {
  /** No bad entry, and every anchor matches. */
  readonly ok: boolean;
  /** Entries that are good: all, or those before the first bad one. */
  readonly entries: number;
  readonly segments: number;
  readonly checkpoints: number;
  readonly lastSequence: number;
  /** The keys that sign, in hex, each from an entry on. */
  readonly writers: readonly { readonly from: number; readonly key: string }[];
  /** 64 hex digits; zeros if there is no good entry. */
  readonly lastHash: string;
  /** `line` counts from 1. `sequence` is the entry's own claim. */
  readonly firstBad: {
    readonly segment: number;
    readonly line: number;
    readonly sequence: number | null;
    readonly reason: string;
  } | null;
  /** Where crashes tore the log; the first 256. */
  readonly gaps: readonly Gap[];
  readonly anchors: readonly { readonly sequence: number; readonly state: AnchorState }[];
  /** What is worth knowing and no error. */
  readonly notes: readonly string[];
  /** What this verification could not see, in sentences. */
  readonly blind: readonly string[];
};

export type Gap = {
  readonly sequence: number;
  readonly bytes: number;
  /** 64 hex digits. */
  readonly hash: string;
  readonly file: string;
  /** Whether the bytes that were set aside are still what the log says. */
  readonly saved: "matches" | "differs" | "missing";
};

/**
 * Reads a log from its first entry to its last, in constant memory, and writes nothing.
 *
 * @param dir - directory of the log
 * @throws what the file system throws, apart from absence
 */
export async function verifyAudit(dir: string, options: VerifyOptions): Promise<AuditReport> {
  const files = options.files ?? nodeFiles(dir);
  const numbers = segmentNumbers((await files.list()) ?? []);
  const control = (await firstEntry(files, 1))?.control;
  // Whatever is no genesis entry is refused as such, with either hash.
  const hashers = await loadHashers(control?.type === "genesis" ? control.algorithm : "sha256");
  const run = new Verification(files, options, hashers);
  await run.readAll(numbers);
  return run.report();
}

type KnownAnchor = {
  readonly sequence: number;
  readonly hash: string;
  /** Index of the key that signed it. */
  readonly signer: number;
  state: AnchorState;
};

class Verification {
  readonly #files: ReadableFiles;
  readonly #hashers: LogHashers;
  readonly #chain: ChainReader;
  readonly #onEntry: VerifyOptions["onEntry"];
  /** In hex, in the order in which they sign. */
  readonly #keys: readonly string[];
  readonly #writers: { readonly from: number; readonly key: string }[] = [];
  /** Ascending, those that a key of the log signed; the first `#passed` were compared. */
  readonly #anchors: KnownAnchor[] = [];
  /** Those that no key of the log signed. */
  readonly #forged: number[] = [];
  #passed = 0;
  #entries = 0;
  #firstBad: AuditReport["firstBad"] = null;
  #segments = 0;
  #line = 0;
  #checkpoints = 0;
  #signedUpTo = 0;
  #unfinished = 0;
  readonly #gaps: Omit<Gap, "saved">[] = [];
  #gapCount = 0;
  #backwards = { times: 0, first: 0 };

  constructor(files: ReadableFiles, options: VerifyOptions, hashers: LogHashers) {
    this.#files = files;
    this.#hashers = hashers;
    this.#onEntry = options.onEntry;
    const { installationId, publicKey, formerKeys = [], suite: verifier } = options;
    const rules: Rules = {
      installationId,
      publicKey,
      formerKeys,
      verifier,
      hasher: hashers.entry,
    };
    this.#keys = keysOf(rules).map(toHex);
    this.#chain = new ChainReader(rules);
    for (const anchor of options.anchors.toSorted((a, b) => a.sequence - b.sequence)) {
      const { sequence } = anchor;
      const hash = toHex(anchor.hash);
      const signer = signerOf(verifier, rules, { ...anchor, hash }, anchor.signature);
      if (signer === null) this.#forged.push(sequence);
      else this.#anchors.push({ sequence, hash, signer, state: "unreached" });
    }
  }

  async readAll(numbers: readonly number[]): Promise<void> {
    // Where a number is missing, there are fewer than the last one says: the hole comes first.
    for (let segment = 1; segment <= numbers.length && this.#firstBad === null; segment++)
      await this.#readSegment(segment, segment === numbers.at(-1));
    if (this.#firstBad !== null) return;
    if (numbers.length === 0) return this.#absent(1, "there is no log");
    this.#endOfLog();
  }

  async #readSegment(segment: number, isLast: boolean): Promise<void> {
    const name = segmentName(segment);
    const found = await withFile(this.#files, name, (file) =>
      this.#readFile(segment, file, isLast),
    );
    if (found === null) this.#absent(segment, `segment ${segment} is missing`);
  }

  async #readFile(segment: number, file: ReadableFile, isLast: boolean): Promise<void> {
    this.#segments++;
    this.#line = 0;
    const reader = new LineReader(file, SCAN_BYTES);
    for (let block; (block = await reader.next()) !== null;) {
      const lines = block;
      const whole = eachLine(lines, (start, end) => this.#accept(segment, lines, start, end));
      if (!whole) return;
    }
    const { unfinished } = reader;
    if (reader.isOverlong) this.#bad(segment, null, `it is longer than ${MAX_LINE_BYTES} bytes`);
    else if (this.#line === 0) this.#bad(segment, null, "the segment has no entry");
    else if (unfinished > 0 && !isLast) this.#bad(segment, null, "the line is not whole");
    this.#unfinished = unfinished;
  }

  #accept(segment: number, block: Buffer, start: number, end: number): boolean {
    const chain = this.#chain;
    const before = chain.timeMs;
    const bad = chain.accept(block, start, end, { segment, isFirst: this.#line === 0 });
    if (bad !== null) {
      this.#bad(segment, bad.sequence, bad.reason);
      return false;
    }
    if (chain.timeMs < before) {
      this.#backwards.times++;
      this.#backwards.first ||= chain.sequence;
    }
    this.#note();
    if (!this.#compareAnchors(segment)) return false;
    this.#onEntry?.(chain, block.subarray(start, end));
    this.#entries++;
    this.#line++;
    return true;
  }

  #note(): void {
    const { control, sequence } = this.#chain;
    this.#noteWriter();
    if (control?.type === "checkpoint") {
      this.#checkpoints++;
      this.#signedUpTo = sequence;
    }
    if (control?.type !== "gap") return;
    this.#gapCount++;
    const { bytes, hash, file } = control;
    if (this.#gaps.length < MAX_REPORTED_GAPS) this.#gaps.push({ sequence, bytes, hash, file });
  }

  #noteWriter(): void {
    const { sequence, signer } = this.#chain;
    const key = this.#keys[signer ?? -1];
    if (key === undefined || key === this.#writers.at(-1)?.key) return;
    const isFirst = this.#writers.length === 0;
    this.#writers.push({ from: isFirst ? 1 : sequence, key });
    if (!isFirst) return;
    // The first checkpoint tells which key the log began with.
    for (const anchor of this.#anchors.slice(0, this.#passed))
      if (this.#isOthers(anchor)) anchor.state = "not signed";
  }

  /** False if an anchor tells of another entry than the last. */
  #compareAnchors(segment: number): boolean {
    const { sequence } = this.#chain;
    for (let anchor; (anchor = this.#anchors[this.#passed]) !== undefined; this.#passed++) {
      if (anchor.sequence > sequence) break;
      if (this.#isOthers(anchor)) {
        anchor.state = "not signed";
        continue;
      }
      const agrees = anchor.sequence === sequence && anchor.hash === this.#chain.hash;
      anchor.state = agrees ? "matches" : "contradicts";
      if (!agrees) {
        this.#bad(segment, sequence, "an anchor saw another entry here: the log was rewritten");
        return false;
      }
    }
    return true;
  }

  /** True if another key signs where the chain stands than signed the anchor. */
  #isOthers({ signer }: KnownAnchor): boolean {
    const inForce = this.#chain.signer;
    return inForce !== null && signer !== inForce;
  }

  #endOfLog(): void {
    const { sequence, signer } = this.#chain;
    const rest = this.#anchors.slice(this.#passed);
    for (const anchor of rest)
      anchor.state = anchor.signer < (signer ?? 0) ? "not signed" : "missing";
    const reason = this.#whyNoEnd(rest.findLast(({ state }) => state === "missing")?.sequence);
    if (reason !== null) this.#bad(this.#segments, sequence + 1, reason);
  }

  /** Why no log ends where this one does; null if one may. */
  #whyNoEnd(anchored: number | undefined): string | null {
    const { signer, isOpening } = this.#chain;
    if ((signer ?? 0) < this.#keys.length - 1)
      return (
        "the log ends here under a key that was replaced: it was cut back, or the bus host was not" +
        " started since"
      );
    if (anchored !== undefined) return `the log ends here; an anchor saw entry ${anchored}`;
    return isOpening ? "the log ends here, where the first checkpoint of its segment is due" : null;
  }

  #bad(segment: number, sequence: number | null, reason: string): void {
    this.#firstBad = { segment, line: this.#line + 1, sequence, reason };
  }

  #absent(segment: number, reason: string): void {
    this.#firstBad = { segment, line: 1, sequence: this.#chain.sequence + 1, reason };
  }

  async report(): Promise<AuditReport> {
    const gaps: Gap[] = [];
    for (const gap of this.#gaps) gaps.push({ ...gap, saved: await this.#savedState(gap) });
    const forged = this.#forged.map((sequence) => ({ sequence, state: "not signed" as const }));
    const anchors = [
      ...this.#anchors.map(({ sequence, state }) => ({ sequence, state })),
      ...forged,
    ];
    return {
      ok: this.#firstBad === null && anchors.every(({ state }) => state === "matches"),
      entries: this.#entries,
      segments: this.#segments,
      checkpoints: this.#checkpoints,
      lastSequence: this.#chain.sequence,
      writers: this.#writers,
      lastHash: this.#chain.hash,
      firstBad: this.#firstBad,
      gaps,
      anchors,
      notes: this.#notes(),
      blind: this.#blind(),
    };
  }

  async #savedState(gap: Omit<Gap, "saved">): Promise<Gap["saved"]> {
    // The name comes from the log: nothing but a torn file of this directory is opened.
    if (!isTorn(gap.file) || gap.bytes > RECOVERY_BYTES) return "differs";
    const bytes = await withFile(this.#files, gap.file, (file) => readUpTo(file, 0, gap.bytes + 1));
    if (bytes === null) return "missing";
    return toHex(this.#hashers.plain(bytes)) === gap.hash ? "matches" : "differs";
  }

  #notes(): string[] {
    const { times, first } = this.#backwards;
    const more = times > 1 ? ` and at ${times - 1} more` : "";
    const unlisted = this.#gapCount - this.#gaps.length;
    return [
      ...(times > 0 ? [`time goes back at entry ${first}${more}`] : []),
      ...(unlisted > 0 ? [`${unlisted} more gaps are recorded`] : []),
    ];
  }

  #blind(): string[] {
    const last = this.#chain.sequence;
    const anchored = this.#anchors.findLast(({ state }) => state === "matches")?.sequence;
    const unsigned = last - this.#signedUpTo;
    const sentences: string[] = [];
    if (this.#firstBad !== null) sentences.push("nothing after the first bad entry was judged");
    if (unsigned > 0)
      sentences.push(
        `entries after checkpoint ${this.#signedUpTo} (${unsigned}) are chained but not yet signed;` +
          " someone with write access could replace or remove them",
      );
    if (this.#unfinished > 0)
      sentences.push(
        `the last ${this.#unfinished} bytes are not a whole entry: it is being written, or a crash` +
          " tore it; the next start of the daemon records a gap",
      );
    if (anchored === undefined)
      sentences.push(
        "no anchor outside the log was given: a log rewritten together with the signing key, or" +
          " cut back to an older checkpoint, would not be noticed",
      );
    else if (anchored < last)
      sentences.push(
        `no anchor is newer than entry ${anchored}: entries after it (${last - anchored}) rewritten` +
          " together with the signing key, or cut back to an older checkpoint, would not be noticed",
      );
    return sentences;
  }
}
