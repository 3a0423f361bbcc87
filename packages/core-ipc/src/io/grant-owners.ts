import type { BusClient } from "./bus-client.ts";
import {
  BUS_HOST,
  MESSAGES,
  VAULT_OWNER,
  type Capability,
  type Params,
  type Result,
} from "@sesame/core-types";

type Word = "issue" | "heartbeat" | "revoke" | "list" | "show";

/** An owner's requests about grants; every owner of the suite's has the same. */
export type GrantOwner = {
  readonly name: string;
  readonly ask: <W extends Word>(
    bus: BusClient,
    word: W,
    params: Params<`grant.${W}`>,
  ) => Promise<Result<`grant.${W}`>>;
};

/** All that go by grants, each with a ledger of its own. */
export const GRANT_OWNERS: readonly GrantOwner[] = [
  { name: VAULT_OWNER, ask: (bus, word, params) => bus.call(`grant.${word}`, params) },
  {
    name: BUS_HOST,
    // The rows of both are made of one: `grantRequest` in core-types.
    ask: (bus, word, params) =>
      bus.call(`bus-grant.${word}`, params) as Promise<Result<`grant.${typeof word}`>>,
  },
];

/** Those that answer a kind which takes one of these capabilities. */
export function ownersOf(capabilities: readonly Capability[]): readonly GrantOwner[] {
  const rows = Object.values(MESSAGES).flatMap((row) => (row.form === "request" ? [row] : []));
  const isAnswered = (owner: string, capability: Capability): boolean =>
    capability === "admin" || rows.some((row) => row.owner === owner && row.needs === capability);
  return GRANT_OWNERS.filter(({ name }) =>
    capabilities.some((capability) => isAnswered(name, capability)),
  );
}
