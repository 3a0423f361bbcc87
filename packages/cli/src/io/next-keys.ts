import { linkSync, renameSync, rmSync } from "node:fs";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { createKeyFile, fileFault, loadKeyFile, type IdentityKeys } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";

// Keys on their way into a key file. They are made beside it, and take its place once the record
// names them: a crash at any step leaves an identity that works, and a rotation that goes on where
// it was when it is run again.

/** The keys that an identity is to have next; made if there are none. */
export function nextKeys(path: string): IdentityKeys {
  const keys = createKeyFile(suite, nextOf(path)) ?? loadKeyFile(suite, nextOf(path));
  if (keys !== null) return keys;
  throw new Fault("io", `${nextOf(path)} went away`, "run the command again");
}

/** The keys that wait, or null. */
export function waitingKeys(path: string): IdentityKeys | null {
  return loadKeyFile(suite, nextOf(path));
}

/** Puts them in place; the key file that was there stays beside it, with `.former`. */
export function placeNextKeys(path: string): void {
  try {
    rmSync(`${path}.former`, { force: true });
    linkSync(path, `${path}.former`);
    renameSync(nextOf(path), path);
  } catch (cause) {
    throw fileFault(cause, path);
  }
}

function nextOf(path: string): string {
  return `${path}.next`;
}
