import { readFileSync } from "node:fs";
import { join } from "node:path";
import { unwrapWithPassword } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { loadInstallation, saveInstallation, type Paths } from "@sesame/core-ipc/daemon";
import type { Identity } from "@sesame/core-types";

const ROOT_AD = new TextEncoder().encode("sesame root key v1");

/** Password of the default vault and of the root key in every test home. */
export const PASSWORD = "correct horse";

/** Changes the signed record as the root key's owner, and tells nobody of it. */
export async function signRecord(
  paths: Paths,
  change: (identities: readonly Identity[]) => readonly Identity[],
): Promise<void> {
  const password = new TextEncoder().encode(PASSWORD);
  const box = readFileSync(join(paths.keys, "root.box"));
  const rootSeed = await unwrapWithPassword(suite, password, box, ROOT_AD);
  const installation = loadInstallation(suite, paths.installation);
  if (rootSeed === null || installation === null) throw new Error("the home is not set up");
  const identities = change(installation.identities);
  saveInstallation(suite, paths.installation, { ...installation, identities }, rootSeed);
}
