import {
  BUS_HOST,
  Denial,
  type Certificates as Given,
  type Checkpoint,
  type Identity,
  type VAULT_OWNER,
} from "@sesame/core-types";
import {
  measurePosture,
  type PolicyKeeper,
  type Verdict,
  type Verified,
} from "@sesame/core-ipc/daemon";
import { isHeldAt } from "@sesame/core-policy";
import {
  grantHandlers,
  policyHandlers,
  Refusal,
  type Call,
  type GrantDesk,
  type Handlers,
} from "@sesame/core-ipc/server";
import { wipe } from "@sesame/core-crypto";
import type { Asker, Desk } from "./approval/desk.ts";
import { blockHandlers, type BlockHost } from "./block/block-handlers.ts";
import { expectCode } from "./guard.ts";
import type { Vaults } from "./io/vaults.ts";
import type { Keeper } from "./keeper.ts";
import type { Panic } from "./panic.ts";
import type { RootProof } from "./root-proof.ts";
import type { SecondFactor } from "./second-factor.ts";
import { protect, protectedNames } from "./vault/protection.ts";
import { useHandlers, type UseHost } from "./use/use.ts";
import { meetVault } from "./vault/policy-mark.ts";
import type { Vault } from "./vault/vault.ts";

/** Certificates: this owner accepts them first, and the others follow it. */
export type Certificates = {
  readonly judge: (certificate: Uint8Array) => Verdict;
  /** What the audit log calls it. */
  readonly subject: (one: Verified) => string;
  /** Puts it in force once it is durable; false if the record does not bear it by now. */
  readonly accept: (one: Verified) => boolean;
  readonly all: () => Given;
};

/** What the handlers ask of the daemon around them. */
export type Host = {
  readonly vaults: Vaults;
  readonly keeper: Keeper;
  readonly grants: GrantDesk;
  readonly desk: Desk;
  readonly block: BlockHost;
  readonly policies: PolicyKeeper;
  /** Has the bus host compare its policy with this one. */
  readonly comparePolicies: () => Promise<void>;
  /** An active identity of the record, by name. */
  readonly identity: (name: string) => Identity | null;
  readonly panic: Panic;
  readonly rootProof: RootProof;
  /** For those who use secrets without reading them. */
  readonly use: UseHost;
  readonly second: SecondFactor;
  /** Has daemon-profile activate a profile. */
  readonly activate: (profile: string) => Promise<void>;
  readonly changed: (profile: string, state: "created" | "unlocked" | "locked") => void;
  readonly checkpoint: () => Promise<Checkpoint>;
  /** Reads and verifies the signed record again; what it returns puts it in force. */
  readonly reread: () => () => void;
  readonly certificates: Certificates;
  /** True if the checkpoint carries the bus host's signature. */
  readonly isGenuine: (checkpoint: Checkpoint) => boolean;
};

/**
 * Requests that daemon-secrets answers. Every one that reads or changes something is on record
 * before the value leaves or the change is made.
 */
