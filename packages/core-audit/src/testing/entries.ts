import type { AuditActor, AuditEntry } from "../entry.ts";

// What tests of conduct and of blocks share: entries as a log holds them.

export const DAY_MS = 24 * 60 * 60 * 1_000;
export const CI = "0190aaaa-0000-7000-8000-000000000001";
export const OTHER = "0190aaaa-0000-7000-8000-000000000002";
export const KEY = "ab".repeat(32);

export type Given = Partial<Omit<AuditEntry, "actor">> & { readonly actor?: Partial<AuditActor> };

/** The entry of this number. */
export function entryOf(seq: number, { actor, ...given }: Given = {}): AuditEntry {
  return {
    prev: "",
    hash: seq.toString(16).padStart(64, "0"),
    seq,
    time: 0,
    control: null,
    profile: null,
    action: "secret.get",
    object: null,
    outcome: "ok",
    ...given,
    actor: {
      name: "ci",
      identity: CI,
      session: null,
      pid: 1,
      uid: 1_000,
      exe: null,
      unit: null,
      ...actor,
    },
  };
}

/** A log of these entries, in this order; they name no identity unless they say so. */
export function logOf(given: readonly Given[]): AuditEntry[] {
  return given.map((entry, seq) =>
    entryOf(seq, { ...entry, actor: { identity: null, ...entry.actor } }),
  );
}
