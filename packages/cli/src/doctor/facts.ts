import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { release as kernelRelease } from "node:os";
import { basename, dirname, join } from "node:path";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { tailAudit } from "@sesame/core-audit";
import { GRANT_OWNERS } from "@sesame/core-ipc/grants";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  errorCode,
  keyDirectory,
  keyFilesIn,
  protectionOf,
  requireInstallation,
  type Paths,
} from "@sesame/core-ipc/daemon";
import { DAEMONS, LAUNCHER, RELEASE } from "@sesame/core-types";
import { connect, pathsOf, type Context } from "../context.ts";
import { withLog } from "../io/audit-log.ts";
import { POLICY_DESKS } from "../io/policy-desks.ts";
import { isManaged } from "../systemd/managed.ts";
import { supervisorState } from "../supervisor/stop.ts";
import type { Facts, FileFact, Seen, SuiteFact } from "./checks.ts";

const YAMA = "/proc/sys/kernel/yama/ptrace_scope";

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

/** No id comes after it. */
const LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Looks at everything. What cannot be looked at is said, and hinders nothing else. */
export async function gather(context: Context): Promise<Facts> {
  const paths = pathsOf(context);
  const bus = await see(() => connect(context, false));
  const ask = <T>(question: (client: BusClient) => Promise<T>): Promise<Seen<T>> =>
    "value" in bus ? see(() => question(bus.value)) : Promise.resolve(bus);
  try {
    return {
      release: RELEASE,
      uid: process.getuid?.() ?? -1,
      postures: {
        "daemon-profile": await ask((client) => client.call("bus.posture", {})),
        "daemon-secrets": await ask((client) => client.call("vault.posture", {})),
      },
      launcher: hasLauncher(paths) ? await ask((client) => client.call("run.posture", {})) : null,
      kernel: await see(() => kernelRelease()),
      swaps: await see(() => countSwaps(readFileSync("/proc/swaps", "latin1"))),
      ptraceScope: await see(() =>
        existsSync(YAMA) ? Number(readFileSync(YAMA, "latin1")) : null,
      ),
      files: await see(() => foldersOf(paths).flatMap((path) => walk(path))),
      suite: paths.system === null ? null : await see(() => suiteFact(paths)),
      badKeys: await see(() => damagedKeys(paths)),
      oldKeys: await see(() => oldKeys(paths)),
      installation: await see(() => requireInstallation(suite, paths).id),
      auditWritable: await ask(
        async (client) => (await client.call("status.get", {})).auditWritable,
      ),
      grantsIntact: await ask(async (client) =>
        (
          await Promise.all(GRANT_OWNERS.map((owner) => owner.ask(client, "list", { after: LAST })))
        ).every(({ damaged }) => !damaged),
      ),
      policyMissing: await ask(async (client) => {
        const states = await Promise.all(
          Object.entries(POLICY_DESKS).map(async ([owner, desk]) => ({
            owner,
            ...(await desk.status(client)),
          })),
        );
        return states.flatMap(({ owner, missing }) => (missing ? [owner] : []));
      }),
      panic: await ask(async (client) => (await client.call("status.get", {})).panic),
      clockBehindMs: await see(() => clockBehind(context)),
      manager: await see(() => managerOf(paths)),
    };
  } finally {
    if ("value" in bus) await bus.value.close();
  }
}

/** A record that cannot be read is another check's concern. */
function hasLauncher(paths: Paths): boolean {
  try {
    const { identities } = requireInstallation(suite, paths);
    return identities.some(({ name }) => name === LAUNCHER);
  } catch {
    return true;
  }
}

async function see<T>(look: () => T | Promise<T>): Promise<Seen<T>> {
  try {
    return { value: await look() };
  } catch (cause) {
    return { unseen: cause instanceof Error ? cause.message : "unreadable" };
  }
}

/** Lines after the heading that name no compressed memory. proc_swaps(5) */
export function countSwaps(text: string): number {
  return text
    .split("\n")
    .slice(1)
    .filter((line) => line.trim() !== "" && !line.startsWith("/dev/zram")).length;
}

function walk(path: string): FileFact[] {
  const { mode, uid } = lstatSync(path);
  const directory = (mode & 0o170000) === 0o040000;
  const below = directory ? readdirSync(path).flatMap((name) => walk(join(path, name))) : [];
  return [{ path, mode: mode & 0o7777, uid, directory }, ...below];
}

/** Those of this user; in system mode the others are the suite's. */
function foldersOf({ config, runtime, system }: Paths): string[] {
  return system === null ? [config, runtime] : [config];
}

/** The suite's folder, and what came of the attempt to look into it. */
function suiteFact({ audit, system }: Paths): SuiteFact {
  const path = dirname(audit);
  const { mode, uid } = lstatSync(path);
  const closed = { path, mode: mode & 0o7777, uid, expected: system?.suite ?? -1 };
  try {
    readdirSync(path);
    return { ...closed, entered: true };
  } catch (cause) {
    if (errorCode(cause) !== "EACCES") throw cause;
    return { ...closed, entered: false };
  }
}

function damagedKeys(paths: Paths): string[] {
  const directories = [paths.keys, ...DAEMONS.map((daemon) => keyDirectory(paths, daemon))];
  return directories.flatMap(keyFilesIn).flatMap((path) => {
    try {
      protectionOf(suite, path);
      return [];
    } catch (cause) {
      return [`${basename(path)}: ${cause instanceof Error ? cause.message : "unreadable"}`];
    }
  });
}

function oldKeys(paths: Paths): string[] {
  const { identities } = requireInstallation(suite, paths);
  return identities.filter(({ keyedMs }) => Date.now() - keyedMs > YEAR_MS).map(({ name }) => name);
}

async function clockBehind(context: Context): Promise<number> {
  let last = 0;
  await withLog(context, async (log) => {
    const { audit } = pathsOf(context);
    for await (const entry of tailAudit(audit, { count: 1, ...log })) last = entry.time;
  });
  return Math.max(0, last - Date.now());
}

function managerOf(paths: Paths): string {
  if (paths.system !== null) return `units of the system, as user ${paths.system.suite}`;
  if (isManaged(paths)) return "systemd units";
  const { running } = supervisorState(paths);
  if (running === null) throw new Error("nothing runs the daemons; `sesame daemon start`");
  return `supervisor, pid ${running}`;
}
