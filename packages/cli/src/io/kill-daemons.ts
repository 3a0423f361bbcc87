import { setTimeout as sleep } from "node:timers/promises";
import { daemonLock, errorCode, type Paths } from "@sesame/core-ipc/daemon";
import { DAEMONS, Fault } from "@sesame/core-types";
import { holderOfFile } from "../supervisor/lock-file.ts";

/** Milliseconds for which the kernel may take to end a process, and between looks. */
const GONE_MS = 5_000;
const LOOK_MS = 10;

/**
 * Ends every daemon of an installation at once, whichever session has started it. Its supervisor
 * starts it again.
 *
 * @throws {Fault} unavailable, if one runs on
 */
export async function killDaemons(paths: Paths): Promise<void> {
  for (const daemon of DAEMONS) {
    const path = daemonLock(paths, daemon);
    const pid = holderOfFile(path);
    if (pid === null) continue;
    const until = performance.now() + GONE_MS;
    kill(pid);
    while (holderOfFile(path) === pid) {
      if (performance.now() > until)
        throw new Fault(
          "unavailable",
          `${daemon} runs on (pid ${pid}): nothing is locked`,
          "stop it where it was started: `sesame daemon stop` there, or end the process",
        );
      await sleep(LOOK_MS);
    }
  }
}

/** That it still holds its lock shows whether it worked. */
function kill(pid: number): void {
  if (pid <= 1) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (cause) {
    if (!["ESRCH", "EPERM"].includes(errorCode(cause))) throw cause;
  }
}
