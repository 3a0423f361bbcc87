import type { PolicyKeeper } from "@sesame/core-ipc/daemon";
import { decode, encode, struct, uint } from "@sesame/core-types";
import type { Vault } from "./vault.ts";

// Every vault remembers the highest version of a policy that was in force while it was open. So the
// policy's file cannot be removed, or an older one put back, unnoticed. docs/POLICY.md, Owners.

const NOTE = "policy";
const noteSchema = struct({ version: uint });

/**
 * Compares with what an unlocked vault remembers, and has it remember what is in force.
 *
 * @throws {Denial} storage-failed
 */
export function meetVault(
  policies: Pick<PolicyKeeper, "version" | "remember">,
  vault: Vault,
): void {
  const note = vault.note(NOTE);
  const mark = note === null ? 0 : decode(noteSchema, note).version;
  policies.remember(mark);
  const { version } = policies;
  if (version > mark) vault.setNote(NOTE, encode(noteSchema, { version }));
}
