import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "@sesame/core-types";
import { pathsOf, type Context } from "../context.ts";
import { bundles, requireOwnDaemons, startDaemons, stopDaemons } from "../io/daemons.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";
import { removeUnits, writeUnits } from "../systemd/files.ts";
import { isManagerRunning, unitFolder } from "../systemd/managed.ts";
import { reloadUnits, targetFile } from "../systemd/manager.ts";
import { TARGET } from "../systemd/names.ts";
import { renderUnits, unitNames, USER_MODE } from "../systemd/units.ts";

/** Hands the daemons over to systemd. Done twice, it changes nothing. */
export async function daemonInstall(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  requireOwnDaemons(paths);
  const folder = unitFolder(paths);
  const units = renderUnits({ node: process.execPath, bundles: bundles() });
  const changed = writeUnits(folder, units);
  const running = isManagerRunning(paths);
  const initialised = existsSync(paths.installation);
  if (running) {
    await reloadUnits(paths);
    if ((await targetFile(paths)) !== join(folder, TARGET)) {
      removeUnits(folder, unitNames(USER_MODE));
      throw new Fault(
        "config",
        `your systemd does not look for units in ${folder}`,
        "run this with the XDG_CONFIG_HOME that your login session has",
      );
    }
    // Whatever ran until now ran without these units, or with older ones.
    if (changed) await stopDaemons(paths);
    if (initialised) await startDaemons(paths);
  }
  const where = printable(folder);
  const next = !running
    ? "systemd does not run for this user now: the daemons start with the next login."
    : initialised
      ? "The daemons run, and start with every login."
      : "The daemons start after `sesame init`, and with every login.";
  return {
    text: `${changed ? "Units are" : "Nothing was changed; units are"} in ${where}. ${next}`,
    data: { folder, changed, running: running && initialised },
  };
}

/** Removes what `daemonInstall` wrote, and nothing else. */
export async function daemonUninstall(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  await stopDaemons(paths);
  const removed = removeUnits(unitFolder(paths), unitNames(USER_MODE));
  if (removed.length > 0 && isManagerRunning(paths)) await reloadUnits(paths);
  return {
    text:
      removed.length === 0
        ? "Nothing was installed."
        : "The units are removed; the daemons start when they are needed.",
    data: { removed },
  };
}
