import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { equalBytes, type Suite } from "@sesame/core-crypto";
import { DAEMONS, Fault } from "@sesame/core-types";
import { errorCode, fileFault, privateDirectory, syncDirectory } from "../io/files.ts";
import { createKeyFile, loadKeyFile, publicKeysIn, type IdentityKeys } from "./key-file.ts";
import type { Paths } from "./paths.ts";

// A daemon's keys lie in a directory of their own: the present ones beside former ones and those
// that it is to have next. Which is which the signed record says. docs/KEYS.md, Daemons

/** More files than a daemon can need: present, former, and some that a crash left. */
const MAX_FILES = 64;
const NOISE_KEY_BYTES = 32;

/** The key file of an identity, or the first one of a daemon. */
export function keyFileOf(paths: Pick<Paths, "keys">, name: string): string {
  const isDaemon = DAEMONS.some((daemon) => daemon === name);
  return join(isDaemon ? keyDirectory(paths, name) : paths.keys, `${name}.key`);
}

export function keyDirectory({ keys }: Pick<Paths, "keys">, daemon: string): string {
  return join(keys, daemon);
}

/**
 * The keys of a directory whose Noise key is this one.
 *
 * @returns null if no file holds them
 * @throws {Fault} what the files say that could not be opened, if none holds them
 */
export function keysIn(suite: Suite, directory: string, noiseKey: Uint8Array): IdentityKeys | null {
  let unusable: unknown = null;
  for (const path of keyFilesIn(directory)) {
    try {
      const keys = loadKeyFile(suite, path);
      if (keys !== null && equalBytes(keys.noise.publicKey, noiseKey)) return keys;
    } catch (cause) {
      unusable ??= cause;
    }
  }
  if (unusable !== null) throw unusable;
  return null;
}

/** Makes further keys in a directory; they are on disk. */
export function addKeys(suite: Suite, directory: string): IdentityKeys {
  const keys = createKeyFile(suite, join(directory, `${randomBytes(8).toString("hex")}.key`));
  if (keys !== null) return keys;
  throw new Fault("io", `no keys were made in ${directory}`, "run the command again");
}

/**
 * Overwrites and removes the key files whose Noise keys are meant. What copies of the blocks a file
 * system or a drive has kept is not reached. docs/KEYS.md, Daemons
 */
export function eraseKeys(
  suite: Suite,
  directory: string,
  isMeant: (noiseKey: Uint8Array) => boolean,
): void {
  for (const path of keyFilesIn(directory)) {
    const noiseKey = noiseKeyIn(suite, path);
    if (noiseKey !== null && isMeant(noiseKey)) eraseFile(path);
  }
}

/** Null for what is damaged: whose it was, nobody knows. */
function noiseKeyIn(suite: Suite, path: string): Uint8Array | null {
  try {
    return publicKeysIn(suite, path)?.subarray(0, NOISE_KEY_BYTES) ?? null;
  } catch (cause) {
    if (cause instanceof Fault) return null;
    throw cause;
  }
}

function eraseFile(path: string): void {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      writeSync(fd, new Uint8Array(fstatSync(fd).size), 0, undefined, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    unlinkSync(path);
    syncDirectory(dirname(path));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw fileFault(cause, path);
  }
}

/** Paths of the key files of a daemon; none without a directory. */
export function keyFilesIn(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".key"));
    if (names.length <= MAX_FILES) return names.sort().map((name) => join(directory, name));
    const hint = "move those away that the record does not name";
    throw new Fault("config", `there are more than ${MAX_FILES} key files in ${directory}`, hint);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw fileFault(cause, directory);
  }
}

/**
 * Moves the key file of an older release, which lay beside those of others, into the daemon's
 * directory. A crash in between leaves it in both places, and running it again ends that.
 */
export function moveIntoDirectory(paths: Pick<Paths, "keys">, daemon: string): void {
  const from = join(paths.keys, `${daemon}.key`);
  const to = keyFileOf(paths, daemon);
  if (lstatSync(from, { throwIfNoEntry: false }) === undefined) return;
  const directory = dirname(to);
  privateDirectory(directory);
  try {
    if (!linked(from, to)) linkSync(from, join(directory, `${randomBytes(8).toString("hex")}.key`));
    syncDirectory(directory);
    unlinkSync(from);
    syncDirectory(paths.keys);
  } catch (cause) {
    // Another command has moved it.
    if (errorCode(cause) !== "ENOENT") throw fileFault(cause, from);
  }
}

/** False if another file has the name: of a backup that was restored, perhaps. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (cause) {
    if (errorCode(cause) !== "EEXIST") throw cause;
    return lstatSync(from).ino === lstatSync(to).ino;
  }
}
