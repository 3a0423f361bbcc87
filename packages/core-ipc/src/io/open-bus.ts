import { join } from "node:path";
import type { Suite } from "@sesame/core-crypto";
import { BUS_HOST, Fault, OPERATOR } from "@sesame/core-types";
import { identityOf, loadInstallation, type Installation } from "../install/installation.ts";
import { loadKeyFile } from "../install/key-file.ts";
import { pathsFrom, type Paths } from "../install/paths.ts";
import { connectBus, type BusClient } from "./bus-client.ts";

export type OpenOptions = {
  readonly suite: Suite;
  /** Name of the identity whose key file to use; null connects unregistered. */
  readonly as?: string | null;
  readonly paths?: Paths;
  readonly timeoutMs?: number;
};

/** Connects to this user's bus, with the keys of an identity of this installation. */
export async function openBus(options: OpenOptions): Promise<BusClient> {
  const { suite, as = OPERATOR, paths = pathsFrom(process.env) } = options;
  const installation = requireInstallation(suite, paths);
  const keys = as === null ? null : loadKeyFile(suite, join(paths.keys, `${as}.key`));
  return connectBus({
    socket: paths.socket,
    suite,
    ...(keys === null ? {} : { keys: keys.noise }),
    busKey: identityOf(installation, BUS_HOST).noiseKey,
    identities: installation.identities,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
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
