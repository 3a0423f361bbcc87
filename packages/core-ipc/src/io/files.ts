import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
  type Stats,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { Fault } from "@sesame/core-types";

/** The `code` of a system error, or "" for anything else. */
export function errorCode(cause: unknown): string {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return code ?? "";
}

/** A Fault that names the file and the remedy; other errors pass through. */
export function fileFault(cause: unknown, path: string): Fault {
  if (cause instanceof Fault) return cause;
  const code = errorCode(cause);
  const [exit, message, hint] = {
    ENOSPC: ["io", `no space left for ${path}`, "free some space; nothing was lost"],
    EDQUOT: ["io", `the quota is used up for ${path}`, "free some space; nothing was lost"],
    EROFS: [
      "io",
      `${path} is on a read-only file system`,
      "make it writable, or set XDG_CONFIG_HOME",
    ],
    EACCES: ["io", `no permission for ${path}`, "check the owner and mode of the directory"],
    EPERM: ["io", `no permission for ${path}`, "check the owner and mode of the directory"],
    ENOTDIR: ["config", `a part of ${path} is not a directory`, "move the file out of the way"],
  }[code] ?? ["fault", `${path}: ${code || String(cause)}`, "see the daemon's log"];
  return new Fault(exit as "io", message as string, hint as string, cause);
}

/**
 * Who owns a link and who may enter it says nothing of what lies behind.
 *
 * @throws {Fault} config
 */
export function expectNoLink(found: Stats, path: string): void {
  if (!found.isSymbolicLink()) return;
  const hint = "put there what it leads to; the directory of all (`pds`) may be a link itself";
  throw new Fault("config", `${path} is a symbolic link`, hint);
}

/**
 * Makes a directory that only its owner may enter, or checks that it is one.
 *
 * @throws {Fault} config, if somebody else owns it or others may enter
 */
export function privateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw fileFault(cause, path);
  }
  const found = lstatSync(path);
  expectNoLink(found, path);
  const { uid, mode } = found;
  if (uid !== process.getuid?.())
    throw new Fault("config", `${path} belongs to another user`, "remove it, or use another path");
  if ((mode & 0o077) !== 0)
    throw new Fault("config", `${path} can be entered by other users`, `chmod 700 ${path}`);
}

/**
 * As privateDirectory, for a directory whose files prove themselves: one of our own that others
 * may enter, as a restored backup has it, is closed to them instead of refused.
 */
export function closedDirectory(path: string): void {
  const mine = lstatSync(path, { throwIfNoEntry: false });
  if (mine?.isDirectory() === true && mine.uid === process.getuid?.()) chmodSync(path, 0o700);
  privateDirectory(path);
}

/**
 * Checks that only root decides what lies under a name: the directory, and the file if one is
 * named, are root's and nobody else may write them.
 *
 * @throws {Fault} config
 */
export function rootsOwn(...paths: readonly string[]): void {
  for (const path of paths) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined)
      throw new Fault(
        "config",
        `there is no ${path}`,
        "run `sesame daemon install --system` again",
      );
    const link = found.isSymbolicLink();
    if (found.uid !== 0 || link || (found.mode & 0o022) !== 0)
      throw new Fault(
        "config",
        `others than root may change ${path}`,
        `as root: chown root ${path} && chmod go-w ${path}`,
      );
  }
}

/** Replaces a file so that a crash leaves the old or the new content. */
export function replaceFile(path: string, content: Uint8Array, mode = 0o600): void {
  withTemporary(path, content, mode, (temporary) => renameSync(temporary, path));
}

/** As replaceFile: whom the directory lets read may read the file, too. In system mode, the daemons. */
export function replaceOffered(path: string, content: Uint8Array): void {
  replaceFile(path, content, 0o600 | (statSync(dirname(path)).mode & 0o040));
}

/**
 * Creates a file that must not be there yet, mode 0600.
 *
 * @returns false if it is there; it is left as it is
 */
export function createFile(path: string, content: Uint8Array): boolean {
  return withTemporary(path, content, 0o600, (temporary) => {
    try {
      linkSync(temporary, path);
      return true;
    } catch (cause) {
      if (errorCode(cause) !== "EEXIST") throw cause;
      return false;
    } finally {
      unlinkSync(temporary);
    }
  });
}

function withTemporary<T>(
  path: string,
  content: Uint8Array,
  mode: number,
  place: (temporary: string) => T,
): T {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      if (mode !== 0o600) fchmodSync(fd, mode);
      writeAll(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const placed = place(temporary);
    syncDirectory(dirname(path));
    return placed;
  } catch (cause) {
    removeIfThere(temporary);
    throw fileFault(cause, path);
  }
}

/**
 * Reads a file of a known kind.
 *
 * @param maxBytes - refused beyond
 * @returns null if there is none
 */
export function readBounded(path: string, maxBytes: number): Buffer | null {
  try {
    // Nobody's pipe keeps us waiting, and no device is read without end.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size, mode } = fstatSync(fd);
      if ((mode & constants.S_IFMT) !== constants.S_IFREG)
        throw new Fault("config", `${path} is no file`, "move it out of the way");
      if (size > maxBytes)
        throw new Fault("integrity", `${path} is too large`, "restore it from a backup");
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw fileFault(cause, path);
  }
}

function writeAll(fd: number, content: Uint8Array): void {
  let at = 0;
  while (at < content.length) at += writeSync(fd, content, at);
}

/** Makes names that were created, renamed or removed in a directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") return;
  }
}
