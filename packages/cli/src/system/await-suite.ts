import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";
import type { Paths } from "@sesame/core-ipc/daemon";
import { Denial, Fault } from "@sesame/core-types";
import { isPassing } from "../context.ts";
import type { Started } from "../supervisor/start.ts";

const POLL_MS = 50;
/** Milliseconds; the manager listens once it has noticed the record. */
const SOCKET_TIMEOUT_MS = 5_000;
/** Milliseconds; as long as the units give their services. */
const SERVICE_TIMEOUT_MS = 20_000;

/** Waits until the daemons serve that the system runs for this user: connecting starts them. */
export async function awaitSuite(paths: Paths): Promise<Started> {
  const begun = performance.now();
  for (let started = false; ; started = true) {
    const pid = await servingPid(paths);
    if (pid !== null) return { pid, started };
    const timeout = existsSync(paths.socket) ? SERVICE_TIMEOUT_MS : SOCKET_TIMEOUT_MS;
    if (performance.now() - begun > timeout) throw stopped(paths);
    await delay(POLL_MS);
  }
}

/** Pid of the bus once all daemons serve. */
async function servingPid(paths: Paths): Promise<number | null> {
  try {
    const bus = await openBus({ suite, as: null, paths });
    try {
      const { pid, secretsConnected } = await bus.call("status.get", {});
      return secretsConnected ? pid : null;
    } finally {
      await bus.close();
    }
  } catch (cause) {
    if (cause instanceof Denial || isPassing(cause, paths)) return null;
    throw cause;
  }
}

function stopped({ system }: Paths): Fault {
  const user = system?.user ?? 0;
  return new Fault(
    "unavailable",
    "the daemons that the system runs for you do not serve",
    `as root: sesame daemon install --system --user ${user}; journalctl -u 'sesame-*@${user}'`,
  );
}
