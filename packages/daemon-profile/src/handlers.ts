import {
  enrolmentProof,
  measurePosture,
  type PolicyKeeper,
  type Verdict,
  type Verified,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  Fault,
  limits,
  MESSAGES,
  type Params,
  postureOf,
  utf8Length,
  VAULT_OWNER,
  type AuditRecord,
  type BUS_HOST,
  type Certificates as Given,
  type Checkpoint,
  type Evidence,
  type Identity,
  type IdentityKind,
  type MessageName,
  type PeerEvidence,
  type Posture,
  type Trust,
  type Enrolment,
} from "@sesame/core-types";
import {
  grantHandlers,
  policyHandlers,
  Refusal,
  type Call,
  type GrantDesk,
  type Handlers,
  type Holder,
  type Peer,
  type Served,
} from "@sesame/core-ipc/server";
import { equalBytes } from "@sesame/core-crypto";
import type { LogFile } from "./io/log-files.ts";
import { dismiss, enter, ofKey, waiting, type WaitingRoom } from "./enrolment/waiting-room.ts";
import { blockHandlers, type BlockHost } from "./block/block-handlers.ts";
import { create, listed, setActive, setDefault, type Profiles } from "./profile/profiles.ts";

/** A verified record that is not in force yet. */
export type Reread = {
  /** What differs, for the audit log. */
  readonly changes: readonly string[];
  /** Puts it in force. */
  readonly adopt: () => Promise<void>;
};

/** Certificates, as the bus host goes by them. */
export type Certificates = {
  readonly judge: (certificate: Uint8Array) => Verdict;
  /** What the audit log calls it. */
  readonly subject: (one: Verified) => string;
  /**
   * Has the owner of the vaults accept it, and judges for itself what is in force there.
   *
   * @throws {Denial} as that owner
   */
  readonly passOn: (certificate: Uint8Array) => Promise<Verified | null>;
  /** Puts it in force once it is durable; false if the record does not bear it. */
  readonly accept: (one: Verified) => boolean;
  /** Goes by what the owner of the vaults goes by. */
  readonly follow: (given: Given) => void;
};

/** What the handlers ask of the daemon around them. */
export type Host = {
  readonly release: string;
  readonly pid: number;
  readonly uptimeMs: () => number;
  readonly secretsConnected: () => boolean;
  readonly auditWritable: () => boolean;
  readonly panic: () => boolean;
  /** Makes it durable, and puts it in force also where that fails. */
  readonly setPanic: (held: boolean) => void;
  /** Who holds a bus session, and the static key that it proved; null once it has ended. */
  readonly holderOf: (session: Uint8Array) => Pick<Holder, "key" | "peer"> | null;
  /** The identity of the record whose Noise key this is, also a suspended one. */
  readonly enrolled: (key: Uint8Array) => Identity | null;
  /** Which processes are at the other end of a bus session; null once it has ended. */
  readonly introduce: (session: Uint8Array) => Promise<PeerEvidence | null>;
  /** True if this is the signature of the key over the bytes. */
  readonly verify: (key: Uint8Array, signed: Uint8Array, signature: Uint8Array) => boolean;
  readonly wallMs: () => number;
  /** The daemons that serve, with what they have measured of themselves. */
  readonly served: () => readonly Served[];
  /** Takes over what a daemon has measured of itself. */
  readonly report: (session: Uint8Array, posture: Posture) => void;
  readonly delegated: (session: Uint8Array, depths: Params<"trust.delegations">["depths"]) => void;
  /** Null if there is no such identity. */
  readonly kindOf: (name: string) => IdentityKind | null;
  /** The connections of an identity. */
  readonly trustOf: (name: string) => readonly { readonly pid: number; readonly trust: Trust }[];
  /** 0 to 100; null: it could not be measured. */
  readonly scoreOf: (name: string) => Promise<number | null>;
  readonly isTaken: (wanted: Enrolment) => boolean;
  /** True if it waits to take the place of an identity. */
  readonly isReplacement: (wanted: Enrolment) => boolean;
  readonly certificates: Certificates;
  readonly grants: GrantDesk;
  readonly policies: PolicyKeeper;
  readonly block: BlockHost;
  readonly waitingRoom: () => WaitingRoom;
  /** Makes a new state durable. */
  readonly setWaitingRoom: (room: WaitingRoom) => void;
  /** Reads the signed record again. */
  readonly reread: () => Reread;
  readonly profiles: () => Profiles;
  /** Makes a new state durable, then tells everybody. */
  readonly setProfiles: (state: Profiles) => void;
  /** Records what another daemon did, with the caller's evidence; resolves once durable. */
  readonly append: (daemon: string, record: AuditRecord) => Promise<number>;
  readonly checkpoint: () => Promise<Checkpoint>;
  readonly logFiles: () => Promise<LogFile[]>;
  readonly readLog: (name: string, offset: number, length: number) => Promise<Uint8Array>;
};

