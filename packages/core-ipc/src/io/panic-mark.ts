import { lstatSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileFault, replaceFile, syncDirectory } from "./files.ts";

/**
 * That a panic holds, as a file: there is one, or there is not. What it says is for people.
 * docs/PROTOCOL.md, Panic.
 */
export class PanicMark {
  readonly #path: string;
  #held: boolean;

  /** @throws {Fault} if it cannot be known whether there is one */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#held = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch (cause) {
      throw fileFault(cause, path);
    }
  }

  get held(): boolean {
    return this.#held;
  }

  /**
   * Holds from this call on, and across restarts once it returns.
   *
   * @throws {Fault} io; then it holds until this process ends
   */
  hold(wallMs: number): void {
    this.#held = true;
    const text = `{"version":1,"since":"${new Date(wallMs).toISOString()}"}\n`;
    replaceFile(this.#path, new TextEncoder().encode(text));
  }

  /** @throws {Fault} io; then it holds on */
  lift(): void {
    try {
      rmSync(this.#path, { force: true });
      syncDirectory(dirname(this.#path));
    } catch (cause) {
      throw fileFault(cause, this.#path);
    }
    this.#held = false;
  }
}
