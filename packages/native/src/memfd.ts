import { addon } from "./load.ts";

/**
 * Puts bytes into a nameless file that nobody can change any more (memfd_create(2), sealed), to
 * hand a secret to a child or to the program that this process becomes: unlike environment and
 * arguments, it is not in /proc for others to read. The memory is ordinary, and may be swapped.
 *
 * @returns a descriptor at the start of the file, inherited by every program started from now
 * on; the caller closes it.
 * @throws errors of memfd_create(2) and write(2); `ERR_INVALID_ARG_VALUE`.
 */
export function sealedMemfd(bytes: Uint8Array): number {
  return addon().sealedMemfd(bytes);
}
