import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { privateDirectory, readBounded, replaceFile, type Paths } from "@sesame/core-ipc/daemon";
import { expectMembers, Fault, JsonError, readJson } from "@sesame/core-types";
import { tryLock } from "@sesame/native";

/** The last entry of the log that was dealt with. */
export type Cursor = { readonly seq: number; readonly hash: string };

const MAX_BYTES = 1_024;

export class CursorFile {
  readonly #path: string;

  /**
   * Takes the place in the log for this process, until it ends.
   *
   * @throws {Fault} exists, if another process holds it
   */
  constructor({ state }: Pick<Paths, "state">) {
    privateDirectory(state);
    this.#path = join(state, "alerts.json");
    const fd = openSync(join(state, "alerts.lock"), "a", 0o600);
    if (tryLock(fd)) return;
    closeSync(fd);
    throw new Fault("exists", "alerts are sent by another process already", "stop that one first");
  }

  /** Null if there is none, or none that can be read: alerts then begin with what comes. */
  read(): Cursor | null {
    const bytes = readBounded(this.#path, MAX_BYTES);
    if (bytes === null) return null;
    try {
      const { seq, hash } = expectMembers(readJson(bytes, MAX_BYTES), ["seq", "hash"]);
      return typeof seq === "number" && typeof hash === "string" ? { seq, hash } : null;
    } catch (cause) {
      if (cause instanceof JsonError) return null;
      throw cause;
    }
  }

  write(cursor: Cursor): void {
    replaceFile(this.#path, Buffer.from(`${JSON.stringify(cursor)}\n`));
  }
}
