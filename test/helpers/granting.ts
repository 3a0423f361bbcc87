import { join } from "node:path";
import {
  draftGrant,
  encodeGrant,
  parseScope,
  signGrant,
  type Grant,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { identityOf, loadInstallation, loadKeyFile } from "@sesame/core-ipc/daemon";
import type { Home } from "./home.ts";

export type Given = {
  readonly from?: string;
  readonly to: string;
  /** In text form. */
  readonly scope: string;
  /** Chain of the grant that it draws on, from the leaf. */
  readonly above?: readonly SignedGrant[];
  readonly changes?: Partial<Grant>;
};

/** A grant that its delegator has signed, with the chain above it; from the leaf to the root. */
export function signedChain(home: Home, given: Given): SignedGrant[] {
  const { from = "operator", to, scope, above = [], changes = {} } = given;
  const installation = loadInstallation(suite, home.paths.installation);
  const keys = loadKeyFile(suite, join(home.paths.keys, `${from}.key`));
  if (installation === null || keys === null) throw new Error("the home is not set up");
  const delegatee = identityOf(installation, to);
  const terms = {
    installation: installation.id,
    delegator: identityOf(installation, from).id,
    delegatee: delegatee.id,
    kind: delegatee.kind,
    parent: above[0]?.grant.id ?? null,
    scope: parseScope(scope),
  };
  const at = { wallMs: Date.now(), random: (length: number) => suite.randomBytes(length) };
  const grant = { ...draftGrant(terms, at), ...changes };
  return [signGrant(grant, (message) => suite.ed25519Sign(keys.signingSeed, message)), ...above];
}

/** Registers a chain with the owner of the secrets. */
export async function issue(bus: BusClient, chain: readonly SignedGrant[]): Promise<string> {
  await bus.call("grant.issue", { chain: chain.map(encodeGrant) });
  return chain[0]?.grant.id ?? "";
}
