import { join } from "node:path";
import { keyDirectory, type DaemonSpec, type Paths } from "@sesame/core-ipc/daemon";
import { LAUNCHER } from "@sesame/core-types";

/** What the launcher's processes start with is what its programs inherit: it is not confined. */
export const SPEC: Omit<DaemonSpec, "start"> = {
  name: LAUNCHER,
  lock: (paths) => paths.launcherLock,
  keys: (paths) => keyDirectory(paths, LAUNCHER),
  directories: (paths) => [paths.launcher],
  files: () => [],
  syscalls: null,
};

/** How far it has come with the records of its installation. */
export function ownMark({ launcher }: Paths): string {
  return join(launcher, "record.mark");
}
