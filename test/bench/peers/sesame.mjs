// What both extras share. The peers bench may run under an older Node; whatever is ours gets the
// Node of this repository.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const NODE = here("../../../node_modules/.bin/node");
export const SESAME = here("../../../packages/cli/bin/sesame");
export const DAEMON = here("../../../packages/cli/dist/daemon-profile.mjs");

/** A home as home.ts prints it: its path, its environment, its socket. */
export function makeHome(...args) {
  return JSON.parse(execFileSync(NODE, [here("home.ts"), ...args], { encoding: "utf8" }));
}
