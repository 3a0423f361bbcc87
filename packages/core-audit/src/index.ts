export {
  blockChangeOf,
  blockText,
  evidenceHash,
  isEvidence,
  unblockText,
  type Block,
  type BlockEvidence,
  type RecordedBlock,
} from "./blocks/block.ts";
export { BlockList } from "./blocks/block-list.ts";
export { BlocksInForce, type Blocked } from "./blocks/blocks-in-force.ts";
export { readBlocks } from "./blocks/read-blocks.ts";
export { strikeReasonOf, STRIKES, Strikes, type Strike } from "./blocks/strikes.ts";
export { EXPORT_TYPE, exportAudit, type AuditExport, type ExportOptions } from "./export.ts";
export { isSignedCheckpoint, type LogOwner, type SignatureVerifier } from "./checkpoint.ts";
export type { AuditActor, AuditEntry, AuditEvent, Control } from "./entry.ts";
export type { AuditFile, AuditFiles, ReadableFile, ReadableFiles } from "./files.ts";
export { ALGORITHMS, type Algorithm } from "./hash.ts";
export { nodeFiles } from "./io/node-files.ts";
export type { Schedule } from "./io/schedule.ts";
export type { Changes } from "./io/watch.ts";
export { DEFAULT_LIMITS, type AuditLimits } from "./limits.ts";
export { openAuditLog, type AuditLog, type AuditLogOptions, type LogKeys } from "./log.ts";
export { isSegment, isTorn } from "./names.ts";
export { Conducts, type Conduct } from "./signals/conducts.ts";
export { RULES, SEVERITIES, type RuleName, type Severity } from "./signals/rules.ts";
export {
  FACTORS,
  LOOK_BACK,
  measure,
  scoreOf,
  type Evidence,
  type FactorName,
  type Measures,
  type Score,
} from "./signals/score.ts";
export { Watch, type Finding, type WatchOptions } from "./signals/watch.ts";
export { tailAudit, type TailOptions } from "./tail.ts";
export {
  verifyAudit,
  type AnchorState,
  type AuditReport,
  type Gap,
  type VerifyOptions,
} from "./verify.ts";
