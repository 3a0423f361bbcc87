import { limits } from "@sesame/core-types";
import type { Redactor } from "../redact/redactor.ts";

/** One stream of a program's output on its way to its reader: redacted, and bounded. */
export class Output {
  readonly #redactor: Redactor | null;
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;

  /** @param redactor - null hands on everything as it is */
  constructor(redactor: Redactor | null) {
    this.#redactor = redactor;
  }

  /** True while no more should be read from the program. */
  get full(): boolean {
    return this.#bytes >= limits.MAX_RUN_OUTPUT;
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** The chunk is not kept. */
  push(chunk: Uint8Array): void {
    this.#keep(this.#redactor === null ? new Uint8Array(chunk) : this.#redactor.push(chunk));
  }

  /** Nothing follows. May be called twice. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#redactor === null) return;
    this.#keep(this.#redactor.end());
    this.#redactor.destroy();
  }

  /** The next bytes for the reader, at most MAX_RUN_OUTPUT. */
  take(): Uint8Array {
    const all = Buffer.concat(this.#waiting);
    const part = all.subarray(0, limits.MAX_RUN_OUTPUT);
    const rest = all.subarray(part.length);
    this.#waiting.length = 0;
    this.#bytes = 0;
    this.#keep(rest);
    return part;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }
}
