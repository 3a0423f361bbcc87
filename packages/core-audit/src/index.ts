export { isSignedCheckpoint, type LogOwner, type SignatureVerifier } from "./checkpoint.ts";
export type { AuditActor, AuditEntry, AuditEvent, Control } from "./entry.ts";
export type { AuditFile, AuditFiles } from "./files.ts";
export { ALGORITHMS, type Algorithm } from "./hash.ts";
export type { Schedule } from "./io/schedule.ts";
export { DEFAULT_LIMITS, type AuditLimits } from "./limits.ts";
export { openAuditLog, type AuditLog, type AuditLogOptions } from "./log.ts";
export { tailAudit, type TailOptions } from "./tail.ts";
export {
  verifyAudit,
  type AnchorState,
  type AuditReport,
  type Gap,
  type VerifyOptions,
} from "./verify.ts";
