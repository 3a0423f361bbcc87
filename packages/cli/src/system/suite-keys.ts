import { join } from "node:path";
import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  addKeys,
  createKeyFile,
  keyDirectory,
  keyFileOf,
  keysIn,
  loadInstallation,
  loadKeyFile,
  loadSuite,
  pathsFrom,
  privateDirectory,
  SERVES,
  type DaemonKeys,
  type IdentityKeys,
  type Paths,
} from "@sesame/core-ipc/daemon";
import { Denial, Fault, fromHex, toHex } from "@sesame/core-types";
import { daemonFolders } from "../folders.ts";
import { bundles, moveDaemonKeys } from "../io/daemons.ts";
import { NODE_FLAGS } from "../node-flags.ts";
import { run } from "../io/run.ts";
import { SUITE } from "../members.ts";
import type { Account } from "./account.ts";

const HINT = "`sesame daemon install --system` can be run again";

/** Public keys of a daemon, as hex digits. */
type PublicKeys = Readonly<Record<"noise" | "sealing" | "signing", string>>;

/**
 * Has the suite's own user make the keys of its daemons, where there are none: no other process
 * ever holds them.
 *
 * @param next - whether they are to get new ones, where none wait to be signed
 * @returns the daemons with their public keys
 */
export async function daemonsOf(user: Account, own: Account, next: boolean): Promise<DaemonKeys[]> {
  const flags = next ? ["--next", "--json"] : ["--json"];
  const args = [...NODE_FLAGS, join(bundles(), "sesame.cjs"), "daemon", "keys", ...flags];
  const env = { [SERVES]: String(user.uid), HOME: "/", PATH: "/usr/bin:/bin" };
  const said = await run(process.execPath, args, { env, uid: own.uid, gid: own.gid, hint: HINT });
  const keys = JSON.parse(said) as Readonly<Record<string, PublicKeys>>;
  return SUITE.map(({ name }) => {
    const { noise, sealing, signing } = keys[name] as PublicKeys;
    const [noiseKey, sealingKey, signingKey] = [noise, sealing, signing].map(publicKey);
    if (!noiseKey || !sealingKey || !signingKey)
      throw new Fault("fault", `${own.name} made no keys of ${name}`, HINT);
    return { name, noiseKey, sealingKey, signingKey };
  });
}

function publicKey(hex: string): Uint8Array | null {
  const key = fromHex(hex);
  return key?.length === 32 ? key : null;
}

/**
 * What the suite's own user does: makes folders and keys that are missing, and tells the public
 * ones: those that root has said, unless the user has signed them and there are to be next ones.
 */
export function makeKeys(env: Readonly<Record<string, string | undefined>>, next: boolean) {
  const paths = pathsFrom(env);
  if (paths.system === null || env[SERVES] === undefined)
    throw new Fault(
      "usage",
      "this is a step of another command",
      "`sesame daemon install --system --user NAME`, as root",
    );
  const directories = SUITE.map(({ name }) => keyDirectory(paths, name));
  for (const path of [paths.config, paths.keys, ...directories, ...daemonFolders(paths)])
    privateDirectory(path);
  moveDaemonKeys(paths);
  const entries = SUITE.map(({ name }): [string, PublicKeys] => {
    const keys = keysToSay(paths, name, next);
    const [noise = "", sealing = "", signing = ""] = [
      keys.noise.publicKey,
      keys.sealing.publicKey,
      keys.signingKey,
    ].map(toHex);
    return [name, { noise, sealing, signing }];
  });
  return Object.fromEntries(entries);
}

function keysToSay(paths: Paths, name: string, next: boolean): IdentityKeys {
  const directory = keyDirectory(paths, name);
  const said = loadSuite(paths.system?.user ?? 0)?.daemons.find((daemon) => daemon.name === name);
  const keys = said === undefined ? null : keysIn(suite, directory, said.noiseKey);
  if (keys === null) return firstKeys(paths, name);
  return next && isSigned(paths, name, keys) ? addKeys(suite, directory) : keys;
}

function firstKeys(paths: Paths, name: string): IdentityKeys {
  const path = keyFileOf(paths, name);
  const keys = createKeyFile(suite, path) ?? loadKeyFile(suite, path);
  if (keys !== null) return keys;
  throw new Denial("storage-failed", "key file");
}

/** True if the user's record has these keys for the daemon's. */
function isSigned({ installation }: Paths, daemon: string, { noise }: IdentityKeys): boolean {
  const record = loadInstallation(suite, installation);
  const known = record?.identities.find(({ name }) => name === daemon);
  return known !== undefined && equalBytes(known.noiseKey, noise.publicKey);
}
