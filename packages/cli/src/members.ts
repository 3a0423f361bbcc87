import type { Paths } from "@sesame/core-ipc/daemon";
import { BUS_HOST, LAUNCHER, OPERATOR, VAULT_OWNER, type Identity } from "@sesame/core-types";

/** Who belongs to every installation. */
export type Member = Pick<Identity, "name" | "kind" | "clearance">;

/** The daemons that the system runs for a user, where it does. */
export const SUITE: readonly Member[] = [
  { name: BUS_HOST, kind: "daemon", clearance: "internal" },
  { name: VAULT_OWNER, kind: "daemon", clearance: "secrets-only" },
];

/** Its programs are the user's: as the suite's they would be within its walls. */
const OWN: readonly Member[] = [{ name: LAUNCHER, kind: "daemon", clearance: "secrets-only" }];

const OPERATORS: readonly Member[] = [{ name: OPERATOR, kind: "human", clearance: "secrets-only" }];

export function membersOf({ system }: Pick<Paths, "system">): readonly Member[] {
  return [...SUITE, ...(system === null ? OWN : []), ...OPERATORS];
}
