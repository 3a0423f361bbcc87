import { decode, encode, limits, list, struct, text } from "@sesame/core-types";
import type { Vault } from "./vault.ts";

// Which secrets of a vault are given out only after somebody was asked. It belongs to the name: a
// secret that is deleted and made again is protected still. docs/POLICY.md, Approval.

const NOTE = "protection";
const noteSchema = struct({
  ask: list(text(limits.MAX_SECRET_NAME, "secret-name"), limits.MAX_LIST_ITEMS),
});

/** Names that are asked for. */
export function protectedNames(vault: Vault): ReadonlySet<string> {
  const note = vault.note(NOTE);
  return new Set(note === null ? [] : decode(noteSchema, note).ask);
}

/**
 * Protects a name or ends its protection.
 *
 * @returns false if it was so before; nothing is written then
 * @throws {Denial} storage-failed
 */
export function protect(vault: Vault, name: string, ask: boolean): boolean {
  const names = new Set(protectedNames(vault));
  if (names.has(name) === ask) return false;
  if (ask) names.add(name);
  else names.delete(name);
  vault.setNote(NOTE, encode(noteSchema, { ask: [...names].sort() }));
  return true;
}
