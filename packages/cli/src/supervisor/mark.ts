// What the supervisor's lock file says: whether all daemons serve. Whether there is a supervisor
// at all, only the lock says.
import { readFileSync } from "node:fs";
import { errorCode, fileFault, type Paths } from "@sesame/core-ipc/daemon";

type LockPath = Pick<Paths, "supervisorLock">;

const READY = "READY=1\n";

/** As long for either: once one lies in the file, a full disk does not keep the other out. */
export function markOf(pid: number, ready: boolean): string {
  return `READY=${ready ? 1 : 0}\nMAINPID=${pid}\n`;
}

/** True while all daemons of that supervisor serve. A mark of an earlier one does not count. */
export function isMarkedReady({ supervisorLock }: LockPath, pid: number): boolean {
  const content = readFileSync(supervisorLock, "latin1");
  return pid === 0 ? content.startsWith(READY) : content === markOf(pid, true);
}

/** True of a file that some supervisor has marked as not serving; there may be none any more. */
export function isMarkedUnready({ supervisorLock }: LockPath): boolean {
  try {
    return !readFileSync(supervisorLock, "latin1").startsWith(READY);
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(cause))) return false;
    throw fileFault(cause, supervisorLock);
  }
}
