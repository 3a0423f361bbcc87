import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { Fault } from "@sesame/core-types";
import { addonPath } from "@sesame/native";

// What the system runs for a user, that user must not be able to change: a program of theirs would
// be in the daemons at the next start.

/** Packages with native parts, which stay outside the bundles. */
const PACKAGES = ["sodium-native", "better-sqlite3-multiple-ciphers"];

/**
 * Checks that only root can change this program: the files and every directory on the way.
 *
 * @param bundles - folder of the bundles
 * @throws {Fault} config, naming the first file that others can change
 */
export function requireRootsProgram(bundles: string): void {
  const find = createRequire(join(bundles, "sesame.cjs"));
  const packages = PACKAGES.map((name) => folderOf(find.resolve(name)));
  for (const path of [process.execPath, bundles, dirname(addonPath()), ...packages])
    requireRoots(path);
}

/** Checks a file, or a folder with all in it, and every directory on the way. */
export function requireRoots(path: string): void {
  const real = realpathSync(path);
  for (let above = dirname(real); ; above = dirname(above)) {
    check(above);
    if (above === sep) break;
  }
  checkAll(real);
}

/** The `node_modules` that a module was found in. */
function folderOf(module: string): string {
  const parts = module.split(sep);
  return parts.slice(0, parts.lastIndexOf("node_modules") + 1).join(sep);
}

function checkAll(path: string): void {
  check(path);
  const found = lstatSync(path);
  if (found.isDirectory()) for (const name of readdirSync(path)) checkAll(join(path, name));
  else if (found.isSymbolicLink() && statSync(path, { throwIfNoEntry: false }) !== undefined)
    check(realpathSync(path));
}

function check(path: string): void {
  const { uid, mode } = lstatSync(path);
  const open = (mode & 0o022) !== 0 && (mode & 0o170000) !== 0o120000;
  if (uid === 0 && !open) return;
  throw new Fault(
    "config",
    `others than root may change ${path}, and with it the daemons`,
    "install the program in a folder of root's, such as /opt/sesame, and run it from there",
  );
}
