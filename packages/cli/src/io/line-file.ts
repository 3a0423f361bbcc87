import { closeSync, constants, fstatSync, fsyncSync, openSync, writeSync } from "node:fs";
import { fileFault } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** A file that lines are added to, each on disk when `add` returns. Made with mode 0600. */
export class LineFile {
  readonly #path: string;
  readonly #fd: number;

  /** @throws {Fault} io, if it cannot be opened; usage, if it is no file */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    } catch (cause) {
      throw fileFault(cause, path);
    }
    if (fstatSync(this.#fd).isFile()) return;
    closeSync(this.#fd);
    throw new Fault("usage", `${path} is no file`, "leave `--to` out and use a pipe");
  }

  /** @throws {Fault} io */
  add(line: string): void {
    try {
      const bytes = Buffer.from(line);
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
      fsyncSync(this.#fd);
    } catch (cause) {
      throw fileFault(cause, this.#path);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
