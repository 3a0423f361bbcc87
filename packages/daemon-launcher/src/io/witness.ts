import { constants, type BigIntStats } from "node:fs";
import { open, readlink, stat, type FileHandle } from "node:fs/promises";
import { createSha256 } from "@sesame/core-crypto/sha256";
import { ancestry } from "@sesame/core-ipc/server";
import { Denial, limits, utf8Length, type Clock, type Processes } from "@sesame/core-types";

const PIECE = 1024 * 1024;
const MAX_DIGESTS = 256;
/** A file that was changed a moment ago may be changed again without its times showing it. */
const SETTLED_MS = 2_000;

type Program = {
  readonly path: string | null;
  readonly sha256: Uint8Array | null;
};

/**
 * Sees which program a process runs, for a bus host that is not let. One after the other, and by
 * calls that do not keep this process from its other work. docs/LAUNCHER.md, Evidence.
 */
export class Witness {
  readonly #clock: Clock;
  readonly #proc: string;
  /** By the file and its state; the oldest first. */
  readonly #digests = new Map<string, Uint8Array>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @param proc - where proc(5) is */
  constructor(clock: Clock, proc = "/proc") {
    this.#clock = clock;
    this.#proc = proc;
  }

  /**
   * A process and its parents; none if there is no such process. What cannot be seen is null.
   *
   * @throws {Denial} busy
   */
  async describe(pid: number): Promise<Processes> {
    if (this.#waiting >= limits.MAX_DESCRIBES) throw new Denial("busy");
    this.#waiting += 1;
    const mine = this.#last.then(() => this.#describe(pid));
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #describe(pid: number): Promise<Processes> {
    const [first, ...parents] = ancestry(pid, this.#proc);
    if (first === undefined) return { processes: [], sha256: null };
    const { path, sha256 } = await this.#programOf(pid);
    return { processes: [{ ...first, executable: path }, ...parents], sha256 };
  }

  /** Path and digest are those of one file: it is opened once. */
  async #programOf(pid: number): Promise<Program> {
    let file: FileHandle | null = null;
    try {
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      file = await open(`${this.#proc}/${pid}/exe`, flags);
      const found = await file.stat({ bigint: true });
      if (!found.isFile()) return { path: null, sha256: null };
      return { path: await pathOf(file, found), sha256: await this.#digestOf(file, found) };
    } catch {
      // Another user's, a daemon's that is closed to others, or gone.
      return { path: null, sha256: null };
    } finally {
      await file?.close();
    }
  }

  async #digestOf(file: FileHandle, found: BigIntStats): Promise<Uint8Array | null> {
    if (found.size > limits.MAX_PROGRAM_BYTES) return null;
    const key = stateOf(found);
    const known = this.#digests.get(key);
    if (known !== undefined) return known;
    const settled = this.#clock.wallMs() - Number(found.ctimeMs) > SETTLED_MS;
    const sha256 = await this.#read(file);
    if (sha256 === null || stateOf(await file.stat({ bigint: true })) !== key) return null;
    if (settled) this.#keep(key, sha256);
    return sha256;
  }

  /** Null for a file that is too large, or too slow. */
  async #read(file: FileHandle): Promise<Uint8Array | null> {
    const until = this.#clock.monotonicMs() + limits.DESCRIBE_TIMEOUT_MS;
    const hash = createSha256();
    const buffer = new Uint8Array(PIECE);
    for (let at = 0; at <= limits.MAX_PROGRAM_BYTES;) {
      const { bytesRead } = await file.read(buffer, 0, PIECE, at);
      if (bytesRead === 0) return hash.digest();
      if (this.#clock.monotonicMs() > until) return null;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return null;
  }

  #keep(key: string, sha256: Uint8Array): void {
    const [oldest] = this.#digests.keys();
    if (this.#digests.size >= MAX_DIGESTS && oldest !== undefined) this.#digests.delete(oldest);
    this.#digests.set(key, sha256);
  }
}

/** Null if the file does not lie there any more, or only for processes that see other mounts. */
async function pathOf(file: FileHandle, { dev, ino }: BigIntStats): Promise<string | null> {
  const path = await readlink(`/proc/self/fd/${file.fd}`);
  if (utf8Length(path) > limits.MAX_TEXT_BYTES) return null;
  const there = await stat(path, { bigint: true }).catch(() => null);
  return there?.dev === dev && there.ino === ino ? path : null;
}

function stateOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
