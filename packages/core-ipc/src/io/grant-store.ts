import { close, constants, fdatasync, fsync, open, rename, rmSync, statSync, write } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { equalBytes, type Suite } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import { checkedRest } from "./checked.ts";
import { fileFault, readBounded, syncDirectory } from "./files.ts";

// The file of an owner's grants: its whole state, and behind it what has changed since. It finds
// damage; nothing finds an older copy. docs/AUTHORITY.md, Restart.

const FORM = new TextEncoder().encode("sesame grants v2\n");
/** A hash of the state, and the state: as it was stored when the file was replaced each time. */
const FORMER = new TextEncoder().encode("sesame grants v1\n");

const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
/** A length and the first bytes of a hash over it. */
const HEAD_BYTES = 16;
/** A hash that ends in so many zeros is not to be expected: what ends in them was not written. */
const UNWRITTEN = new Uint8Array(8);

/** Bytes behind the whole state from which on it is written anew; more, if it is larger itself. */
const LEAST_ROOM = 256 * 1024;
const MOST_ROOM = 32 * 1024 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;

/** What is stored; `GrantBook` is one. */
export type Storable = {
  /** All of it. */
  readonly serialise: () => Uint8Array;
  /** What has changed since the last call. */
  readonly takeChanges: () => Uint8Array;
};

/** What was stored. */
export type Stored = {
  readonly state: Uint8Array;
  /** In the order in which they happened. */
  readonly changes: readonly Uint8Array[];
  /** Bytes of a write that did not come to its end. */
  readonly torn: number;
};

/** The file, as long as nothing else is known to have touched it. */
type Journal = {
  readonly fd: number;
  readonly inode: number;
  /** Bytes of it. */
  readonly length: number;
  /** So long it may become. */
  readonly room: number;
  /** Hash of all so far. */
  readonly link: Uint8Array;
};

const closed = promisify(close);
const opened = promisify(open);
const renamed = promisify(rename);
const synced = promisify(fsync);
const dataSynced = promisify(fdatasync);
const written = promisify(write);

/** One owner's file. Only one process has it, and does one thing at a time with it. */
export class GrantStore {
  readonly #suite: Suite;
  readonly #path: string;
  #journal: Journal | null = null;

  constructor(suite: Suite, path: string) {
    this.#suite = suite;
    this.#path = path;
  }

