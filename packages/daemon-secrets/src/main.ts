import { randomBytes, randomUUID } from "node:crypto";
import { isSignedCheckpoint } from "@sesame/core-audit";
import {
  BusLink,
  certificateSubject,
  haveOtherKeys,
  idBytes,
  logOwnerOf,
  bootClock,
  bootId,
  GrantKeeper,
  PanicMark,
  PolicyKeeper,
  openOwn,
  runDaemon,
  SealedOwner,
  subjectIn,
  type DaemonContext,
  type RunningDaemon,
} from "@sesame/core-ipc/daemon";
import type { BusClient } from "@sesame/core-ipc/client";
import { Dispatcher, policyGuard, programOf, rateLimit, Registry } from "@sesame/core-ipc/server";
import { secureMemory } from "@sesame/native";
import {
  Denial,
  Fault,
  KEY_MEMORY,
  limits,
  VAULT_OWNER,
  type AuditRecord,
  type Checkpoint,
  type Identity,
  type PeerEvidence,
} from "@sesame/core-types";
import { join } from "node:path";
import { Desk } from "./approval/desk.ts";
import { Blocks } from "./block/blocks.ts";
import { Delegations } from "./delegations.ts";
import { meansOf } from "./guard.ts";
import { handlersOf } from "./handlers.ts";
import { loadBlocks, saveBlocks } from "./io/block-file.ts";
import { Throttles } from "./io/throttles.ts";
import { Vaults } from "./io/vaults.ts";
import { Keeper } from "./keeper.ts";
import { Panic } from "./panic.ts";
import { RootProof } from "./root-proof.ts";
import { Tickets } from "./use/tickets.ts";
import { SecondFactor } from "./second-factor.ts";
import { grantsOf, keptBlocks, keptPolicy, ownMark, SPEC } from "./spec.ts";

await runDaemon({ ...SPEC, start });