export function handlersOf(host: Host): Handlers<typeof VAULT_OWNER> {
  const { vaults, keeper, desk, panic, policies, second } = host;
  const grants = grantHandlers(host.grants);
  const policy = policyHandlers(policies, async () => {
    for (const vault of keeper.all()) meetVault(policies, vault);
    await host.comparePolicies();
  });

  /** On record, active and anchored, or closed again. */
  async function adopt(vault: Vault, call: Call): Promise<void> {
    try {
      await call.record();
      await host.activate(vault.profile);
      vault.setAnchor(await host.checkpoint());
      meetVault(policies, vault);
      await host.comparePolicies();
      // One may have begun while the password was tried.
      if (panic.held) throw new Denial("panic");
    } catch (cause) {
      vault.close();
      throw cause;
    }
    keeper.keep(vault);
  }

  /** What was locked while the record was written is released no more. */
  const stillOpen = (profile: string) => (): void => void keeper.use(profile);

  const turns = new Map<string, Promise<unknown>>();

  /** One password at a time per profile: who comes second finds what the first has done. */
  async function inTurn<T>(profile: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(profile) ?? Promise.resolve()).then(work, work);
    turns.set(profile, mine);
    try {
      return await mine;
    } finally {
      if (turns.get(profile) === mine) turns.delete(profile);
    }
  }

  return {
    "vault.reload": async (_, call) => {
      const putInForce = host.reread();
      await call.record();
      putInForce();
      return {};
    },

    ...blockHandlers(host.block),
    "vault.certify": ({ certificate }, call) =>
      inTurn(CERTIFICATES, async () => {
        const { certificates } = host;
        const verdict = certificates.judge(certificate);
        if (verdict.is === "known") return verdict.certified;
        if (verdict.one !== null) call.about(null, certificates.subject(verdict.one));
        if (verdict.is === "refused") throw new Refusal("certificate-refused", verdict.reason);
        await call.record();
        // The record may have changed while this was written down.
        if (!certificates.accept(verdict.one)) throw new Refusal("certificate-refused", "foreign");
        return verdict.one.certified;
      }),

    "vault.certificates": () => host.certificates.all(),

    "policy.install": policy.install,
    "policy.status": policy.status,

    "policy.condition": ({ caller, session, capability, profile, condition }, call) => {
      call.about(profile, `${capability} of ${caller}`);
      const identity = host.identity(caller);
      const isBusHost = call.identity?.name === BUS_HOST && isHeldAt(BUS_HOST, capability);
      if (!isBusHost || identity === null) throw new Denial("capability-missing");
      const asker = { identity, session: session.slice() };
      if (condition === "totp") expectCode({ keeper, second }, asker, { capability, profile });
      else desk.demand(asker, { capability, profile, names: [] });
      return {};
    },

    "totp.offer": async ({ profile, code }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      const secret = second.offer(vault, askerOf(call), code);
      await releasing(call, stillOpen(profile), [secret]);
      return { secret };
    },

    "totp.confirm": async ({ profile, code }, call) => {
      call.about(profile);
      second.confirm(keeper.use(profile), askerOf(call), code);
      await call.record();
      return {};
    },

    "totp.verify": async ({ profile, code }, call) => {
      call.about(profile);
      const accept = second.verify(keeper.use(profile), askerOf(call), code);
      await call.record();
      accept();
      return {};
    },

    "vault.create": ({ profile, password }, call) =>
      inTurn(profile, async () => {
        call.about(profile);
        await adopt(await vaults.create(profile, password), call);
        host.changed(profile, "created");
        return {};
      }),

    "vault.unlock": ({ profile, password }, call) =>
      inTurn(profile, async () => {
        call.about(profile);
        if (keeper.isOpen(profile)) {
          await call.record();
          await host.activate(profile);
          return { changed: false };
        }
        await adopt(await vaults.unlock(profile, password), call);
        host.changed(profile, "unlocked");
        return { changed: true };
      }),

    "vault.lock": async ({ profile }, call) => {
      call.about(profile);
      if (profile !== null && !vaults.list().includes(profile))
        throw new Denial("vault-missing", profile);
      // Locking never waits for the log: what is to be locked is locked, then recorded.
      const locked = keeper.lock(profile);
      desk.forget(profile);
      second.forget();
      for (const name of locked) host.changed(name, "locked");
      await call.record();
      return { locked };
    },

    "vault.panic": async (_, call) => {
      const locked = panic.begin();
      for (const name of locked) host.changed(name, "locked");
      // Neither is waited for by what is to be locked: it is.
      await Promise.all([panic.spread(), call.record()]);
      return { locked };
    },

    "vault.lift": ({ profile, password }, call) =>
      inTurn(profile, async () => {
        call.about(profile);
        const changed = panic.held;
        if (changed)
          await panic.end(async () => {
            await vaults.prove(profile, password);
            await call.record();
          });
        else await call.record();
        return { changed };
      }),

    "vault.lift-challenge": (_, { session }) => ({
      challenge: panic.held ? host.rootProof.challenge(session) : null,
    }),

    "vault.lift-by-root": async ({ signature }, call) => {
      const changed = panic.held;
      if (changed)
        await panic.end(async () => {
          host.rootProof.expect(call.session, signature);
          await call.record();
        });
      else await call.record();
      return { changed };
    },

    "vault.status": () => ({
      panic: panic.held,
      vaults: vaults.list().map((profile) => ({
        profile,
        locked: !keeper.isOpen(profile),
        throttledMs: vaults.throttledMs(profile),
      })),
    }),

    "vault.posture": () => measurePosture(),

    "vault.anchor": ({ checkpoint }) => {
      if (!host.isGenuine(checkpoint)) throw new Denial("params-invalid", "checkpoint");
      return { stored: keeper.anchor(checkpoint) };
    },

    "vault.anchors": () => ({
      anchors: keeper.all().flatMap((vault) => {
        const checkpoint = vault.anchor();
        return checkpoint === null ? [] : [{ profile: vault.profile, checkpoint }];
      }),
    }),

    ...useHandlers(host.use),

    "grant.issue": grants.issue,
    "grant.heartbeat": grants.heartbeat,
    "grant.revoke": grants.revoke,
    "grant.list": grants.list,
    "grant.show": grants.show,

    "secret.set": async ({ profile, name, value }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      call.about(profile, objectOf(vault, name));
      await call.record();
      return { version: keeper.use(profile).set(name, value) };
    },

    "secret.get": async ({ profile, name }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      call.about(profile, objectOf(vault, name));
      const { value, version } = vault.get(name);
      await releasing(call, stillOpen(profile), [value]);
      return { value, version };
    },

    "secret.fetch": async ({ profile, names }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      const wanted =
        names ??
        vault
          .list()
          .map(({ name }) => name)
          .filter(call.covers);
      const secrets = vault.fetch(wanted);
      const objects = secrets.map(({ name }) => objectOf(vault, name));
      const values = secrets.map(({ value }) => value);
      await releasing(call, stillOpen(profile), values, secrets.length === 0 ? undefined : objects);
      return { secrets };
    },

    "secret.list": async ({ profile }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      const asked = protectedNames(vault);
      const secrets = vault
        .list()
        .filter(({ name }) => call.covers(name))
        .map(({ name, version, updatedMs }) => ({
          name,
          version,
          updatedMs,
          pseudonym: vault.pseudonym(name),
          ask: asked.has(name),
        }));
      await call.record();
      return { secrets };
    },

    "secret.delete": async ({ profile, name }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      call.about(profile, objectOf(vault, name));
      vault.versions(name);
      await call.record();
      keeper.use(profile).delete(name);
      return {};
    },

    "secret.protect": async ({ profile, name, ask }, call) => {
      call.about(profile);
      const vault = keeper.use(profile);
      call.about(profile, `${ask ? "ask" : "give"} ${objectOf(vault, name)}`);
      await call.record();
      const open = keeper.use(profile);
      const exists = open.list().some((secret) => secret.name === name);
      return { changed: protect(open, name, ask), exists };
    },

    "approval.wait": async (params, call) => ({
      state: await desk.progress(askerOf(call), params),
    }),

    "approval.list": () => ({ asked: desk.list() }),

    "approval.answer": async (params, call) => {
      const { identity } = askerOf(call);
      const { profile, name, capability } = desk.find(params.id);
      call.about(profile, `${params.answer} ${capability} ${name} ${params.id}`);
      await call.record();
      desk.answer(identity, params);
      return {};
    },
  };
}

/** No profile has this name: certificates are counted one at a time, too. */
const CERTIFICATES = "/certificates";

/** Who is calling; the gate lets nobody through that is not registered. */
function askerOf({ identity, session }: Call): Asker {
  if (identity === null) throw new Denial("clearance-too-low");
  return { identity, session };
}

/** Names stay in the vault: the log shows what only the vault can turn back into a name. */
function objectOf(vault: Vault, name: string): string {
  return `secret:${vault.pseudonym(name)}`;
}

/** A value is released once its record is on disk, and wiped if it is not or must not be. */
async function releasing(
  call: Call,
  stillOpen: () => void,
  values: readonly Uint8Array[],
  objects?: readonly string[],
): Promise<void> {
  try {
    await call.record(objects);
    stillOpen();
  } catch (cause) {
    for (const value of values) wipe(value);
    throw cause;
  }
}
