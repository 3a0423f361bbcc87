import {
  decodeGrant,
  encodeGrant,
  type Grant,
  type Scope,
  type SignedGrant,
} from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { GRANT_OWNERS, ownersOf, type GrantOwner } from "@sesame/core-ipc/grants";
import { Denial, Fault, limits } from "@sesame/core-types";

// What is asked of every owner of grants: each has a ledger of its own.

/** With every owner of what the grant gives: with all of them, or with none. */
export async function register(
  bus: BusClient,
  chain: readonly SignedGrant[],
  effective: Scope,
): Promise<void> {
  const owners = ownersOf(effective.map(({ capability }) => capability));
  if (owners.length === 0)
    throw new Fault(
      "usage",
      "no daemon answers what this would allow",
      "`sesame grant create --help`",
    );
  const grant = chain[0]?.grant.id ?? null;
  const done: GrantOwner[] = [];
  try {
    for (const owner of owners) {
      await owner.ask(bus, "issue", { chain: chain.map(encodeGrant) });
      done.push(owner);
    }
  } catch (cause) {
    for (const owner of done) await owner.ask(bus, "revoke", { grant, identity: null });
    throw cause;
  }
}

/** True if it was alive with one of the owners. Each is asked, whatever another says. */
export async function revokeEverywhere(
  bus: BusClient,
  what: { readonly grant: string | null; readonly identity: string | null },
): Promise<boolean> {
  const answers = await Promise.allSettled(
    GRANT_OWNERS.map((owner) => owner.ask(bus, "revoke", what)),
  );
  for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  return answers.some((answer) => answer.status === "fulfilled" && answer.value.changed);
}

/** From the first owner that has it. */
export async function chainOf(bus: BusClient, id: string): Promise<SignedGrant[]> {
  let refusal: unknown = new Denial("capability-missing");
  for (const owner of GRANT_OWNERS)
    try {
      const { chain } = await owner.ask(bus, "show", { grant: id });
      return chain.map((one) => decodeGrant(one));
    } catch (cause) {
      refusal = cause;
      if (!(cause instanceof Denial) || cause.code !== "capability-missing") break;
    }
  throw refusal;
}

export type Living = { readonly grant: Grant; readonly usesLeft: number | null };

/** Each once, with the fewest uses that an owner has left for it. */
export async function livingGrants(bus: BusClient): Promise<Living[]> {
  const found = new Map<string, Living>();
  for (const owner of GRANT_OWNERS)
    for (let after: string | null = null; ;) {
      const { grants } = await owner.ask(bus, "list", { after });
      for (const { grant: encoded, usesLeft } of grants) {
        const { grant } = decodeGrant(encoded);
        const other = found.get(grant.id)?.usesLeft ?? usesLeft;
        const least = usesLeft === null || other === null ? null : Math.min(usesLeft, other);
        found.set(grant.id, { grant, usesLeft: least });
        after = grant.id;
      }
      if (grants.length < limits.MAX_GRANTS_LISTED) break;
    }
  return [...found.values()].sort((a, b) => (a.grant.id < b.grant.id ? -1 : 1));
}