  /**
   * What is on disk; null before the first write.
   *
   * @throws {Fault} integrity, if the file is damaged
   */
  load(): Stored | null {
    const file = readBounded(this.#path, MAX_BYTES);
    if (file === null) return null;
    const stored = startsWith(file, FORMER)
      ? readFormer(this.#suite, file)
      : readFrames(this.#suite, file);
    if (stored === null) throw damaged(this.#path);
    return stored;
  }

  /**
   * Resolves once all that is true now is on disk.
   *
   * @throws {Fault} io; what was there before is still there
   */
  async write(book: Storable): Promise<void> {
    const journal = this.#journal;
    // What could not be written to its end is never written behind.
    this.#journal = null;
    const changes = book.takeChanges();
    try {
      const frame = journal && framed(this.#suite, journal.link, changes);
      if (journal !== null && frame !== null && this.#hasRoom(journal, frame)) {
        await writeAll(journal.fd, frame, journal.length);
        await dataSynced(journal.fd);
        this.#journal = after(journal, frame);
      } else this.#journal = await this.#replace(book.serialise());
    } catch (cause) {
      throw fileFault(cause, this.#path);
    } finally {
      if (journal !== null && this.#journal?.fd !== journal.fd) await closed(journal.fd);
    }
  }

  async close(): Promise<void> {
    const journal = this.#journal;
    this.#journal = null;
    if (journal !== null) await closed(journal.fd);
  }

  #hasRoom({ length, room, inode }: Journal, frame: Uint8Array): boolean {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    return length + frame.length <= room && there?.ino === inode && there.size === length;
  }

  /** A crash leaves the old file or the new one. */
  async #replace(state: Uint8Array): Promise<Journal> {
    const { O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC } = constants;
    const draft = `${this.#path}.new`;
    const first = framed(this.#suite, this.#suite.blake2s(FORM), state);
    const fd = await opened(draft, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      await writeAll(fd, FORM, 0);
      await writeAll(fd, first, FORM.length);
      await synced(fd);
      await renamed(draft, this.#path);
      syncDirectory(dirname(this.#path));
      const length = FORM.length + first.length;
      const room = length + Math.min(Math.max(length, LEAST_ROOM), MOST_ROOM);
      const { ino: inode } = statSync(this.#path);
      return { fd, inode, length, room, link: linkOf(first) };
    } catch (cause) {
      await closed(fd);
      rmSync(draft, { force: true });
      throw cause;
    }
  }
}

export function damaged(path: string): Fault {
  return new Fault(
    "integrity",
    `${path} is damaged: no grants are taken`,
    `remove it and restart the daemons; grants are then made anew`,
  );
}

function startsWith(file: Uint8Array, form: Uint8Array): boolean {
  return equalBytes(file.subarray(0, form.length), form);
}

function readFormer(suite: Suite, file: Uint8Array): Stored | null {
  const state = checkedRest(suite, FORMER, file);
  return state === null ? null : { state, changes: [], torn: 0 };
}

function readFrames(suite: Suite, file: Uint8Array): Stored | null {
  if (!startsWith(file, FORM)) return null;
  const end = writtenEnd(file);
  const bodies: Uint8Array[] = [];
  let link = suite.blake2s(FORM);
  let at = FORM.length;
  while (at < end) {
    // Read on to the file's end: what was written may itself end in a zero.
    const rest = file.subarray(at);
    if (rest.length < HEAD_BYTES) break;
    const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
    const whole = HEAD_BYTES + length + HASH_BYTES;
    const isHead = equalBytes(rest.subarray(0, HEAD_BYTES), headOf(suite, link, length));
    if (!isHead && at + HEAD_BYTES <= end) return null;
    if (!isHead || rest.length < whole) break;
    const frame = rest.subarray(0, whole);
    const body = frame.subarray(HEAD_BYTES, HEAD_BYTES + length);
    const next = suite.blake2s(link, frame.subarray(0, LENGTH_BYTES), body);
    const isFrame = equalBytes(linkOf(frame), next);
    if (!isFrame && at + whole <= end) return null;
    if (!isFrame) break;
    link = next;
    bodies.push(body);
    at += whole;
  }
  const [state, ...changes] = bodies;
  // The first frame comes with the file.
  return state === undefined ? null : { state, changes, torn: file.length - at };
}

/** Where the zeros begin that stand for what was never written; the file's end if there are none. */
function writtenEnd(file: Uint8Array): number {
  if (!equalBytes(file.subarray(-UNWRITTEN.length), UNWRITTEN)) return file.length;
  return file.findLastIndex((byte) => byte !== 0) + 1;
}

function framed(suite: Suite, link: Uint8Array, body: Uint8Array): Uint8Array {
  const head = headOf(suite, link, body.length);
  return Buffer.concat([head, body, suite.blake2s(link, head.subarray(0, LENGTH_BYTES), body)]);
}

function headOf(suite: Suite, link: Uint8Array, length: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  new DataView(head.buffer).setUint32(0, length);
  const check = suite.blake2s(link, head.subarray(0, LENGTH_BYTES));
  head.set(check.subarray(0, HEAD_BYTES - LENGTH_BYTES), LENGTH_BYTES);
  return head;
}

function linkOf(frame: Uint8Array): Uint8Array {
  return frame.slice(-HASH_BYTES);
}

function after(journal: Journal, frame: Uint8Array): Journal {
  return { ...journal, length: journal.length + frame.length, link: linkOf(frame) };
}

async function writeAll(fd: number, content: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < content.length;) {
    const rest = content.length - done;
    const { bytesWritten } = await written(fd, content, done, rest, position + done);
    if (bytesWritten === 0) throw new Error("the file system wrote nothing");
    done += bytesWritten;
  }
}
