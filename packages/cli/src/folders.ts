import { dirname, join } from "node:path";
import type { Paths } from "@sesame/core-ipc/daemon";
import { BUS_HOST, VAULT_OWNER } from "@sesame/core-types";

/** Where the daemons keep their files; each beside the others, never within one of them. */
export function daemonFolders({ vaults, audit, profiles, authority }: Paths): string[] {
  const grants = [BUS_HOST, VAULT_OWNER].map((daemon) => join(authority, daemon));
  return [vaults, audit, dirname(profiles), ...grants];
}
