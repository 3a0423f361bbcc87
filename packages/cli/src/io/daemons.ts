import { dirname, join } from "node:path";
import type { Paths } from "@sesame/core-ipc/daemon";
import { BUS_HOST, VAULT_OWNER } from "@sesame/core-types";
import { startDetached } from "../supervisor/start.ts";

const START_TIMEOUT_MS = 20_000;
// SIGUSR1 would open Node's inspector to every process of this user.
const NODE_FLAGS = ["--disable-sigusr1", "--no-warnings"];

/** Folder of the bundles: this program and the daemons lie side by side. */
function bundles(): string {
  return dirname(process.argv[1] ?? "");
}

/** The daemons in the order in which they start. */
export function daemonCommands(): { name: string; command: string; args: string[] }[] {
  return [BUS_HOST, VAULT_OWNER].map((name) => ({
    name,
    command: process.execPath,
    args: [...NODE_FLAGS, join(bundles(), `${name}.mjs`)],
  }));
}

/** Starts the supervisor in the background and waits until the daemons serve. */
export function startDaemons(paths: Paths): Promise<{ pid: number; started: boolean }> {
  return startDetached({
    paths,
    command: process.execPath,
    args: [...NODE_FLAGS, join(bundles(), "sesame.cjs"), "daemon", "run"],
    timeoutMs: START_TIMEOUT_MS,
  });
}
