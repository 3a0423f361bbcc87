import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
} from "node:fs";
import { fileFault, privateDirectory, type Paths } from "@sesame/core-ipc/daemon";

/** A log that is larger, in bytes, makes way for a new one; one old log is kept as `.1`. */
const ROTATE_BYTES = 1024 * 1024;

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/**
 * Opens the daemons' log for appending, mode 0600.
 *
 * @throws {Fault} io or config, if the state directory is not ours or not writable
 */
export function openLog({ state, log }: Pick<Paths, "state" | "log">): number {
  privateDirectory(state);
  try {
    const fd = openSync(log, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    fchmodSync(fd, 0o600);
    return fd;
  } catch (cause) {
    throw fileFault(cause, log);
  }
}

/** As `openLog`, with a new file if the old one has grown large. Only the supervisor does this. */
export function openRotatedLog(paths: Pick<Paths, "state" | "log">): number {
  const fd = openLog(paths);
  if (logSize(fd) <= ROTATE_BYTES) return fd;
  closeSync(fd);
  try {
    renameSync(paths.log, `${paths.log}.1`);
  } catch (cause) {
    throw fileFault(cause, paths.log);
  }
  return openLog(paths);
}

/** Bytes; 0 for what is no file. */
export function logSize(fd: number): number {
  const stat = fstatSync(fd);
  return stat.isFile() ? stat.size : 0;
}

/** What was written since the log had a size, at most the last `maxBytes` of it. */
export function readSince(fd: number, size: number, maxBytes: number): string {
  const end = logSize(fd);
  const start = Math.max(size, end - maxBytes);
  const buffer = Buffer.alloc(Math.max(0, end - start));
  const length = buffer.length === 0 ? 0 : readSync(fd, buffer, 0, buffer.length, start);
  return buffer.toString("utf8", 0, length);
}
