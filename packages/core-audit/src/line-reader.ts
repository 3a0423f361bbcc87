import type { ReadableFile } from "./files.ts";
import { MAX_LINE_BYTES } from "./limits.ts";

const LINE_FEED = 0x0a;

/** Reads whole lines from a file that may still grow, in bounded memory. */
export class LineReader {
  readonly #file: ReadableFile;
  readonly #buffer: Buffer;
  #filled = 0;
  #given = 0;
  #position: number;

  /** @param position - offset of the first byte of a line */
  constructor(file: ReadableFile, blockBytes: number, position = 0) {
    this.#file = file;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(blockBytes, MAX_LINE_BYTES + 1));
    this.#position = position;
  }

  /** Offset after the last byte that was read. */
  get position(): number {
    return this.#position;
  }

  /** Bytes that were read and are not a whole line. */
  get unfinished(): number {
    return this.#filled - this.#given;
  }

  /** True if what follows is no line: it has no end within the largest size. */
  get isOverlong(): boolean {
    return this.unfinished > MAX_LINE_BYTES;
  }

  /**
   * Bytes that end with a line feed, valid until the next call; null at the end of the file or if
   * a line is overlong.
   */
  async next(): Promise<Buffer | null> {
    this.#buffer.copyWithin(0, this.#given, this.#filled);
    this.#filled -= this.#given;
    this.#given = 0;
    while (!this.isOverlong) {
      const read = await this.#file.read(this.#buffer.subarray(this.#filled), this.#position);
      if (read === 0) return null;
      this.#position += read;
      this.#filled += read;
      this.#given = this.#buffer.lastIndexOf(LINE_FEED, this.#filled - 1) + 1;
      if (this.#given > 0) return this.#buffer.subarray(0, this.#given);
    }
    return null;
  }

  /** Continues at another offset, with nothing read. */
  moveTo(position: number): void {
    this.#position = position;
    this.#filled = this.#given = 0;
  }
}

/**
 * Calls with the bounds of each line of a block.
 *
 * @returns false once `visit` has returned false
 */
export function eachLine(block: Buffer, visit: (start: number, end: number) => boolean): boolean {
  for (let start = 0; start < block.length;) {
    const end = block.indexOf(LINE_FEED, start);
    if (end === -1) return true;
    if (!visit(start, end)) return false;
    start = end + 1;
  }
  return true;
}