async function start({ paths, suite, clock, log, fail }: DaemonContext): Promise<RunningDaemon> {
  const { inForce, keys } = openOwn({
    suite,
    path: paths.installation,
    mark: ownMark(paths),
    own: VAULT_OWNER,
    keys: SPEC.keys(paths),
    title: "the vault daemon",
    clock,
    log,
  });
  const { installation, own } = inForce;
  const vaults = new Vaults({ directory: paths.vaults, suite, clock });
  const keeper = new Keeper(vaults);
  const panic = new Panic({
    mark: new PanicMark(paths.vaultPanic),
    wallMs: clock.wallMs,
    lockAll: () => {
      const locked = keeper.lock(null);
      desk.forget(null);
      second.forget();
      rootProof.forget();
      grants.endAll();
      return locked;
    },
    tell: async (held) => {
      await link.bus.call("bus.panic", { held });
    },
    log,
  });
  const rootProof = new RootProof({
    suite,
    clock,
    installation: idBytes(installation),
    rootKey: () => inForce.installation.rootKey,
  });
  const sealed = new SealedOwner(suite, keys, clock);
  const isGenuine = (checkpoint: Checkpoint): boolean =>
    isSignedCheckpoint(suite, logOwnerOf(inForce.installation), checkpoint);

  const registry = new Registry(installation.identities, clock.wallMs);

  const blocks = new Blocks({
    wallMs: clock.wallMs,
    kept: loadBlocks(keptBlocks(paths)),
    keep: (present) => saveBlocks(keptBlocks(paths), present),
    laid: () => endApprovals(),
  });

  /** Nobody if it is blocked. */
  const unblocked = (name: string): Identity | null => {
    const identity = registry.byName(name);
    return identity === null || blocks.has(identity) ? null : identity;
  };

  const audit = async (records: AuditRecord[]): Promise<void> => {
    await link.bus.call("audit.append", { records });
  };

  const peerOf = async (session: Uint8Array): Promise<PeerEvidence | null> => {
    const { PEER_TIMEOUT_MS: timeoutMs } = limits;
    return (await link.bus.call("bus.peer", { session }, { timeoutMs })).peer;
  };

  /** The bus host's word: it can refuse more than there is to refuse, and leave a condition out. */
  const trust = async ({ name }: Identity): Promise<number | null> => {
    const { PEER_TIMEOUT_MS: timeoutMs } = limits;
    try {
      const { score } = await link.bus.call("trust.score", { name }, { timeoutMs });
      return score === null ? null : score / 100;
    } catch (cause) {
      if (cause instanceof Denial || cause instanceof Fault) return null;
      throw cause;
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
    programOf: async (session) => {
      try {
        return programOf(await peerOf(session));
      } catch (cause) {
        // What demands a program is refused.
        if (cause instanceof Denial || cause instanceof Fault) return null;
        throw cause;
      }
    },
    audit,
    ended: (grant, why) => {
      if (link.connected) link.bus.emit("grant.ended", { grant, why });
    },
  });

  const policies = new PolicyKeeper({
    suite,
    clock,
    kept: keptPolicy(paths),
    own: () => inForce.own,
    seed: () => keys.present.signingSeed,
    installation: () => inForce.installation,
  });

  const throttles = new Throttles(paths.vaults, clock);
  const second = new SecondFactor({ suite, clock, throttles });

  const desk = new Desk({
    moment: () => ({ wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }),
    newId: () => randomBytes(4).toString("hex"),
    peerOf,
    changed: (waiting) => link.emit("approval.changed", { waiting }),
  });

  const dispatcher = new Dispatcher<typeof VAULT_OWNER>({
    registry,
    sealed,
    log,
    incident: randomUUID,
    memory: suite,
    gate: {
      blocked: (identity) => blocks.has(identity),
      panic: () => panic.held,
      grants,
      rate: rateLimit(clock),
      ...policyGuard({
        policies,
        clock,
        trust,
        posture: ownPosture / 100,
        ...meansOf({ keeper, desk, second }),
        record: (trial) => {
          audit([trial]).catch((cause: unknown) => {
            log("warn", "policy on trial: not recorded", { reason: String(cause) });
          });
        },
      }),
    },
    audit,
    handlers: handlersOf({
      vaults,
      keeper,
      grants,
      desk,
      block: { blocks, subject: (subject) => subjectIn(inForce.installation.identities, subject) },
      policies,
      comparePolicies: async () => {
        try {
          await compare(link.bus);
        } catch (cause) {
          if (!(cause instanceof Denial || cause instanceof Fault)) throw cause;
          // It is asked again on the next connection.
          log("warn", "policies not compared", { reason: cause.message });
        }
      },
      identity: (name) => registry.byName(name),
      panic,
      rootProof,
      use: {
        keeper,
        grants,
        tickets: new Tickets((bytes) => suite.blake2s(bytes)),
        identity: unblocked,
        wallMs: clock.wallMs,
        nowMs: clock.monotonicMs,
        newTicket: () => suite.randomBytes(32),
      },
      second,
      activate: async (profile) => {
        await link.bus.call("profile.activate", { profile });
      },
      changed: (profile, state) => link.bus.emit("vault.changed", { profile, state }),
      checkpoint: async () => (await link.bus.call("audit.checkpoint", {})).checkpoint,
      reread: () => {
        const found = inForce.reread();
        return () => {
          const before = inForce.installation;
          if (!inForce.adopt(found)) return;
          takeEffect();
          policies.signAnew(log);
          if (haveOtherKeys(before.identities, found.identities)) link.move();
        };
      },
      certificates: {
        judge: (certificate) =>
          inForce.judge(certificate, clock.wallMs(), (identity) => blocks.has(identity)),
        subject: (one) => certificateSubject(inForce.installation, one),
        accept: (one) => {
          const isIn = inForce.accept(one);
          if (isIn) takeEffect();
          if (isIn) link.emit("vault.certified", {});
          return isIn;
        },
        all: () => inForce.certificates,
      },
      isGenuine,
    }),
  });

  /** Who belongs has changed. */
  function takeEffect(): void {
    registry.replace(inForce.installation.identities);
    grants.adopt(inForce.installation);
    endApprovals();
  }

  /** Of whoever gets nothing now; getting rights back brings no approval back. */
  function endApprovals(): void {
    const { identities } = inForce.installation;
    const active = identities.filter((one) => one.state === "active" && !blocks.has(one));
    const ids = new Set(active.map(({ id }) => id));
    desk.retain((id) => ids.has(id));
  }

  function anchor(checkpoint: Checkpoint): void {
    if (!isGenuine(checkpoint)) return;
    try {
      keeper.anchor(checkpoint);
    } catch (cause) {
      log("warn", "checkpoint not anchored", { reason: String(cause) });
    }
  }

  /** What is in force at one owner and not at the other is missed there. */
  async function compare(bus: BusClient): Promise<void> {
    const { version } = await bus.call("bus-policy.compare", { version: policies.seen });
    policies.remember(version);
  }

  const link: BusLink = new BusLink({
    log,
    fail,
    answer: (header, payload) => dispatcher.answer(header, payload),
    prepare: async (bus) => {
      const tell = (states: readonly { name: string; active: boolean }[]): void => {
        keeper.active = new Set(states.filter(({ active }) => active).map(({ name }) => name));
      };
      await bus.on("profile.changed", ({ profiles }) => tell(profiles));
      const hearBlocks = async (): Promise<void> => {
        blocks.tell((await bus.call("block.list", {})).blocks);
      };
      await bus.on("block.changed", () => {
        hearBlocks().catch((cause: unknown) => {
          log("error", "block list not heard", { reason: String(cause) });
        });
      });
      await hearBlocks();
      await bus.on("audit.checkpointed", ({ checkpoint }) => anchor(checkpoint));
      tell((await bus.call("profile.list", {})).profiles);
      await compare(bus);
      await bus.call("agent.settle", inForce.certificates);
      const { panic: isHeldThere } = await bus.call("status.get", {});
      await panic.meet(isHeldThere, async (held) => {
        await bus.call("bus.panic", { held });
      });
    },
    serving: (bus) => bus.emit("vault.certified", {}),
    keys,
    connection: () => ({
      socket: paths.socket,
      served: paths.system?.user,
      suite,
      ...inForce.pinned(),
      clock,
    }),
  });
  if (own.former.length > 0) policies.signAnew(log);
  // One that was killed between the two ends them now.
  if (panic.held) grants.endAll();
  await link.start();
  const delegations = new Delegations({
    depths: () => grants.depths(),
    bus: () => (link.connected ? link.bus : null),
    log,
  });
  return {
    stop: async () => {
      keeper.lock(null);
      delegations.stop();
      await grants.close();
      sealed.destroy();
      await link.stop();
    },
  };
}
