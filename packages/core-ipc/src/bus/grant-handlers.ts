import {
  AuthorityError,
  decodeGrant,
  encodeGrant,
  type Held,
  type SignedGrant,
} from "@sesame/core-authority";
import { Denial, limits, type Identity, type Params, type Result } from "@sesame/core-types";
import type { Call } from "./dispatcher.ts";
import { Refusal } from "./gate.ts";

/** What the requests about grants do; `GrantKeeper` is one. */
export type GrantDesk = {
  readonly intact: boolean;
  readonly nameOf: (id: string) => string;
  readonly issue: (chain: readonly SignedGrant[], by: Identity) => Promise<boolean>;
  readonly withdraw: (id: string) => Promise<void>;
  readonly heartbeat: (ids: readonly string[], by: Identity) => string[];
  readonly revoke: (id: string, by: Identity) => Promise<boolean>;
  readonly revokeIdentity: (id: string, by: Identity) => Promise<boolean>;
  readonly list: (by: Identity, after: string | null, most: number) => Held[];
  readonly chain: (id: string, by: Identity) => SignedGrant[] | null;
};

type GrantHandlers = {
  readonly [N in "issue" | "heartbeat" | "revoke" | "list" | "show"]: (
    params: Params<`grant.${N}`>,
    call: Call,
  ) => Promise<Result<`grant.${N}`>> | Result<`grant.${N}`>;
};

/** Requests about grants, for an owner that goes by them. docs/AUTHORITY.md, Owners. */
export function grantHandlers(desk: GrantDesk): GrantHandlers {
  return {
    issue: async ({ chain }, call) => {
      const signed = chain.map(decoded);
      const leaf = signed[0]?.grant;
      if (leaf === undefined) throw new Refusal("capability-missing", "chain-empty");
      const { id, delegatee, issuedAtMs, ttlMs } = leaf;
      call.about(null, `grant:${id} to ${desk.nameOf(delegatee)}`);
      const isNew = await desk.issue(signed, callerOf(call));
      try {
        await call.record();
      } catch (cause) {
        // What is not on record is not in force.
        if (isNew) await desk.withdraw(id);
        throw cause;
      }
      return { endsMs: issuedAtMs + ttlMs };
    },

    heartbeat: ({ grants }, call) => ({ ended: desk.heartbeat(grants, callerOf(call)) }),

    revoke: async ({ grant, identity }, call) => {
      if ((grant === null) === (identity === null))
        throw new Denial("params-invalid", "one grant or one identity");
      const caller = callerOf(call);
      call.about(null, grant === null ? `identity:${identity}` : `grant:${grant}`);
      // Revoking never waits for the log: what is to end has ended, then it is recorded.
      const changed =
        grant === null
          ? await desk.revokeIdentity(identity ?? "", caller)
          : await desk.revoke(grant, caller);
      await call.record();
      return { changed };
    },

    list: ({ after }, call) => ({
      damaged: !desk.intact,
      grants: desk
        .list(callerOf(call), after, limits.MAX_GRANTS_LISTED)
        .map(({ signed, usesLeft }) => ({ grant: encodeGrant(signed), usesLeft })),
    }),

    show: ({ grant }, call) => {
      const chain = desk.chain(grant, callerOf(call));
      if (chain === null) throw new Refusal("capability-missing", "not-registered");
      return { chain: chain.map(encodeGrant) };
    },
  };
}

function callerOf({ identity }: Call): Identity {
  if (identity === null) throw new Denial("clearance-too-low");
  return identity;
}

function decoded(from: Uint8Array): SignedGrant {
  try {
    return decodeGrant(from);
  } catch (cause) {
    if (cause instanceof AuthorityError) throw new Refusal("capability-missing", "malformed");
    throw cause;
  }
}
