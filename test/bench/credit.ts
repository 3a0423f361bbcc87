import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

const BYTES = 8;

/**
 * A count in a small file that the page cache holds: the receiver leaves there how much it has, so
 * that the sender stays within a window and no message about it crosses the bus.
 */
export class Credit {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(BYTES);

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  get count(): number {
    readSync(this.#fd, this.#bytes, 0, BYTES, 0);
    return Number(this.#bytes.readBigUInt64LE());
  }

  set count(count: number) {
    this.#bytes.writeBigUInt64LE(BigInt(count));
    writeSync(this.#fd, this.#bytes, 0, BYTES, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
