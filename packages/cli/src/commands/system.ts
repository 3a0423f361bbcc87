import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "@sesame/core-types";
import {
  loadSuite,
  recordFolder,
  replaceFile,
  suiteFile,
  suiteFolder,
  suiteText,
  SYSTEM_FOLDER,
  type DaemonKeys,
} from "@sesame/core-ipc/daemon";
import type { Context } from "../context.ts";
import { bundles } from "../io/daemons.ts";
import { run } from "../io/run.ts";
import type { Outcome } from "../render.ts";
import { accountOf, requireAccount, type Account } from "../system/account.ts";
import { requireRootsProgram } from "../system/roots-program.ts";
import { makeFolders } from "../system/suite-folders.ts";
import { daemonsOf, makeKeys } from "../system/suite-keys.ts";
import { removeUnits, writeUnitFiles } from "../systemd/files.ts";
import { suiteUser } from "../systemd/names.ts";
import {
  disableSuite,
  enableSuite,
  reloadSystem,
  restartSuites,
  SYSTEM_UNITS,
} from "../systemd/system-manager.ts";
import { renderUnits, SYSTEM_MODE, unitNames } from "../systemd/units.ts";

/**
 * Has the system run the daemons for a user, under a user of their own. Safe to run again.
 *
 * @param newKeys - whether the daemons' keys are to be others, once the user has signed them
 */
export async function systemInstall(user: string, newKeys: boolean): Promise<Outcome> {
  requireRoot();
  const served = await requireAccount(user);
  refuseOwnInstallation(served);
  requireRootsProgram(bundles());
  const own = await makeSuiteUser(served);
  makeFolders(served, own);
  const said = saySuite(served, own, await daemonsOf(served, own, newKeys));
  const units = renderUnits({ node: process.execPath, bundles: bundles() }, SYSTEM_MODE);
  const written = writeUnitFiles(SYSTEM_UNITS, units, 0o644);
  if (written) await restartSuites();
  await enableSuite(served.uid);
  const next = existsSync(join(recordFolder(served.uid), "installation.toml"))
    ? newKeys
      ? `They run; ${served.name} signs their new keys: \`sesame key rotate\`.`
      : "They run."
    : `They start once ${served.name} has run \`sesame init\`.`;
  return {
    text: `The system runs the daemons of ${served.name}, as ${own.name}. ${next}`,
    data: { user: served.uid, suite: own.uid, changed: said || written },
  };
}

/** Undoes systemInstall. What the daemons keep stays, and so does their user, whose files they are. */
export async function systemUninstall(user: string): Promise<Outcome> {
  requireRoot();
  const served = await requireAccount(user);
  const path = suiteFile(served.uid);
  const installed = existsSync(path);
  if (installed) {
    await disableSuite(served.uid);
    rmSync(path, { force: true });
  }
  const others = existsSync(SYSTEM_FOLDER) && readdirSync(SYSTEM_FOLDER).length > 0;
  const removed = others ? [] : removeUnits(SYSTEM_UNITS, unitNames(SYSTEM_MODE));
  if (removed.length > 0) await reloadSystem();
  const data = { user: served.uid, changed: installed, kept: suiteFolder(served.uid) };
  return {
    text: installed
      ? `The daemons of ${served.name} are stopped and removed. Their files are in ${data.kept}.`
      : `The system runs no daemons for ${served.name}.`,
    data,
  };
}

/** A step of systemInstall, as the suite's own user. */
export function daemonKeys({ env }: Context, next: boolean): Outcome {
  const keys = makeKeys(env, next);
  return { text: Object.keys(keys).join("\n"), data: keys };
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Fault("denied", "only root installs for the system", "run it with `sudo`");
}

/** What users have set up for themselves stays theirs: nothing of it is moved. */
function refuseOwnInstallation({ name, home }: Account): void {
  const path = join(home, ".config", "pds", "installation", "installation.toml");
  if (!existsSync(path)) return;
  throw new Fault(
    "exists",
    `${name} has an installation already: ${path}`,
    "as that user: keep what `sesame export` prints, `sesame daemon stop`, move the folder away",
  );
}

async function makeSuiteUser(served: Account): Promise<Account> {
  const name = suiteUser(served.uid);
  const line = `u ${name} - "Sesame daemons of ${served.uid}" ${suiteFolder(served.uid)}/suite`;
  const hint = "see systemd-sysusers(8)";
  await run("systemd-sysusers", ["--inline", line], { hint });
  const made = await accountOf(name);
  if (made !== null && made.uid !== 0 && made.uid !== served.uid) return made;
  throw new Fault("config", `there is no user ${name} of its own`, hint);
}

/** @returns whether it was not said before */
function saySuite(served: Account, own: Account, daemons: readonly DaemonKeys[]): boolean {
  const suite = { user: served.uid, suite: own.uid, home: served.home, daemons };
  const before = loadSuite(served.uid);
  if (before !== null && suiteText(before) === suiteText(suite)) return false;
  replaceFile(suiteFile(served.uid), Buffer.from(suiteText(suite)), 0o644);
  return true;
}
