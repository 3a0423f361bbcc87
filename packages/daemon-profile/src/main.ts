import { equalBytes } from "@sesame/core-crypto";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  blockText,
  LOOK_BACK,
  nodeFiles,
  openAuditLog,
  readBlocks,
  tailAudit,
  verifyAudit,
  type AuditActor,
  type AuditEntry,
  type AuditLog,
  type LogKeys,
  type LogOwner,
} from "@sesame/core-audit";
import {
  certificateSubject,
  changesOf,
  declaredBy,
  bootClock,
  bootId,
  GrantKeeper,
  measurePosture,
  ofKey,
  PanicMark,
  PolicyKeeper,
  mayWait,
  replacedBy,
  logOwnerOf,
  openOwn,
  runDaemon,
  steadfast,
  subjectIn,
  verified,
  type DaemonContext,
  type Identities,
  type Installation,
  type RunningDaemon,
} from "@sesame/core-ipc/daemon";
import {
  BusServer,
  Dispatcher,
  policyGuard,
  rateLimit,
  programOf,
  Registry,
  PANICKED,
  type AtPolicy,
} from "@sesame/core-ipc/server";
import { secureMemory } from "@sesame/native";
import {
  BUS_HOST,
  KEY_MEMORY,
  RELEASE,
  VAULT_OWNER,
  type Capability,
  type Identity,
} from "@sesame/core-types";
import { Recorder } from "./audit/recorder.ts";
import { Blocker } from "./block/blocker.ts";
import { handlersOf } from "./handlers.ts";
import { Scores } from "./score/scores.ts";
import { listen } from "./io/listen.ts";
import { logFiles, readLog } from "./io/log-files.ts";
import { loadPending, savePending } from "./io/pending-store.ts";
import { loadProfiles, saveProfiles } from "./io/profile-store.ts";
import { listed, type Profiles } from "./profile/profiles.ts";
import { grantsOf, keptPolicy, ownMark, SPEC } from "./spec.ts";

const COUNT_EVERY_MS = 60_000;
/** Entries of the log among which a start looks for what was counted before. */
const STRIKES_LOOK_BACK = 2_000;

await runDaemon({ ...SPEC, start });

