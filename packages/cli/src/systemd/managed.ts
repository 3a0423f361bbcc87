import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Paths } from "@sesame/core-ipc/daemon";
import { TARGET } from "./names.ts";

/** Where the manager of a user looks for units. systemd.unit(5) */
export function unitFolder({ config }: Pick<Paths, "config">): string {
  return join(dirname(config), "systemd", "user");
}

/** True if this user has a running systemd. */
export function isManagerRunning({ runtime }: Pick<Paths, "runtime">): boolean {
  const socket = join(dirname(runtime), "systemd", "private");
  return statSync(socket, { throwIfNoEntry: false })?.isSocket() ?? false;
}

/** True if systemd runs the daemons: installed, and there to do it. */
export function isManaged(paths: Pick<Paths, "config" | "runtime">): boolean {
  const target = join(unitFolder(paths), TARGET);
  return statSync(target, { throwIfNoEntry: false }) !== undefined && isManagerRunning(paths);
}
