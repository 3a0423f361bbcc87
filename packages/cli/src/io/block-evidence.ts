import {
  blockChangeOf,
  evidenceHash,
  nodeFiles,
  readBlocks,
  verifyAudit,
  type AuditReport,
  type BlockEvidence,
  type VerifyOptions,
} from "@sesame/core-audit";
import { nodeSuite as suite } from "@sesame/core-crypto/node";

// What a block rests on, computed from the log again. docs/SIGNALS.md, Block list.

/** `unreached`: the log ends, or is bad, before the entries are all there. */
export type EvidenceState = "matches" | "differs" | "unreached";

/** The evidence of a block. `sequence` is that of the entry that bears the block. */
export type CheckedEvidence = { readonly sequence: number; readonly state: EvidenceState };

export type CheckedLog = AuditReport & { readonly evidence: readonly CheckedEvidence[] };

/** Verifies a log, and that each block in it rests on the entries that it names. */
export async function verifyWithEvidence(
  audit: string,
  options: Omit<VerifyOptions, "onEntry">,
): Promise<CheckedLog> {
  const { files = nodeFiles(audit) } = options;
  const claimed: { readonly sequence: number; readonly evidence: BlockEvidence }[] = [];
  await readBlocks(files, (entry) => {
    const change = blockChangeOf(entry);
    const evidence = change !== null && "adds" in change ? change.adds.evidence : null;
    if (evidence !== null) claimed.push({ sequence: entry.seq, evidence });
  });
  const wanted = new Set(claimed.flatMap(({ evidence }) => evidence.entries));
  const hashes = new Map<number, string>();
  const report = await verifyAudit(audit, {
    ...options,
    files,
    onEntry: ({ sequence }, line) => {
      if (wanted.has(sequence)) hashes.set(sequence, hashOf(line));
    },
  });
  const evidence = claimed.map(({ sequence, evidence: claim }) => ({
    sequence,
    state: stateOf(claim, hashes),
  }));
  const isSound = evidence.every(({ state }) => state === "matches");
  return { ...report, ok: report.ok && isSound, evidence };
}

/**
 * The hash over entries of a log; null if one of them is not there.
 *
 * @param entries - ascending
 */
export async function evidenceOf(
  audit: string,
  options: Omit<VerifyOptions, "onEntry">,
  entries: readonly number[],
): Promise<string | null> {
  const hashes = new Map<number, string>();
  const onEntry: VerifyOptions["onEntry"] = ({ sequence }, line) => {
    if (entries.includes(sequence)) hashes.set(sequence, hashOf(line));
  };
  await verifyAudit(audit, { ...options, onEntry });
  return hashOver(entries, hashes);
}

function stateOf(claim: BlockEvidence, hashes: ReadonlyMap<number, string>): EvidenceState {
  const hash = hashOver(claim.entries, hashes);
  if (hash === null) return "unreached";
  return hash === claim.hash ? "matches" : "differs";
}

function hashOver(entries: readonly number[], hashes: ReadonlyMap<number, string>): string | null {
  const found = entries.map((seq) => hashes.get(seq));
  if (!found.every((hash) => hash !== undefined)) return null;
  return evidenceHash(suite, found);
}

/** A line ends with `"hash":"<64 hex digits>"}`; docs/AUDIT.md, Entries. */
function hashOf(line: Uint8Array): string {
  return Buffer.from(line.subarray(-66, -2)).toString("latin1");
}