async function start({ paths, suite, clock, log }: DaemonContext): Promise<RunningDaemon> {
  const { inForce, keys } = openOwn({
    suite,
    path: paths.installation,
    mark: ownMark(paths),
    own: BUS_HOST,
    keys: SPEC.keys(paths),
    title: "the bus",
    clock,
    log,
  });
  const { installation, own } = inForce;
  const panic = new PanicMark(paths.busPanic);
  const members = (found: Installation): Identities =>
    panic.held ? steadfast(found.identities) : found.identities;
  const registry = new Registry(members(inForce.installation), clock.wallMs);
  const logKeys = (): LogKeys & LogOwner => {
    const { signingSeed } = keys.present;
    return {
      ...logOwnerOf(inForce.installation),
      sign: (message) => suite.ed25519Sign(signingSeed, message),
    };
  };
  const audit = await openAuditLog({
    dir: paths.audit,
    ...logKeys(),
    suite,
    clock,
  });
  if (audit.fault !== null) log("error", audit.fault.message, { hint: audit.fault.hint });

  let profiles = loadProfiles(paths.profiles);
  let room = loadPending(paths.pending);
  const startedAt = clock.monotonicMs();
  const recorder = new Recorder({
    audit,
    clock,
    log,
    self: selfActor(own.id),
    idOf: (name) => registry.byName(name)?.id ?? null,
    holderOf: (session) => bus.peerOf(session),
  });

  const subjectOf = (subject: string): Identity | null =>
    subjectIn(inForce.installation.identities, subject);
  const blocker = new Blocker({
    suite,
    wallMs: clock.wallMs,
    identity: subjectOf,
    record: (block) => recorder.note("block.add", blockText(block)),
    changed: () => {
      bus.reregister();
      bus.emit("block.changed", {});
    },
  });

  const isHuman = (name: string): boolean => registry.byName(name)?.kind === "human";
  const scores = new Scores({
    record: {
      declared: (name) => {
        const identity = registry.byName(name);
        return identity === null ? null : declaredBy(identity);
      },
      isHuman,
    },
    entries: () => tailAudit(paths.audit, { count: LOOK_BACK }),
    verify: async () => {
      const owner = logOwnerOf(inForce.installation);
      const report = await verifyAudit(paths.audit, { suite, ...owner, anchors: [] });
      if (!report.ok) return "changed";
      return report.gaps.length > 0 ? "torn" : "whole";
    },
    proofs: (name) => bus.trustOf(name).map(({ trust }) => trust.authentication),
    clock,
  });
  const scoreOf = async (name: string): Promise<number | null> => {
    try {
      return audit.writable ? await scores.of(name) : null;
    } catch (cause) {
      log("error", "no score", { reason: String(cause) });
      return null;
    }
  };

  const ownPosture = KEY_MEMORY[secureMemory().kind];
  const grants = new GrantKeeper({
    path: join(grantsOf(paths), "grants.state"),
    suite,
    own,
    installation,
    now: bootClock(clock),
    bootId: bootId(),
    log,
    posture: ownPosture,
    programOf: async (session) => programOf(await bus.introduce(session)),
    audit: (records) => recorder.own(records),
    ended: (grant, why) => bus.emit("bus-grant.ended", { grant, why }),
  });

  const policies = new PolicyKeeper({
    suite,
    clock,
    kept: keptPolicy(paths),
    own: () => inForce.own,
    seed: () => keys.present.signingSeed,
    installation: () => inForce.installation,
  });

  /** Codes and agreement are the owner of the vaults' to give: it is asked. */
  const askFor =
    (condition: "totp" | "approval") =>
    async (
      { identity, session }: AtPolicy,
      { capability, profile }: { readonly capability: Capability; readonly profile: string | null },
    ): Promise<void> => {
      const caller = identity.name;
      await bus.ask("policy.condition", { caller, session, capability, profile, condition });
    };
  const agree = askFor("approval");

  const dispatcher = new Dispatcher<typeof BUS_HOST>({
    registry,
    log,
    incident: randomUUID,
    memory: suite,
    gate: {
      blocked: (identity) => blocker.list.hasIdentity(identity),
      grants,
      panic: () => panic.held,
      rate: rateLimit(clock),
      ...policyGuard({
        policies,
        clock,
        posture: ownPosture / 100,
        trust: async ({ name }) => {
          const score = await scoreOf(name);
          return score === null ? null : score / 100;
        },
        code: askFor("totp"),
        agreement: async (asked, call, demanded) => {
          if (demanded !== null) await agree(asked, call);
        },
        record: (trial) => {
          recorder.calls([trial]).catch((cause: unknown) => {
            log("warn", "policy on trial: not recorded", { reason: String(cause) });
          });
        },
      }),
    },
    audit: (records) => recorder.calls(records),
    handlers: handlersOf({
      release: RELEASE,
      pid: process.pid,
      uptimeMs: () => Math.round(clock.monotonicMs() - startedAt),
      secretsConnected: () => bus.serves(VAULT_OWNER),
      auditWritable: () => audit.writable,
      panic: () => panic.held,
      setPanic: (held) => {
        try {
          if (held) panic.hold(clock.wallMs());
          else panic.lift();
        } finally {
          if (held) grants.endAll();
          registry.replace(members(inForce.installation));
          bus.reregister(PANICKED);
        }
      },
      holderOf: (session) => bus.peerOf(session),
      enrolled: (key) => ofKey(inForce.installation.identities, key),
      introduce: (session) => bus.introduce(session),
      verify: (key, signed, signature) => suite.ed25519Verify(key, signed, signature),
      wallMs: clock.wallMs,
      served: () => bus.served(),
      report: (session, posture) => bus.report(session, posture),
      delegated: (session, depths) => bus.delegated(session, depths),
      kindOf: (name) => registry.byName(name)?.kind ?? null,
      trustOf: (name) => bus.trustOf(name),
      scoreOf,
      isTaken: (wanted) => !mayWait(inForce.installation.identities, wanted),
      isReplacement: (wanted) => replacedBy(inForce.installation.identities, wanted) !== null,
      certificates: {
        judge: (certificate) =>
          inForce.judge(certificate, clock.wallMs(), (identity) =>
            blocker.list.hasIdentity(identity),
          ),
        subject: (one) => certificateSubject(inForce.installation, one),
        passOn: async (certificate) =>
          verified(suite, await bus.ask("vault.certify", { certificate })),
        accept: (one) => {
          const isIn = inForce.accept(one);
          if (isIn) takeEffect();
          return isIn;
        },
        follow: (given) => {
          if (inForce.follow(given)) takeEffect();
        },
      },
      grants,
      policies,
      block: { blocks: blocker.list, subject: subjectOf },
      waitingRoom: () => room,
      setWaitingRoom: (state) => {
        savePending(paths.pending, state);
        room = state;
      },
      reread: () => {
        const found = inForce.reread();
        const changes = changesOf(inForce.installation, inForce.withCertificates(found));
        return {
          changes,
          adopt: () => takeOver(found),
        };
      },
      profiles: () => profiles,
      setProfiles: (state: Profiles) => {
        saveProfiles(paths.profiles, state);
        profiles = state;
        bus.emit("profile.changed", { profiles: listed(state) });
      },
      append: (daemon, record) => recorder.reported(daemon, record),
      checkpoint: () => audit.checkpoint(),
      logFiles: () => logFiles(paths.audit),
      readLog: (name, offset, length) => readLog(paths.audit, name, offset, length),
    }),
  });

  const bus = new BusServer({
    suite,
    keys,
    registry,
    clock,
    log,
    posture: measurePosture(),
    uids: [process.getuid?.() ?? 0, ...(paths.system === null ? [] : [paths.system.user])],
    answer: (header, payload) => dispatcher.answer(header, payload),
    panic: () => panic.held,
    depths: () => grants.depths(),
    unknown: (key) => learnOf(key),
    blocked: (key, identity) =>
      identity === null ? blocker.list.hasKey(key) : blocker.list.hasIdentity(identity),
    incident: (incident) => recorder.incident(incident),
  });

  /** Puts a later record in force. */
  async function takeOver(found: Installation): Promise<void> {
    const { signingKey } = inForce.own;
    if (!inForce.adopt(found)) return;
    takeEffect();
    if (equalBytes(inForce.own.signingKey, signingKey)) return;
    policies.signAnew(log);
    await rekey();
  }

  /** A daemon may go by a record that nobody has told this one of: a signer was cut short. */
  function learnOf(key: Uint8Array): void {
    const found = inForce.unheardOf(key);
    if (found === null) return;
    const changes = changesOf(inForce.installation, inForce.withCertificates(found));
    // It is in force with the next line unless that fails, and the daemon is known by then.
    takeOver(found)
      .then(() => {
        for (const object of changes) recorder.note("bus.reload", object);
      })
      .catch((cause: unknown) => {
        log("error", "a later record is not in force", { reason: String(cause) });
      });
  }

  /** Who belongs has changed. Who waited and is registered now waits no longer. */
  function takeEffect(): void {
    const { installation: present } = inForce;
    registry.replace(members(present));
    grants.adopt(present);
    bus.reregister();
    const left = room.filter(({ enrolment }) => mayWait(present.identities, enrolment));
    if (left.length === room.length) return;
    savePending(paths.pending, left);
    room = left;
  }

  /** From here on the log is signed with the present key, and says so. */
  async function rekey(): Promise<void> {
    try {
      await audit.rekey(logKeys());
    } catch (cause) {
      log("error", "the log has yet to take its new key", { error: String(cause) });
    }
  }

  const counting = setInterval(() => recorder.suppressed(), COUNT_EVERY_MS).unref();

  if (own.former.length > 0) policies.signAnew(log);
  audit.onEntry((entry) => {
    blocker.take(entry);
    scores.take(entry);
  });
  await resumeBlocks();
  audit.onGrowth(() => bus.emit("audit.grown", {}));
  audit.onCheckpoint((checkpoint) => bus.emit("audit.checkpointed", { checkpoint }));
  await recordOwn("daemon.start");
  if (panic.held) await recordOwn("panic.holds");
  if (panic.held) grants.endAll();
  await listen(bus, paths);
  return {
    stop: async () => {
      clearInterval(counting);
      await grants.close();
      recorder.suppressed();
      await recordOwn("daemon.stop");
      await anchor(bus, audit, log);
      await bus.close();
      await audit.close().catch((cause: unknown) => {
        log("error", "audit log not closed in order", { error: String(cause) });
      });
    },
  };

  /** What the log bears is in force before anybody can connect. */
  async function resumeBlocks(): Promise<void> {
    try {
      await readBlocks(nodeFiles(paths.audit), (entry) => void blocker.list.take(entry));
      const latest: AuditEntry[] = [];
      for await (const entry of tailAudit(paths.audit, { count: STRIKES_LOOK_BACK }))
        latest.push(entry);
      blocker.resume(latest);
    } catch (cause) {
      // Without a readable log nothing is released either.
      log("error", "block list not read in full", { reason: String(cause) });
    }
  }

  async function recordOwn(action: string): Promise<void> {
    try {
      await recorder.own([{ action, profile: null, object: RELEASE, outcome: "ok" }]);
    } catch (cause) {
      log("error", "audit log not writable", { action, error: String(cause) });
    }
  }
}

/** Leaves the last checkpoint with whoever can keep it outside the log. */
async function anchor(bus: BusServer, audit: AuditLog, log: DaemonContext["log"]): Promise<void> {
  try {
    const checkpoint = await audit.checkpoint();
    const { stored } = await bus.ask("vault.anchor", { checkpoint });
    log("info", "anchored", { sequence: checkpoint.sequence, vaults: stored });
  } catch (cause) {
    log("info", "not anchored", { reason: String(cause) });
  }
}

function selfActor(identity: string | null): AuditActor {
  const uid = process.getuid?.() ?? 0;
  return {
    name: BUS_HOST,
    identity,
    session: null,
    pid: process.pid,
    uid,
    exe: process.execPath,
    unit: null,
  };
}
