import { dirname } from "node:path";
import type { Paths } from "@sesame/core-ipc/daemon";
import { run } from "../io/run.ts";
import type { Started } from "../supervisor/start.ts";
import { isManaged } from "./managed.ts";
import { BUS_SERVICE, BUS_SOCKET, LAUNCHER_SERVICE, TARGET, VAULT_SERVICE } from "./names.ts";

type RuntimePaths = Pick<Paths, "runtime">;

const ALL = [BUS_SOCKET, BUS_SERVICE, VAULT_SERVICE];

/** Starts what does not run and waits until all of it serves. */
export async function startUnits(paths: RuntimePaths): Promise<Started> {
  const running = await isActive(paths);
  if (!running) {
    // Earlier failures no longer count when somebody asks. Refused for what was never loaded.
    await systemctl(paths, ["reset-failed", ...ALL]).catch(() => undefined);
    await systemctl(paths, ["start", TARGET, BUS_SERVICE, VAULT_SERVICE, LAUNCHER_SERVICE]);
  }
  return { pid: await busPid(paths), started: !running };
}

/** @returns null if none ran */
export async function stopUnits(
  paths: Pick<Paths, "config" | "runtime">,
): Promise<{ readonly pid: number } | null> {
  if (!isManaged(paths)) return null;
  const pid = await busPid(paths);
  await systemctl(paths, ["stop", TARGET, LAUNCHER_SERVICE, BUS_SOCKET, BUS_SERVICE]);
  // They stop by themselves after the bus; this waits for it.
  await systemctl(paths, ["stop", VAULT_SERVICE]);
  return pid === 0 ? null : { pid };
}

/** Makes the manager read its units again. */
export async function reloadUnits(paths: RuntimePaths): Promise<void> {
  await systemctl(paths, ["daemon-reload"]);
}

/** Path of the file that the manager takes the target from; empty if it knows none. */
export async function targetFile(paths: RuntimePaths): Promise<string> {
  return systemctl(paths, ["show", "--property=FragmentPath", "--value", TARGET]);
}

async function isActive(paths: RuntimePaths): Promise<boolean> {
  const states = await systemctl(paths, ["show", "--property=ActiveState", "--value", ...ALL]);
  return states.split(/\s+/).every((state) => state === "active");
}

async function busPid(paths: RuntimePaths): Promise<number> {
  return Number(await systemctl(paths, ["show", "--property=MainPID", "--value", BUS_SERVICE]));
}

/**
 * @returns what it printed, without white space around it
 * @throws {Fault} unavailable, with its reason
 */
function systemctl({ runtime }: RuntimePaths, args: readonly string[]): Promise<string> {
  const env = { ...process.env, XDG_RUNTIME_DIR: dirname(runtime) };
  const hint = "`journalctl --user -u 'sesame-*'` has the daemons' own words";
  return run("systemctl", ["--user", "--no-pager", ...args], { env, hint });
}
