import { pathsOf, type Context } from "../context.ts";
import {
  daemonCommands,
  moveDaemonKeys,
  requireOwnDaemons,
  startDaemons,
  stopDaemons,
} from "../io/daemons.ts";
import { requireInstallation } from "@sesame/core-ipc/daemon";
import { nodeSuite } from "@sesame/core-crypto/node";
import type { Outcome } from "../render.ts";

export async function daemonStart(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  requireInstallation(nodeSuite, paths);
  const { pid, started } = await startDaemons(paths);
  return {
    text: started ? `Started (pid ${pid}).` : `Running already (pid ${pid}).`,
    data: { pid, started },
  };
}

export async function daemonStop(context: Context): Promise<Outcome> {
  const stopped = await stopDaemons(pathsOf(context));
  return {
    text: stopped === null ? "Nothing was running." : `Stopped (pid ${stopped.pid}).`,
    data: { stopped: stopped !== null, pid: stopped?.pid ?? null },
  };
}

/** Keeps the daemons in the foreground until it is told to end. */
export async function daemonRun(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  requireOwnDaemons(paths);
  moveDaemonKeys(paths);
  const { identities } = requireInstallation(nodeSuite, paths);
  const { runSupervisor } = await import("../supervisor/supervisor.ts");
  process.exitCode = await runSupervisor({
    paths,
    daemons: daemonCommands(identities),
    foreground: process.env["SESAME_READY_FD"] === undefined,
  });
  return { text: "", data: undefined };
}
