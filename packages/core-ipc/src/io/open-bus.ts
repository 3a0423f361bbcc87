import type { Suite } from "@sesame/core-crypto";
import { BUS_HOST, Fault, OPERATOR } from "@sesame/core-types";
import { identityOf, loadInstallation, type Installation } from "../install/installation.ts";
import { keyFileOf } from "../install/key-directory.ts";
import { openKeyFile, type HeldKeys } from "../install/key-file.ts";
import { pathsFrom, type Paths } from "../install/paths.ts";
import { connectBus, type BusClient, type BusClientOptions } from "./bus-client.ts";

export type OpenOptions = {
  readonly suite: Suite;
  /** Name of the identity whose key file to use; null connects unregistered. */
  readonly as?: string | null;
  /** Keys that are open already, instead of the file's. */
  readonly keys?: Pick<HeldKeys, "noise"> | null;
  /** Asked where a passphrase protects the key file. Its answer is wiped after use. */
  readonly passphrase?: () => Promise<Uint8Array>;
  readonly paths?: Paths;
  readonly timeoutMs?: number;
  readonly meet?: BusClientOptions["meet"];
};

/** Connects to this user's bus, with the keys of an identity of this installation. */
export async function openBus(options: OpenOptions): Promise<BusClient> {
  const { suite, paths = pathsFrom(process.env) } = options;
  const installation = requireInstallation(suite, paths);
  const keys = options.keys === undefined ? await keysOf(options, paths) : options.keys;
  return connectBus({
    socket: paths.socket,
    served: paths.system?.user,
    suite,
    ...(keys === null ? {} : { keys: keys.noise }),
    busKey: identityOf(installation, BUS_HOST).noiseKey,
    identities: installation.identities,
    meet: options.meet,
    reread: () => requireInstallation(suite, paths).identities,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
}

function keysOf({ suite, as = OPERATOR, passphrase }: OpenOptions, paths: Paths) {
  if (as === null) return null;
  return openKeyFile(suite, keyFileOf(paths, as), passphrase ?? nobodyToAsk);
}

function nobodyToAsk(): never {
  throw new Fault(
    "config",
    "a passphrase protects the key file, and there is nobody to ask for it",
    "call openBus with `passphrase`, or remove it: `sesame --as NAME key unprotect`",
  );
}

/** @throws {Fault} config, if `sesame init` has not run */
export function requireInstallation(
  suite: Suite,
  paths: Pick<Paths, "installation">,
): Installation {
  const installation = loadInstallation(suite, paths.installation);
  if (installation === null)
    throw new Fault("config", "sesame is not set up for this user", "run `sesame init`");
  return installation;
}
