import type { Installation } from "@sesame/core-ipc/daemon";

/** True if an identity has this name, or one that differs in case only. */
export function isTaken({ identities }: Installation, name: string): boolean {
  const lower = name.toLowerCase();
  return identities.some((identity) => identity.name.toLowerCase() === lower);
}

/** What became of whom between two records, in the words of the audit log. */
export function changesOf(before: Installation, after: Installation): string[] {
  const known = new Set(before.identities.map(({ id }) => id));
  const kept = new Set(after.identities.map(({ id }) => id));
  return [
    ...after.identities.filter(({ id }) => !known.has(id)).map(({ name }) => `added ${name}`),
    ...before.identities.filter(({ id }) => !kept.has(id)).map(({ name }) => `removed ${name}`),
  ];
}
