import { join } from "node:path";
import type { DaemonSpec, Paths } from "@sesame/core-ipc/daemon";
import { LAUNCHER } from "@sesame/core-types";

/** What the launcher's processes start with is what its programs inherit: it is not confined. */
export const SPEC: Omit<DaemonSpec, "start"> = {
  name: LAUNCHER,
  lock: (paths) => paths.launcherLock,
  directories: (paths) => [paths.launcher],
  files: () => [],
  syscalls: null,
};

/** How far it has come with the records of its installation. */
export function ownMark({ launcher }: Paths): string {
  return join(launcher, "record.mark");
}

export function ownKey({ keys }: Paths): string {
  return join(keys, `${LAUNCHER}.key`);
}
