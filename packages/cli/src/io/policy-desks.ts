import type { BusClient } from "@sesame/core-ipc/client";
import type { POLICY_OWNERS } from "@sesame/core-policy";
import { BUS_HOST, VAULT_OWNER, type Result } from "@sesame/core-types";

/** An owner's requests about policies. */
export type PolicyDesk = {
  readonly install: (bus: BusClient, file: Uint8Array) => Promise<Result<"policy.install">>;
  readonly status: (bus: BusClient) => Promise<Result<"policy.status">>;
};

/** In the order in which they are given a policy: the last one sees that all have the same. */
export const POLICY_DESKS: Readonly<Record<(typeof POLICY_OWNERS)[number], PolicyDesk>> = {
  [BUS_HOST]: {
    install: (bus, file) => bus.call("bus-policy.install", { file }),
    status: (bus) => bus.call("bus-policy.status", {}),
  },
  [VAULT_OWNER]: {
    install: (bus, file) => bus.call("policy.install", { file }),
    status: (bus) => bus.call("policy.status", {}),
  },
};
