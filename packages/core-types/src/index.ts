export { BLOCK_REASONS, isBlockSubject, type BlockReason } from "./block.ts";
export {
  CAPABILITIES,
  DEFAULT_CAPABILITIES,
  hasCapability,
  NAMED_CAPABILITIES,
  type Capability,
} from "./capability.ts";
export { decode, encode, Reader, utf8Length, Writer, type EncodeOptions } from "./codec.ts";
export {
  Denial,
  DENIALS,
  EXIT_CODES,
  Fault,
  isDenialCode,
  Violation,
  type DenialCode,
  type ExitClass,
} from "./errors.ts";
export {
  encodeSender,
  ENVELOPE_TYPES,
  MAX_HEADER_BYTES,
  readClientHeader,
  readRoutedHeader,
  writeHeader,
  type ClientHeader,
  type EnvelopeType,
  type Party,
  type RoutedHeader,
  type Sender,
} from "./envelope.ts";
export {
  BUS_HOST,
  ENROLLED_KINDS,
  IDENTITY_KINDS,
  IDENTITY_STATES,
  DAEMONS,
  isReservedName,
  LAUNCHER,
  OPERATOR,
  VAULT_OWNER,
  type FormerKeys,
  type Identity,
  type IdentityKind,
  type IdentityState,
  type PublicKeys,
} from "./identity.ts";
export { fromHex, ID_BYTES, stampUuidV7, toHex, uuidText, uuidTimeMs, type CallId } from "./ids.ts";
export { dominates, levelRank, LEVELS, type Level } from "./level.ts";
export * as limits from "./limits.ts";
export {
  askedSchema,
  auditRecordSchema,
  blockSchema,
  certificatesSchema,
  certifiedSchema,
  checkpointSchema,
  commandSchema,
  denialSchema,
  enrolmentSchema,
  messageByTag,
  MESSAGES,
  peerSchema,
  postureSchema,
  RUN_SIGNALS,
  TOPIC_TAG,
  type AskedApproval,
  type Processes,
  type AuditRecord,
  type BlockOnRecord,
  type Certificates,
  type Certified,
  type Checkpoint,
  type Command,
  type Enrolment,
  type Evidence,
  type EventName,
  type MessageName,
  type MessageRow,
  type Params,
  type PeerEvidence,
  type Posture,
  type RequestName,
  type RequestsOf,
  type Result,
} from "./messages.ts";
export { isIdentityName, isProfileName, isSecretName, isTopicName } from "./names.ts";
export type { Clock, Log, Random } from "./ports.ts";
export { RATE_CLASSES, RATE_LIMITS, rateClassOf, type RateClass } from "./rates.ts";
export { RELEASE } from "./release.ts";
export {
  expectMembers,
  isJsonObject,
  JsonError,
  MAX_JSON_DEPTH,
  readJson,
  type JsonObject,
  type JsonValue,
} from "./strict-json.ts";
export {
  bool,
  bytes,
  describe,
  eachSecret,
  list,
  nothing,
  nullable,
  oneOf,
  redact,
  secret,
  struct,
  text,
  uint,
  type Infer,
  type Node,
  type Schema,
  type TextForm,
} from "./schema.ts";
export { holds, subjectOf, type Subject } from "./subject.ts";
export {
  AUTHENTICATIONS,
  EXPOSURES,
  KEY_MEMORY,
  NO_TRUST,
  postureOf,
  trustSchema,
  type Authentication,
  type Exposure,
  type Trust,
} from "./trust.ts";
