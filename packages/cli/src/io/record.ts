import { closeSync, constants, openSync } from "node:fs";
import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  requireInstallation,
  saveInstallation,
  withLogKeys,
  type Installation,
  type Members,
  type Paths,
  type Token,
} from "@sesame/core-ipc/daemon";
import { Denial, Fault } from "@sesame/core-types";
import { tryLock } from "@sesame/native";
import { presentMembers } from "./members.ts";
import { openRootKey } from "./root-key.ts";
import { promptHidden } from "./prompt.ts";

/**
 * Changes who belongs to the installation: one change at a time, signed by the root key, which
 * the password opens. What certificates have changed since the last signature is signed with it;
 * tokens whose time is over leave the record.
 *
 * @param bus - over which the certificates are asked for; null where there may be none
 * @param question - asks for that password
 * @throws {Denial} factor-rejected; nothing was changed
 */
export async function changeRecord(
  paths: Paths,
  bus: BusClient | null,
  question: string,
  change: (present: Members) => Partial<Members>,
): Promise<void> {
  const lock = takeLock(paths.recordLock);
  let seed: Uint8Array | null = null;
  try {
    const root = await askRootKey(paths, question);
    seed = root.seed;
    const known = bus === null ? root.installation : await presentMembers(bus, paths);
    // Certificates that are not taken over may rest on tokens that have lapsed since.
    const isInForce = ({ untilMs }: Token): boolean => bus === null || untilMs > Date.now();
    const tokens = known.tokens.filter(isInForce);
    const installation = { ...known, tokens };
    const changed = withLogKeys(installation, { ...installation, ...change(installation) });
    saveInstallation(suite, paths.installation, changed, seed);
  } finally {
    seed?.fill(0);
    closeSync(lock);
  }
}

/**
 * The root key of the installation, which the password opens.
 *
 * @returns with the seed, 32 bytes, to be wiped by the caller
 * @throws {Denial} factor-rejected
 */
export async function askRootKey(
  paths: Paths,
  question: string,
): Promise<{ readonly seed: Uint8Array; readonly installation: Installation }> {
  const seed = await rootKeyOf(paths, await promptHidden(question));
  const installation = requireInstallation(suite, paths);
  if (equalBytes(suite.ed25519PublicKey(seed), installation.rootKey)) return { seed, installation };
  seed.fill(0);
  throw new Fault(
    "integrity",
    "the root key is not the one of this installation",
    `restore ${paths.keys} and the record from the same backup`,
  );
}

/**
 * Has the daemons read the record: the owner of the secrets first, since rights end there, the bus
 * host last, since it closes the connections of keys that have ended.
 */
export async function reloadRecord(bus: BusClient): Promise<void> {
  await bus.call("vault.reload", {});
  await reloadLauncher(bus);
  await bus.call("bus.reload", {});
}

async function reloadLauncher(bus: BusClient): Promise<void> {
  try {
    await bus.call("run.reload", {});
  } catch (cause) {
    // A launcher that does not run reads the record when it starts.
    if (!isAbsent(cause)) throw cause;
  }
}

function isAbsent(cause: unknown): boolean {
  if (cause instanceof Denial) return cause.code === "owner-absent";
  return cause instanceof Fault && cause.exit === "config";
}

async function rootKeyOf(paths: Paths, password: Uint8Array): Promise<Uint8Array> {
  try {
    const seed = await openRootKey(paths, password);
    if (seed === "wrong-password") throw new Denial("factor-rejected");
    if (seed !== null) return seed;
  } finally {
    password.fill(0);
  }
  throw new Fault("config", "there is no root key", `restore ${paths.keys} from a backup`);
}

/** Two changes at once would lose one: a revocation, perhaps. */
function takeLock(path: string): number {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  if (tryLock(fd)) return fd;
  closeSync(fd);
  throw new Fault(
    "try-later",
    "the list of identities is being changed already",
    "finish or stop the other `sesame agent` command",
  );
}
