import { decode, encode, struct, uint } from "@sesame/core-types";
import type { Vault } from "./vault.ts";

// Every vault remembers the highest version of a policy that was in force while it was open. So the
// policy's file cannot be removed, or an older one put back, unnoticed. docs/POLICY.md, Owners.

const NOTE = "policy";
const noteSchema = struct({ version: uint });

/** 0: none. */
export function policyMark(vault: Vault): number {
  const note = vault.note(NOTE);
  return note === null ? 0 : decode(noteSchema, note).version;
}

/** @throws {Denial} storage-failed */
export function setPolicyMark(vault: Vault, version: number): void {
  vault.setNote(NOTE, encode(noteSchema, { version }));
}
