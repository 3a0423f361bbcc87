import { dirname, join } from "node:path";
import { moveIntoDirectory, type Paths } from "@sesame/core-ipc/daemon";
import { DAEMONS, Fault, type Identity } from "@sesame/core-types";
import { DAEMON_FLAGS, NODE_FLAGS } from "../node-flags.ts";
import { holderOf } from "../supervisor/lock-file.ts";
import { startDetached, type Started } from "../supervisor/start.ts";
import { isManaged } from "../systemd/managed.ts";

const START_TIMEOUT_MS = 20_000;

/** Folder of the bundles: this program and the daemons lie side by side. */
export function bundles(): string {
  return dirname(process.argv[1] ?? "");
}

/** The daemons in the order in which they start; older installations have no launcher. */
export function daemonCommands(
  identities: readonly Pick<Identity, "name">[],
): { name: string; command: string; args: string[] }[] {
  const present = DAEMONS.filter((name) => identities.some((identity) => identity.name === name));
  return present.map((name) => ({
    name,
    command: process.execPath,
    args: [...DAEMON_FLAGS, join(bundles(), `${name}.mjs`)],
  }));
}

/** Brings the keys of installations of older releases to where the daemons look for them. */
export function moveDaemonKeys(paths: Pick<Paths, "keys">): void {
  for (const daemon of DAEMONS) moveIntoDirectory(paths, daemon);
}

/**
 * Starts the daemons in the background and waits until they serve: through systemd where it is to
 * run them, unless a supervisor does already.
 */
export async function startDaemons(paths: Paths): Promise<Started> {
  if (paths.system !== null) {
    const { awaitSuite } = await import("../system/await-suite.ts");
    return awaitSuite(paths);
  }
  moveDaemonKeys(paths);
  if (isManaged(paths) && holderOf(paths) === null) {
    const { startUnits } = await import("../systemd/manager.ts");
    return startUnits(paths);
  }
  return startDetached({
    paths,
    command: process.execPath,
    args: [...NODE_FLAGS, join(bundles(), "sesame.cjs"), "daemon", "run"],
    timeoutMs: START_TIMEOUT_MS,
  });
}

/**
 * Stops the daemons, whoever runs them.
 *
 * @returns null if none ran
 */
export async function stopDaemons(paths: Paths): Promise<{ readonly pid: number } | null> {
  requireOwnDaemons(paths);
  const { stopRunning } = await import("../supervisor/stop.ts");
  const { stopUnits } = await import("../systemd/manager.ts");
  const supervised = await stopRunning(paths);
  return (await stopUnits(paths)) ?? supervised;
}

/** @throws {Fault} denied, where the system runs the daemons */
export function requireOwnDaemons({ system }: Paths): void {
  if (system === null) return;
  throw new Fault(
    "denied",
    "the system runs your daemons",
    `as root: systemctl stop sesame-headless@${system.user}.target; \`sesame lock\` locks all vaults`,
  );
}
