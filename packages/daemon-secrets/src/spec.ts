import { dirname, join } from "node:path";
import type { DaemonSpec, Paths } from "@sesame/core-ipc/daemon";
import { VAULT_OWNER } from "@sesame/core-types";

/** All that the owner of the vaults may reach. */
export const SPEC: Omit<DaemonSpec, "start"> = {
  name: VAULT_OWNER,
  lock: (paths) => paths.secretsLock,
  directories: (paths) => [paths.vaults],
  files: (paths) => [dirname(paths.installation), ownKey(paths)],
  syscalls: "vault",
};

/** How far it has come with the records of its installation. */
export function ownMark({ vaults }: Paths): string {
  return join(vaults, "record.mark");
}

export function ownKey({ keys }: Paths): string {
  return join(keys, `${VAULT_OWNER}.key`);
}
