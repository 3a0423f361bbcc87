import type { AuditActor, AuditEntry } from "../entry.ts";

// What the tests of this folder share: entries as a log holds them.

export const DAY_MS = 24 * 60 * 60 * 1_000;

export type Given = Partial<Omit<AuditEntry, "actor">> & { readonly actor?: Partial<AuditActor> };

/** A log of these entries, in this order. */
export function logOf(given: readonly Given[]): AuditEntry[] {
  return given.map((entry, seq) => ({
    prev: "",
    hash: "",
    seq,
    time: 0,
    control: null,
    profile: null,
    action: "secret.get",
    object: null,
    outcome: "ok",
    ...entry,
    actor: {
      name: "ci",
      identity: null,
      session: null,
      pid: 1,
      uid: 1_000,
      exe: null,
      unit: null,
      ...entry.actor,
    },
  }));
}
