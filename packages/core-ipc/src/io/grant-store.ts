import { equalBytes, type Suite } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import { readBounded, replaceFile } from "./files.ts";

// The file of an owner's grants: a line that names the form, the BLAKE2s-256 of the rest, the rest.
// The hash finds damage; nothing finds an older copy. docs/AUTHORITY.md, Restart.

const FORM = new TextEncoder().encode("sesame grants v1\n");
const HASH_BYTES = 32;
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * What `saveGrants` wrote last; null before the first time.
 *
 * @throws {Fault} integrity, if the file is damaged
 */
export function loadGrants(suite: Suite, path: string): Uint8Array | null {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return null;
  const at = FORM.length + HASH_BYTES;
  const state = file.subarray(at);
  const isWhole =
    equalBytes(file.subarray(0, FORM.length), FORM) &&
    equalBytes(file.subarray(FORM.length, at), suite.blake2s(state));
  if (!isWhole) throw damaged(path);
  return state;
}

/** @throws {Fault} io; the old state is still there */
export function saveGrants(suite: Suite, path: string, state: Uint8Array): void {
  replaceFile(path, Buffer.concat([FORM, suite.blake2s(state), state]));
}

export function damaged(path: string): Fault {
  return new Fault(
    "integrity",
    `${path} is damaged: no grants are taken`,
    `remove it and restart the daemons; grants are then made anew`,
  );
}
