import { fromHex, toHex, type Checkpoint } from "@sesame/core-types";
import {
  checkpointOf,
  isSigned,
  keysOf,
  signerOf,
  type LogOwner,
  type Reach,
  type SignatureVerifier,
} from "./checkpoint.ts";
import { controlBody, parseEntry, type Control } from "./entry.ts";
import { NO_HASH, type EntryHasher } from "./hash.ts";
import { MAX_LINE_BYTES } from "./limits.ts";
import { hashedText, isHexOf, LineFrame, lineText, sameHex } from "./line.ts";

/** What lines are checked against. */
export type Rules = LogOwner & {
  readonly hasher: EntryHasher;
  readonly verifier: SignatureVerifier;
};

/** Where a line stands. */
export type Place = { readonly segment: number; readonly isFirst: boolean };

/** Why a line is not the next entry. */
export type Bad = { readonly sequence: number | null; readonly reason: string };

/** Order of the entries that open a segment; a checkpoint is the last. docs/AUDIT.md, Segments. */
const OPENING = { genesis: 0, segment: 0, gap: 1, key: 2, checkpoint: 3 } as const;

/** Where a chain begins: before its genesis entry. */
export const ORIGIN: Reach = { sequence: 0, hash: NO_HASH, timeMs: 0 };

/**
 * Follows a chain line by line. After a bad line it stands where it stood; nothing after that line
 * can be judged.
 */
export class ChainReader {
  readonly #rules: Rules;
  readonly #frame = new LineFrame();
  readonly #hash: Buffer;
  readonly #keys: readonly Uint8Array[];
  /** Index of the key in force; null until a checkpoint has told. */
  #signer: number | null;
  #sequence: number;
  #timeMs: number;
  /** The last entry's, if it was one about the log itself. */
  control: Control | null = null;
  checkpoint: Checkpoint | null = null;

  /**
   * @param from - the entry before the first line
   * @param signer - the key in force there, as an index of keysOf
   */
  constructor(rules: Rules, from: Reach = ORIGIN, signer: number | null = null) {
    this.#rules = rules;
    this.#keys = keysOf(rules);
    this.#signer = signer;
    this.#sequence = from.sequence;
    this.#timeMs = from.timeMs;
    this.#hash = Buffer.from(from.hash);
  }

  get sequence(): number {
    return this.#sequence;
  }

  get timeMs(): number {
    return this.#timeMs;
  }

  /** The key that signs where the chain stands, as an index of keysOf; null if none has yet. */
  get signer(): number | null {
    return this.#signer;
  }

  /** True among the entries that open a segment, until their checkpoint. */
  get isOpening(): boolean {
    return this.control !== null && this.control.type !== "checkpoint";
  }

  /** 64 hex digits. */
  get hash(): string {
    return this.#hash.toString("latin1");
  }

  get head(): Reach {
    return { sequence: this.#sequence, hash: this.hash, timeMs: this.#timeMs };
  }

  /** Takes the line between the offsets as the next entry; null if it is. */
  accept(bytes: Buffer, start: number, end: number, place: Place): Bad | null {
    const frame = this.#frame;
    if (end - start > MAX_LINE_BYTES)
      return { sequence: null, reason: `it is longer than ${MAX_LINE_BYTES} bytes` };
    if (!frame.read(bytes, start, end))
      return { sequence: null, reason: "it is not an audit entry" };

    const { sequence, timeMs } = frame;
    const hash = this.#rules.hasher.ofBytes(bytes, start, frame.hashedEnd);
    if (!isHexOf(hash, bytes, frame.hashAt))
      return { sequence, reason: "it does not match its own hash: it was changed" };
    if (sequence !== this.#sequence + 1)
      return {
        sequence,
        reason: `it follows entry ${this.#sequence}: entries were removed, added or moved`,
      };
    if (!sameHex(this.#hash, bytes, frame.prevAt))
      return {
        sequence,
        reason: "it does not continue the entry before it: one of the two was replaced",
      };

    let control: Control | null = null;
    if (frame.isControl) {
      control = this.#parse(bytes.toString("utf8", start, end));
      if (control === null)
        return { sequence, reason: "it is not a control entry of this version" };
    }
    const reason = this.#misplaced(control, place) ?? this.#untrue(control, timeMs);
    if (reason !== null) return { sequence, reason };

    this.control = control;
    this.#sequence = sequence;
    this.#timeMs = timeMs;
    bytes.copy(this.#hash, 0, frame.hashAt, frame.hashAt + this.#hash.length);
    return null;
  }

  // A control entry has one form, so that nothing can be added to it unseen.
  #parse(line: string): Control | null {
    const entry = parseEntry(line);
    if (entry === null || entry.control === null) return null;
    const { control } = entry;
    const hashed = hashedText(entry.prev, entry.seq, entry.time, controlBody(control));
    return lineText(hashed, entry.hash) === line ? control : null;
  }

  #misplaced(control: Control | null, { segment, isFirst }: Place): string | null {
    if (isFirst) {
      const opens =
        segment === 1
          ? control?.type === "genesis"
          : control?.type === "segment" && control.number === segment;
      if (!opens) return `segment ${segment} does not begin with it: lines or files were moved`;
      return this.isOpening ? "the segment before it ends where its first checkpoint is due" : null;
    }
    const opened = this.isOpening ? this.control : null;
    if (opened === null)
      return control === null || control.type === "checkpoint"
        ? null
        : "it belongs where a segment begins";
    return control !== null && OPENING[control.type] > OPENING[opened.type]
      ? null
      : "the first checkpoint of the segment is due before it";
  }

  #untrue(control: Control | null, timeMs: number): string | null {
    if (control?.type === "genesis")
      return control.installation === toHex(this.#rules.installationId)
        ? null
        : "the log belongs to another installation";
    if (control?.type === "key") return this.#follow(control.key);
    if (control?.type !== "checkpoint") return null;
    const reach = { sequence: this.#sequence, hash: this.hash, timeMs };
    const signature = fromHex(control.signature) ?? new Uint8Array(0);
    this.#signer ??= signerOf(this.#rules.verifier, this.#rules, reach, signature);
    if (!this.#isSigned(reach, signature))
      return (
        "its signature does not fit: an entry after the checkpoint before it was replaced," +
        " or another key signed"
      );
    this.checkpoint = checkpointOf(reach, signature);
    return null;
  }

  #isSigned(reach: Reach, signature: Uint8Array): boolean {
    const { verifier, installationId } = this.#rules;
    const publicKey = this.#keys[this.#signer ?? -1];
    return (
      publicKey !== undefined && isSigned(verifier, { installationId, publicKey }, reach, signature)
    );
  }

  /** From here on a later key signs; keys that never came to sign are passed over. */
  #follow(key: string): string | null {
    const next = this.#keys.findIndex((one) => toHex(one) === key);
    if (this.#signer === null || next <= this.#signer)
      return "it names a key that does not come after the one in force";
    this.#signer = next;
    return null;
  }
}
