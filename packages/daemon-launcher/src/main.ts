import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import {
  BusLink,
  haveOtherKeys,
  openOwn,
  runDaemon,
  SealedOwner,
  type DaemonContext,
  type RunningDaemon,
} from "@sesame/core-ipc/daemon";
import type { BusClient } from "@sesame/core-ipc/client";
import { Dispatcher, Registry } from "@sesame/core-ipc/server";
import { Denial, Fault, ID_BYTES, LAUNCHER, limits } from "@sesame/core-types";
import { restoreNofile } from "@sesame/native";
import type { User } from "./environment.ts";
import { handlersOf } from "./handlers.ts";
import { endRemains } from "./io/remains.ts";
import type { RunningProgram } from "./io/running-program.ts";
import { Witness } from "./io/witness.ts";
import { Runs } from "./run/runs.ts";
import { ownMark, SPEC } from "./spec.ts";

await runDaemon({ ...SPEC, start });

async function start({ paths, suite, clock, log, fail }: DaemonContext): Promise<RunningDaemon> {
  const { inForce, keys } = openOwn({
    suite,
    path: paths.installation,
    mark: ownMark(paths),
    own: LAUNCHER,
    keys: SPEC.keys(paths),
    title: "the launcher",
    clock,
    log,
  });
  const { installation } = inForce;
  // Node has raised it for itself; programs start with what the user has.
  restoreNofile();
  const mark = `${installation.id}/`;
  endRemains(mark);
  const registry = new Registry(installation.identities, clock.wallMs);
  const sealed = new SealedOwner(suite, keys, clock);
  const runs = new Runs<RunningProgram>();
  const witness = new Witness(clock);
  const nowMs = clock.monotonicMs;

  const dispatcher = new Dispatcher<typeof LAUNCHER>({
    registry,
    sealed,
    log,
    incident: randomUUID,
    memory: suite,
    audit: async (records) => {
      await link.bus.call("audit.append", { records });
    },
    handlers: handlersOf({
      runs,
      user: accountOf(),
      directory: paths.launcher,
      mark,
      nowMs,
      newId: () => suite.randomBytes(ID_BYTES),
      expectTicket: (params) => link.bus.call("secret.ticket", params),
      redeem: (params) => link.bus.call("secret.redeem", params),
      record: (record) => {
        const failed = (cause: unknown): void =>
          log("error", "end of a run not recorded", {
            reason: String(cause),
            outcome: record.outcome,
          });
        try {
          link.bus.call("audit.append", { records: [record] }).catch(failed);
        } catch (cause) {
          failed(cause);
        }
      },
      describe: (pid) => witness.describe(pid),
      reread: () => {
        const found = inForce.reread();
        return () => {
          const before = inForce.installation;
          if (!inForce.adopt(found)) return;
          registry.replace(inForce.installation.identities);
          if (haveOtherKeys(before.identities, found.identities)) link.move();
        };
      },
    }),
  });

  const link: BusLink = new BusLink({
    log,
    fail,
    // Whoever was let in before it called is known by now.
    answer: async (header, payload) => {
      await followed;
      return dispatcher.answer(header, payload);
    },
    prepare: async (bus) => {
      await bus.on("vault.certified", () => follow(bus));
      follow(bus);
    },
    keys,
    connection: () => ({
      socket: paths.socket,
      suite,
      ...inForce.pinned(),
      clock,
    }),
  });

  /** Resolves once the certificates are known that were in force when it was last told of some. */
  let followed: Promise<void> = Promise.resolve();
  let isAsking = false;

  function follow(bus: BusClient): void {
    if (isAsking) return;
    isAsking = true;
    followed = followed.then(async () => {
      isAsking = false;
      try {
        // Sealed: a bus can keep them back, and cannot make one up.
        const given = await bus.call("vault.certificates", {});
        if (inForce.follow(given)) registry.replace(inForce.installation.identities);
      } catch (cause) {
        if (!(cause instanceof Denial || cause instanceof Fault)) throw cause;
        // That owner says so when it is there.
        log("info", "certificates not known yet", { reason: cause.message });
      }
    });
    followed.catch(fail);
  }

  /** The owner is asked itself, by a sealed call: a bus cannot say yes in its place. */
  async function check(): Promise<void> {
    runs.tick(nowMs());
    const asked = runs.all;
    if (asked.length === 0) return;
    const tickets = asked.map(({ ticket }) => ticket);
    try {
      const timeoutMs = limits.RUN_BLIND_MS;
      const { standing } = await link.bus.call("secret.standing", { tickets }, { timeoutMs });
      runs.told(asked, standing, nowMs());
    } catch (cause) {
      if (!(cause instanceof Denial || cause instanceof Fault)) throw cause;
      log("warn", "runs not confirmed", { reason: cause.message });
    }
  }

  await link.start();
  const timer = setInterval(() => {
    check().catch(fail);
  }, limits.RUN_CHECK_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      runs.stopAll("launcher-stopped");
      await ended(runs);
      sealed.destroy();
      await link.stop();
    },
  };
}

/** Resolves once no program runs; what would not end was killed by then. */
async function ended(runs: Runs<RunningProgram>): Promise<void> {
  await Promise.all(
    runs.all.map(async (run) => {
      await run.settled;
      await run.program?.over;
    }),
  );
}

/** From the user database, not from an environment that anybody may have set. */
function accountOf(): User {
  try {
    const { username, homedir } = userInfo();
    return { name: username, home: homedir };
  } catch {
    return { name: String(process.getuid?.() ?? ""), home: "/" };
  }
}
