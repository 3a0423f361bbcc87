import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createKeyFile,
  keyDirectory,
  keyFileOf,
  loadInstallation,
  loadSuite,
  privateDirectory,
  saveInstallation,
  type DaemonKeys,
  type HeldKeys,
  type Paths,
} from "@sesame/core-ipc/daemon";
import { DAEMONS, DEFAULT_CAPABILITIES, Denial, Fault, type Identity } from "@sesame/core-types";
import { openKeys, pathsOf, withBus, type Context } from "../context.ts";
import { daemonFolders } from "../folders.ts";
import { membersOf, type Member } from "../members.ts";
import { moveDaemonKeys } from "../io/daemons.ts";
import { promptNewPassword } from "../io/prompt.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import { createRootKey, openRootKey } from "../io/root-key.ts";
import type { Outcome } from "../render.ts";
import { createProfile } from "./profile.ts";

const DEFAULT_PROFILE = "default";

/** Sets everything up that is not set up yet; never replaces anything. */
export async function init(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  for (const path of directoriesOf(paths)) privateDirectory(path);
  if (paths.system === null) moveDaemonKeys(paths);
  const existing = loadInstallation(suite, paths.installation);
  let password: Uint8Array | null = null;
  try {
    if (existing === null) {
      password = await askPassword();
      await createInstallation(context, password);
    }
    const grown = existing !== null && (await addMembers(context, paths, existing.identities));
    const given = password;
    const made = await withBus(context, async (bus) => {
      const { vaults } = await bus.call("vault.status", {});
      if (vaults.some(({ profile }) => profile === DEFAULT_PROFILE)) return false;
      password = given ?? (await askPassword());
      return createProfile(bus, DEFAULT_PROFILE, async () => (password as Uint8Array).slice());
    });
    const id = loadInstallation(suite, paths.installation)?.id ?? "";
    const changed = existing === null || made || grown;
    return {
      text: grown
        ? `Installation ${id} has its launcher now; \`sesame daemon stop\`, then start, to run it.`
        : changed
          ? `Installation ${id} is ready; the vault of profile ${DEFAULT_PROFILE} is unlocked.`
          : `Already set up (installation ${id}); nothing was changed.`,
      data: { installation: id, changed, profile: DEFAULT_PROFILE },
    };
  } finally {
    (password as Uint8Array | null)?.fill(0);
  }
}

/** In system mode the other ones are the suite's. */
function directoriesOf(paths: Paths): string[] {
  const mine = [paths.config, paths.keys];
  if (paths.system === null) {
    const keys = DAEMONS.map((daemon) => keyDirectory(paths, daemon));
    return [...mine, ...keys, paths.runtime, dirname(paths.installation), ...daemonFolders(paths)];
  }
  const before = join(paths.config, "installation");
  if (!existsSync(before)) return mine;
  throw new Fault(
    "exists",
    `there is an installation of your own: ${before}`,
    `move ${paths.config} away: the system runs the daemons now`,
  );
}

function askPassword(): Promise<Uint8Array> {
  return promptNewPassword("New password for the default vault: ", "The same again: ");
}

/** Installations that are older than a daemon of this release get its identity; true if one did. */
async function addMembers(
  context: Context,
  paths: Paths,
  present: readonly Identity[],
): Promise<boolean> {
  const missing = membersOf(paths).filter(({ name }) => !present.some((one) => one.name === name));
  if (missing.length === 0) return false;
  const names = missing.map(({ name }) => name).join(", ");
  const added = await identitiesOf(context, missing);
  await changeRecord(paths, null, `Password of the root key, to add ${names}: `, (before) => ({
    identities: [...before.identities, ...added],
  }));
  await withBus(context, (bus) => reloadRecord(bus));
  return true;
}

/** Keys first, the signed record last: without the record there is no installation. */
async function createInstallation(context: Context, password: Uint8Array): Promise<void> {
  const paths = pathsOf(context);
  const rootSeed = await rootSeedOf(paths, password);
  try {
    saveInstallation(
      suite,
      paths.installation,
      {
        id: randomUUID(),
        rootKey: suite.ed25519PublicKey(rootSeed),
        serial: 0,
        identities: await identitiesOf(context, membersOf(pathsOf(context))),
        tokens: [],
      },
      rootSeed,
    );
  } finally {
    rootSeed.fill(0);
  }
}

/** A root key of an init that was cut short is used again, if the password opens it. */
async function rootSeedOf(paths: Paths, password: Uint8Array): Promise<Uint8Array> {
  const seed = await openRootKey(paths, password);
  if (seed === null) return createRootKey(paths, password);
  if (seed !== "wrong-password") return seed;
  throw new Fault(
    "denied",
    "there is a root key from an earlier setup, and this is not its password",
    `use that password, or move ${paths.keys} away to start anew`,
  );
}

/** One after the other: each may ask for a passphrase. */
async function identitiesOf(context: Context, members: readonly Member[]): Promise<Identity[]> {
  const identities: Identity[] = [];
  for (const { name, kind, clearance } of members) {
    identities.push({
      id: randomUUID(),
      kind,
      state: "active",
      enrolledMs: Date.now(),
      clearance,
      wants: "",
      keyedMs: Date.now(),
      former: [],
      capabilities: DEFAULT_CAPABILITIES[kind],
      ...(await publicKeysOf({ ...context, identity: name })),
    });
  }
  return identities;
}

/** In system mode the daemons have keys already, and root says which. */
async function publicKeysOf(context: Context): Promise<DaemonKeys> {
  const { system } = pathsOf(context);
  const name = context.identity;
  const served = system === null ? null : loadSuite(system.user);
  const said = served?.daemons.find((daemon) => daemon.name === name);
  if (said !== undefined) return said;
  const { noise, sealing, signingKey } = await keysOf(context);
  return { name, noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}

async function keysOf(context: Context): Promise<HeldKeys> {
  const path = keyFileOf(pathsOf(context), context.identity);
  const keys = createKeyFile(suite, path) ?? (await openKeys(context));
  if (keys === null) throw new Denial("storage-failed", "key file");
  return keys;
}
