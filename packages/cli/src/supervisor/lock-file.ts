// The supervisor's lock. The kernel ends it with the process, so a file that nobody has locked is
// just a file: it is locked again as it is. It is never removed, since two processes could then
// each hold a lock on a file of that name.
import { closeSync, constants, ftruncateSync, openSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode, fileFault, privateDirectory, type Paths } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { lockHolder, tryLock } from "@sesame/native";
import { markOf } from "./mark.ts";

type LockPaths = Pick<Paths, "runtime" | "supervisorLock">;

/** Held until `release`, or until the process ends, however it ends. */
export type SupervisorLock = {
  /**
   * Writes into the file whether all daemons serve, for processes that wait for it. Takes no more
   * room than the file has.
   */
  readonly mark: (ready: boolean) => void;
  readonly release: () => void;
};

const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;

/**
 * Makes this process the one supervisor of the user.
 *
 * @throws {Fault} exists, if there is one; config or io, if the directory is missing, somebody
 *   else's or not writable
 */
export function takeLock({ runtime, supervisorLock }: LockPaths): SupervisorLock {
  const base = dirname(runtime);
  if (statSync(base, { throwIfNoEntry: false }) === undefined)
    throw new Fault(
      "config",
      `the runtime directory ${base} does not exist`,
      "log in through a session that makes it, or point XDG_RUNTIME_DIR to one with mode 0700",
    );
  privateDirectory(runtime);
  let fd: number;
  try {
    fd = openSync(supervisorLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw fileFault(cause, supervisorLock);
  }
  if (!tryLock(fd)) {
    const pid = lockHolder(fd);
    closeSync(fd);
    const who = pid === null ? "" : ` (pid ${pid})`;
    throw new Fault("exists", `already running${who}`, "`sesame daemon stop` stops it");
  }
  const mark = (ready: boolean): void => {
    const text = markOf(process.pid, ready);
    writeSync(fd, text, 0);
    ftruncateSync(fd, text.length);
  };
  try {
    mark(false);
  } catch (cause) {
    closeSync(fd);
    throw fileFault(cause, supervisorLock);
  }
  return { mark, release: () => closeSync(fd) };
}

/**
 * The running supervisor; 0 if it has no pid in this pid namespace. Not for the supervisor itself:
 * closing any descriptor of the file would end its lock.
 */
export function holderOf({ supervisorLock }: LockPaths): number | null {
  return holderOfFile(supervisorLock);
}

/** Who has locked a file; 0 if it has no pid in this pid namespace; null: nobody. */
export function holderOfFile(path: string): number | null {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(cause))) return null;
    throw fileFault(cause, path);
  }
  try {
    return lockHolder(fd);
  } finally {
    closeSync(fd);
  }
}
