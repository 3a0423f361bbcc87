import { dirname, join } from "node:path";
import { keyDirectory, type DaemonSpec, type Paths } from "@sesame/core-ipc/daemon";
import { BUS_HOST } from "@sesame/core-types";

/** All that the bus host may reach. */
export const SPEC: Omit<DaemonSpec, "start"> = {
  name: BUS_HOST,
  lock: (paths) => paths.busLock,
  keys: (paths) => keyDirectory(paths, BUS_HOST),
  directories: (paths) => [paths.audit, dirname(paths.profiles), grantsOf(paths)],
  files: (paths) => [dirname(paths.installation)],
  // Control groups of those who connect.
  reads: ["/proc"],
  syscalls: "bus",
};

/** The grants that it goes by. */
export function grantsOf({ authority }: Paths): string {
  return join(authority, BUS_HOST);
}

/** How far it has come with the records of its installation. */
export function ownMark({ profiles }: Paths): string {
  return join(dirname(profiles), "record.mark");
}

/** The policy that it goes by, under its own signature. */
export function keptPolicy({ profiles }: Paths): string {
  return join(dirname(profiles), "policy.json");
}
