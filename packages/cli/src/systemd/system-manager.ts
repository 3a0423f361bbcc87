import { run } from "../io/run.ts";
import {
  BUS_SERVICE,
  BUS_SOCKET,
  instanceOf,
  RECORD_PATH,
  TARGET,
  VAULT_SERVICE,
} from "./names.ts";

// The manager of the system, as root.

/** Where the administrator of a machine puts units. systemd.unit(5) */
export const SYSTEM_UNITS = "/etc/systemd/system";

/** Starts what is installed for a user, now and with every boot. */
export async function enableSuite(user: number): Promise<void> {
  await systemctl("daemon-reload");
  await systemctl("enable", "--quiet", instanceOf(TARGET, user));
  // Earlier failures no longer count when somebody asks. Refused for what was never loaded.
  await systemctl("reset-failed", ...unitsOf(user)).catch(() => undefined);
  await systemctl("start", ...unitsOf(user));
}

/** Has daemons that run under older units run under the present ones. */
export async function restartSuites(): Promise<void> {
  await systemctl("daemon-reload");
  await systemctl("try-restart", ...[BUS_SERVICE, VAULT_SERVICE].map((unit) => anyOf(unit)));
}

/** Stops what runs for a user, the bus before the vaults, and starts it no more. */
export async function disableSuite(user: number): Promise<void> {
  const [target = "", path = "", socket = "", bus = "", vaults = ""] = unitsOf(user);
  await systemctl("disable", "--quiet", target);
  await systemctl("stop", path, target, socket, bus);
  // They stop by themselves after the bus; this waits for it.
  await systemctl("stop", vaults);
}

export async function reloadSystem(): Promise<void> {
  await systemctl("daemon-reload");
}

function unitsOf(user: number): string[] {
  return [TARGET, RECORD_PATH, BUS_SOCKET, BUS_SERVICE, VAULT_SERVICE].map((unit) =>
    instanceOf(unit, user),
  );
}

function anyOf(unit: string): string {
  return unit.replace(".", "@*.");
}

function systemctl(...args: readonly string[]): Promise<string> {
  const hint = "`journalctl -u 'sesame-*'` has the daemons' own words";
  return run("systemctl", ["--no-pager", ...args], { hint });
}
