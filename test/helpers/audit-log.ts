import { tailAudit, type AuditEntry } from "@sesame/core-audit";
import { eventually } from "./eventually.ts";
import type { Home } from "./home.ts";

/** Everything that is in the audit log of a home now. */
export async function auditEntries(home: Home): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for await (const entry of tailAudit(home.paths.audit, { count: Infinity })) entries.push(entry);
  return entries;
}

/** Waits until an entry is on disk: nobody waits for the record of a refusal. */
export async function recorded(
  home: Home,
  what: string,
  is: (entry: AuditEntry) => boolean,
): Promise<AuditEntry> {
  return eventually(`audit entry: ${what}`, async () => (await auditEntries(home)).find(is));
}
