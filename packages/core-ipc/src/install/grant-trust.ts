import { enrolledScope, type Party, type Trust } from "@sesame/core-authority";
import type { Identity } from "@sesame/core-types";
import type { Installation } from "./record.ts";

/** The identities by their ids. An id that two bear is nobody's. */
export function byId({
  identities,
}: Pick<Installation, "identities">): ReadonlyMap<string, Identity> {
  const count = new Map<string, number>();
  for (const { id } of identities) count.set(id, (count.get(id) ?? 0) + 1);
  return new Map(
    identities.flatMap((identity) =>
      count.get(identity.id) === 1 ? [[identity.id, identity] as const] : [],
    ),
  );
}

/**
 * What chains of grants are judged by: the record, and nothing that comes with a chain.
 *
 * @param wallMs - the present, by which former keys lapse
 */
export function grantTrust(
  verifier: Trust["verifier"],
  installation: Installation,
  wallMs: number,
): Trust {
  const parties = new Map<string, Party>();
  for (const identity of byId(installation).values())
    parties.set(identity.id, {
      scope: enrolledScope(identity.capabilities),
      signingKey: identity.signingKey,
      formerKeys: identity.former
        .filter(({ untilMs }) => untilMs > wallMs)
        .map(({ signingKey }) => signingKey),
      revoked: identity.state !== "active",
    });
  return { installation: installation.id, party: (id) => parties.get(id) ?? null, verifier };
}
