import { equalBytes, type Suite } from "@sesame/core-crypto";

// A small file of a daemon's own: a line that names the form, the BLAKE2s-256 of the rest, the rest.
// The hash finds damage, and nothing else.

const HASH_BYTES = 32;

/** @param form - the line, with its end */
export function checked(suite: Suite, form: Uint8Array, rest: Uint8Array): Uint8Array {
  return Buffer.concat([form, suite.blake2s(rest), rest]);
}

/** The rest of such a file; null if it is of another form, or damaged. */
export function checkedRest(suite: Suite, form: Uint8Array, file: Uint8Array): Uint8Array | null {
  const at = form.length + HASH_BYTES;
  const rest = file.subarray(at);
  const isWhole =
    equalBytes(file.subarray(0, form.length), form) &&
    equalBytes(file.subarray(form.length, at), suite.blake2s(rest));
  return isWhole ? rest : null;
}
