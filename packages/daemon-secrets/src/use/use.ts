import { commandDigests, meetsDigests } from "@sesame/core-authority";
import { Refusal, type Call, type Handlers } from "@sesame/core-ipc/server";
import { wipe } from "@sesame/core-crypto";
import { Denial, LAUNCHER, type Identity, type VAULT_OWNER } from "@sesame/core-types";
import type { Keeper } from "../keeper.ts";
import type { Vault } from "../vault/vault.ts";
import type { Tickets, Use } from "./tickets.ts";

// Using without reading: who may not read a secret gets a ticket for one command, and the launcher
// gets the values for it. docs/LAUNCHER.md.

/** What a ticket stands for, and the right behind it. */
export type GrantedUse = Use & {
  readonly by: Identity;
  /** The grants that it draws on; ids. */
  readonly grants: readonly string[];
  /** Unix milliseconds at which the first of them is over. */
  readonly endsMs: number;
  /** What the program's SHA-256 has to be: one of each list. */
  readonly digests: readonly (readonly Uint8Array[])[];
};

/** What these handlers ask of the daemon around them. */
export type UseHost = {
  readonly keeper: Keeper;
  readonly tickets: Tickets<GrantedUse>;
  readonly grants: {
    /** True while what draws on a grant may go on. */
    readonly holds: (grant: string) => boolean;
  };
  readonly identity: (name: string) => Identity | null;
  readonly wallMs: () => number;
  readonly nowMs: () => number;
  /** 32 random bytes. */
  readonly newTicket: () => Uint8Array;
};

type Kinds = "secret.use" | "secret.ticket" | "secret.redeem" | "secret.standing";

export function useHandlers(host: UseHost): Pick<Handlers<typeof VAULT_OWNER>, Kinds> {
  const { keeper, tickets } = host;

  return {
    "secret.use": async (params, call) => {
      const { profile, command } = params;
      call.about(profile, `command:${command.path}`);
      const { identity } = call;
      if (identity === null) throw new Denial("clearance-too-low");
      call.narrow(
        (authority) =>
          (params.grant === null || authority.grant === params.grant) &&
          commandDigests(authority, command) !== null,
      );
      const vault = keeper.use(profile);
      const names = params.names ?? namesOf(vault).filter(call.covers);
      for (const name of names) vault.versions(name);
      if (names.length === 0) throw new Refusal("capability-missing", "capability-not-granted");
      const drawn = call.drawn();
      await call.record([...objectsOf(vault, names), `command:${command.path}`]);
      const grants = drawn.map(({ grant }) => grant);
      const use: GrantedUse = {
        caller: identity.id,
        by: identity,
        session: call.session.slice(),
        profile,
        names,
        command,
        grants,
        endsMs: Math.min(...drawn.map(({ expiresAtMs }) => expiresAtMs)),
        digests: drawn.flatMap((authority) => commandDigests(authority, command) ?? []),
      };
      const ticket = host.newTicket();
      tickets.issue(ticket, use, host.nowMs());
      return { ticket, names: [...names], grant: grants[0] ?? "" };
    },

    "secret.ticket": ({ ticket, caller, session, command }, call) => {
      expectLauncher(call);
      call.about(null, `for:${caller}`);
      const shown = { caller: host.identity(caller)?.id ?? "", session, command };
      if (tickets.isGood(ticket, shown, host.nowMs())) return {};
      throw new Refusal("capability-missing", "ticket");
    },

    "secret.redeem": async ({ ticket, caller, session, command, sha256 }, call) => {
      expectLauncher(call);
      const identity = host.identity(caller);
      call.about(null, `for:${caller}`);
      const shown = { caller: identity?.id ?? "", session, command };
      const use = tickets.redeem(ticket, shown, host.nowMs());
      if (use === null) throw new Refusal("capability-missing", "ticket");
      if (!stands(host, use)) throw new Refusal("capability-missing", "grant-ended");
      if (!meetsDigests(use.digests, sha256))
        throw new Refusal("capability-missing", "program-differs");
      const vault = keeper.use(use.profile);
      call.about(use.profile);
      const secrets = vault.fetch(use.names);
      try {
        await call.record([...objectsOf(vault, use.names), `for:${caller}`]);
        if (!stands(host, use)) throw new Refusal("capability-missing", "grant-ended");
      } catch (cause) {
        for (const { value } of secrets) wipe(value);
        throw cause;
      }
      return { profile: use.profile, secrets };
    },

    "secret.standing": (params, call) => {
      expectLauncher(call);
      const held = params.tickets.map((ticket) => tickets.held(ticket, host.nowMs()));
      return { standing: held.map((use) => use !== null && stands(host, use)) };
    },
  };
}

/** True while the grants of a use hold and its vault may be used. */
function stands({ grants, keeper, identity, wallMs }: UseHost, use: GrantedUse): boolean {
  return (
    use.grants.every((grant) => grants.holds(grant)) &&
    wallMs() < use.endsMs &&
    identity(use.by.name)?.id === use.caller &&
    keeper.isUsable(use.profile)
  );
}

/** Daemons have no business with tickets, except for one of them. */
function expectLauncher({ identity }: Call): void {
  if (identity?.name !== LAUNCHER) throw new Refusal("capability-missing", "not-launcher");
}

function namesOf(vault: Vault): string[] {
  return vault.list().map(({ name }) => name);
}

function objectsOf(vault: Vault, names: readonly string[]): string[] {
  return names.map((name) => `secret:${vault.pseudonym(name)}`);
}