/** Requests that daemon-profile answers. */
export function handlersOf(host: Host): Handlers<typeof BUS_HOST> {
  const grants = grantHandlers(host.grants);
  const policy = policyHandlers(host.policies);
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time: of many that ask at once, only those who get in are put on record. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  }

  const switching =
    (active: boolean) =>
    async (
      { profile }: { readonly profile: string },
      call: Call,
    ): Promise<{ changed: boolean }> => {
      call.about(profile);
      const before = host.profiles();
      const after = setActive(before, profile, active);
      await call.record();
      if (after !== before) host.setProfiles(after);
      return { changed: after !== before };
    };

  const daemons = (): { name: string; posture: number | null }[] =>
    host.served().map(({ name, posture }) => ({
      name,
      posture: posture === null ? null : postureOf(posture),
    }));

  return {
    "status.get": (_, { identity }) => ({
      release: host.release,
      pid: host.pid,
      uptimeMs: host.uptimeMs(),
      secretsConnected: host.secretsConnected(),
      auditWritable: host.auditWritable(),
      panic: host.panic(),
      you: identity?.name ?? null,
    }),

    "bus.peer": async ({ session }) => ({ peer: await host.introduce(session) }),

    "bus.posture": () => measurePosture(),

    "trust.own": (_, { trust }) => ({ trust, daemons: daemons() }),

    "trust.show": ({ name }, call) => {
      call.about(null, name);
      const connections = [...host.trustOf(name)];
      return { kind: host.kindOf(name), connections, daemons: daemons() };
    },

    "trust.score": async ({ name }) => ({ score: await host.scoreOf(name) }),

    "trust.report": ({ posture }, { session }) => {
      host.report(session, posture);
      return {};
    },

    "trust.delegations": ({ depths }, { session }) => {
      host.delegated(session, depths);
      return {};
    },

    "bus.reload": async (_, call) => {
      const { changes, adopt } = host.reread();
      await call.record(changes.length === 0 ? [null] : changes);
      await adopt();
      return {};
    },

    "bus.panic": async ({ held }, call) => {
      call.about(null, held ? "held" : "lifted");
      if (call.identity?.name !== VAULT_OWNER) throw new Denial("capability-missing");
      // It begins before it is on record, and ends after.
      if (!held) await call.record();
      try {
        host.setPanic(held);
      } catch (cause) {
        if (cause instanceof Fault) throw new Denial("storage-failed", "mark of the panic");
        throw cause;
      }
      if (held) await call.record();
      return {};
    },

    ...blockHandlers(host.block),

    "agent.enroll": async ({ signature, ...wanted }, call) => {
      call.about(null, wanted.name);
      const holder = host.holderOf(call.session);
      if (holder === null) throw new Denial("proof-invalid");
      const known = host.enrolled(holder.key);
      if (known !== null) {
        if (known.name === wanted.name) return { state: stateOf(known, holder.key, host.wallMs()) };
        throw new Denial("key-taken", known.name);
      }
      const enrolment = { ...wanted, noiseKey: holder.key };
      const arrival = { enrolment, evidence: evidenceOf(holder.peer) };
      const signed = enrolmentProof(call.session, enrolment);
      if (!host.verify(wanted.signingKey, signed, signature)) throw new Denial("proof-invalid");
      return inTurn(async () => {
        const admit = (): WaitingRoom =>
          enter(host.waitingRoom(), arrival, host.wallMs(), host.isTaken);
        if (admit() === host.waitingRoom()) return { state: "pending" };
        if (host.isReplacement(enrolment)) call.about(null, `replacement of ${wanted.name}`);
        await call.record();
        // The operator may have changed the list while the record was written.
        host.setWaitingRoom(admit());
        return { state: "pending" };
      });
    },

    "agent.status": (_, { session }) => {
      const key = host.holderOf(session)?.key ?? null;
      if (key === null) return { state: "unknown", keyedMs: null };
      const known = host.enrolled(key);
      if (known !== null)
        return { state: stateOf(known, key, host.wallMs()), keyedMs: known.keyedMs };
      const present = waiting(host.waitingRoom(), host.wallMs());
      return { state: ofKey(present, key) === null ? "unknown" : "pending", keyedMs: null };
    },

    "agent.list": () => ({ pending: [...waiting(host.waitingRoom(), host.wallMs())] }),

    "agent.reject": async ({ name }, call) => {
      call.about(null, name);
      dismiss(host.waitingRoom(), name);
      await call.record();
      host.setWaitingRoom(dismiss(host.waitingRoom(), name));
      return {};
    },

    "agent.certify": async ({ certificate }, call) => {
      const { certificates } = host;
      const key = host.holderOf(call.session)?.key ?? null;
      const known = key === null ? null : host.enrolled(key);
      if (key !== null && known !== null) return { state: stateOf(known, key, host.wallMs()) };
      const verdict = certificates.judge(certificate);
      if (verdict.is !== "known" && verdict.one !== null)
        call.about(null, certificates.subject(verdict.one));
      if (verdict.is === "refused") throw refusal(verdict.reason);
      if (verdict.is === "known" || !isFor(verdict.one, key)) throw refusal("key-not-connected");
      // The owner of the vaults counts first: what it does not let in has nothing here either.
      const one = await certificates.passOn(certificate);
      if (one === null || !isFor(one, key)) throw refusal("malformed");
      await call.record();
      if (!certificates.accept(one)) throw refusal("foreign");
      return { state: "registered" };
    },

    "agent.settle": (given, call) => {
      if (call.identity?.name !== VAULT_OWNER) throw new Denial("capability-missing");
      host.certificates.follow(given);
      return {};
    },

    "bus-grant.issue": grants.issue,
    "bus-grant.heartbeat": grants.heartbeat,
    "bus-grant.revoke": grants.revoke,
    "bus-grant.list": grants.list,
    "bus-grant.show": grants.show,

    "bus-policy.install": policy.install,
    "bus-policy.status": policy.status,

    "bus-policy.compare": ({ version }, call) => {
      call.about(null, `policy ${version}`);
      if (call.identity?.name !== VAULT_OWNER) throw new Denial("capability-missing");
      host.policies.remember(version);
      return { version: host.policies.version };
    },

    "profile.list": () => ({ profiles: listed(host.profiles()) }),

    "profile.create": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = create(before, profile);
      await call.record();
      if (after !== before) host.setProfiles(after);
      return { created: after !== before };
    },

    "profile.activate": switching(true),

    "profile.deactivate": switching(false),

    "profile.set-default": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = setDefault(before, profile);
      await call.record();
      host.setProfiles(after);
      return { previous: before.default };
    },

    "audit.append": async ({ records }, { identity }) => {
      const daemon = identity?.name;
      if (daemon === undefined) throw new Denial("capability-missing");
      for (const { action } of records)
        if (isOthers(action, daemon)) throw new Denial("params-invalid", `record of ${action}`);
      try {
        const sequences = await Promise.all(records.map((record) => host.append(daemon, record)));
        return { sequence: Math.max(0, ...sequences) };
      } catch (cause) {
        if (cause instanceof Fault && cause.exit === "integrity") throw new Denial("audit-damaged");
        throw cause;
      }
    },

    "audit.files": async () => ({ files: await host.logFiles() }),

    "audit.read": async ({ name, offset, length }) => ({
      bytes: await host.readLog(name, offset, length),
    }),

    "audit.checkpoint": async () => ({ checkpoint: await host.checkpoint() }),
  };
}

