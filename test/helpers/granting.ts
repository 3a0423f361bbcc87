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
import { identityOf, keyFileOf, loadInstallation, loadKeyFile } from "@sesame/core-ipc/daemon";
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
  return chainSigner(home)(given);
}

/** As `signedChain`, for many: the record and the delegators' keys are read once. */
export function chainSigner(home: Home): (given: Given) => SignedGrant[] {
  const installation = loadInstallation(suite, home.paths.installation);
  const keysOf = memoised((name) => loadKeyFile(suite, keyFileOf(home.paths, name)));
  if (installation === null) throw new Error("the home is not set up");
  const named = memoised((name) => identityOf(installation, name));
  return ({ from = "operator", to, scope, above = [], changes = {} }) => {
    const keys = keysOf(from);
    if (keys === null) throw new Error(`${from} has no keys`);
    const delegatee = named(to);
    const terms = {
      installation: installation.id,
      delegator: named(from).id,
      delegatee: delegatee.id,
      kind: delegatee.kind,
      parent: above[0]?.grant.id ?? null,
      scope: parseScope(scope),
    };
    const at = { wallMs: Date.now(), random: (length: number) => suite.randomBytes(length) };
    const grant = { ...draftGrant(terms, at), ...changes };
    return [signGrant(grant, (message) => suite.ed25519Sign(keys.signingSeed, message)), ...above];
  };
}

function memoised<T>(make: (name: string) => T): (name: string) => T {
  const made = new Map<string, T>();
  return (name) => {
    if (!made.has(name)) made.set(name, make(name));
    return made.get(name) as T;
  };
}

/** Registers a chain with the owner of the secrets. */
export async function issue(bus: BusClient, chain: readonly SignedGrant[]): Promise<string> {
  await bus.call("grant.issue", { chain: chain.map(encodeGrant) });
  return chain[0]?.grant.id ?? "";
}
