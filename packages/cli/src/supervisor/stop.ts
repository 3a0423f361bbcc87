import { setTimeout as delay } from "node:timers/promises";
import { errorCode, type Paths } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { holderOf } from "./lock-file.ts";

type LockPaths = Pick<Paths, "runtime" | "supervisorLock">;

/** Milliseconds; longer than the policy gives all daemons together. */
const STOP_TIMEOUT_MS = 20_000;
/** Milliseconds between looks at a process that is not our child. */
const POLL_MS = 25;

/** For `sesame status`: the pid of the supervisor, 0 if it has none in this pid namespace. */
export function supervisorState(paths: LockPaths): { readonly running: number | null } {
  return { running: holderOf(paths) };
}

/**
 * Stops the supervisor and its daemons, and waits for their end.
 *
 * @returns null if none runs
 * @throws {Fault} unavailable, if it does not end within 20 s or cannot be reached from here
 */
export async function stopRunning(paths: LockPaths): Promise<{ readonly pid: number } | null> {
  const pid = holderOf(paths);
  if (pid === null) return null;
  terminate(pid);
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (holderOf(paths) === pid) {
    if (performance.now() >= deadline)
      throw new Fault(
        "unavailable",
        `the supervisor (pid ${pid}) did not end within ${STOP_TIMEOUT_MS / 1_000} s`,
        `\`kill -9 ${pid}\` ends it and its daemons`,
      );
    await delay(POLL_MS);
  }
  return { pid };
}

function terminate(pid: number): void {
  // To kill(2), 0 is the caller's own process group.
  if (pid <= 0)
    throw new Fault(
      "unavailable",
      "the supervisor runs in another pid namespace",
      "stop it where it was started",
    );
  try {
    process.kill(pid, "SIGTERM");
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "ESRCH")
      throw new Fault("denied", `pid ${pid} may not be stopped: ${code}`, "stop it as its user");
  }
}