/** True for a kind that another daemon answers, and records. */
function isOthers(action: string, daemon: string): boolean {
  const row = Object.hasOwn(MESSAGES, action) ? MESSAGES[action as MessageName] : null;
  return row?.form === "request" && row.owner !== "*" && row.owner !== daemon;
}

/** What becomes of who holds this key of an identity; a former one is nobody's from its date on. */
function stateOf(
  { state, former }: Identity,
  key: Uint8Array,
  wallMs: number,
): "registered" | "suspended" | "lapsed" {
  const lapsed = former.some(
    ({ noiseKey, untilMs }) => equalBytes(noiseKey, key) && untilMs <= wallMs,
  );
  if (lapsed) return "lapsed";
  return state === "active" ? "registered" : "suspended";
}

/** True if the connection has proved the Noise key that a certificate is about. */
function isFor({ certificate: { body } }: Verified, key: Uint8Array | null): boolean {
  return key !== null && equalBytes(body.noiseKey, key);
}

/** The log has the reason. */
function refusal(reason: string): Refusal {
  return new Refusal("certificate-refused", reason);
}

function evidenceOf({ pid, uid, executable, unit }: Peer): Evidence {
  return { pid, uid, executable: short(executable), unit: short(unit) };
}

/** A text that does not fit its field is as good as none. */
function short(given: string | null): string | null {
  return given !== null && utf8Length(given) <= limits.MAX_TEXT_BYTES ? given : null;
}
