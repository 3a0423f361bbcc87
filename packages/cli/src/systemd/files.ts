import { mkdirSync, readlinkSync, rmdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorCode, fileFault, readBounded, replaceFile } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { TARGET } from "./names.ts";
import { MARK, type UnitFile } from "./units.ts";

const MAX_UNIT_BYTES = 65_536;
// What `systemctl enable` makes of WantedBy=default.target: the daemons start with the login.
const WANTED = "default.target.wants";
const WANTED_LINK = `../${TARGET}`;
// Whatever the umask: who can write there has programs run as this user.
const FOLDER_MODE = 0o755;

/**
 * Brings unit files into a user's folder and enables the target.
 *
 * @returns whether anything had to be changed
 * @throws {Fault} exists, if a file is there that is not ours: then nothing is changed; io
 */
export function writeUnits(folder: string, units: readonly UnitFile[]): boolean {
  const changed = writeUnitFiles(folder, units, 0o600);
  try {
    mkdirSync(join(folder, WANTED), { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw fileFault(cause, folder);
  }
  return enable(join(folder, WANTED, TARGET)) || changed;
}

/** As writeUnits, without enabling anything. */
export function writeUnitFiles(folder: string, units: readonly UnitFile[], mode: number): boolean {
  const stale = units.filter(({ name, text }) => {
    const path = join(folder, name);
    const found = readBounded(path, MAX_UNIT_BYTES)?.toString("utf8") ?? null;
    if (found !== null && !isOurs(found))
      throw new Fault("exists", `${path} is there and is not ours`, "move it elsewhere");
    return found !== text;
  });
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw fileFault(cause, folder);
  }
  for (const { name, text } of stale) replaceFile(join(folder, name), Buffer.from(text), mode);
  return stale.length > 0;
}

/**
 * Removes what writeUnits wrote.
 *
 * @returns paths of what was removed
 */
export function removeUnits(folder: string, names: readonly string[]): string[] {
  const link = join(folder, WANTED, TARGET);
  const ours = names
    .map((name) => join(folder, name))
    .filter((path) => isOurs(readBounded(path, MAX_UNIT_BYTES)?.toString("utf8") ?? ""));
  const all = linkTarget(link) === WANTED_LINK ? [link, ...ours] : ours;
  for (const path of all) {
    try {
      rmSync(path, { force: true });
    } catch (cause) {
      throw fileFault(cause, path);
    }
  }
  if (all.includes(link)) removeIfEmpty(dirname(link));
  return all;
}

function isOurs(text: string): boolean {
  return text.startsWith(`${MARK}\n`);
}

function enable(link: string): boolean {
  try {
    symlinkSync(WANTED_LINK, link);
    return true;
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw fileFault(cause, dirname(link));
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (cause) {
    if (errorCode(cause) !== "ENOTEMPTY") throw fileFault(cause, folder);
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
