import { dirname, join } from "node:path";
import { BOOT_FILES, keyDirectory, type DaemonSpec, type Paths } from "@sesame/core-ipc/daemon";
import { VAULT_OWNER } from "@sesame/core-types";

/** All that the owner of the vaults may reach. */
export const SPEC: Omit<DaemonSpec, "start"> = {
  name: VAULT_OWNER,
  lock: (paths) => paths.secretsLock,
  keys: (paths) => keyDirectory(paths, VAULT_OWNER),
  directories: (paths) => [paths.vaults, grantsOf(paths)],
  files: (paths) => [dirname(paths.installation)],
  reads: BOOT_FILES,
  syscalls: "vault",
};

/** The grants that it goes by. */
export function grantsOf({ authority }: Paths): string {
  return join(authority, VAULT_OWNER);
}

/** How far it has come with the records of its installation. */
export function ownMark({ vaults }: Paths): string {
  return join(vaults, "record.mark");
}

/** The policy that it goes by, under its own signature. */
export function keptPolicy({ vaults }: Paths): string {
  return join(vaults, "policy.json");
}

/** Whom the operator has blocked. */
export function keptBlocks({ vaults }: Paths): string {
  return join(vaults, "blocks.json");
}
