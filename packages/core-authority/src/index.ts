export {
  GrantBook,
  type Asking,
  type BookOptions,
  type Depths,
  type Drawing,
  type Held,
} from "./book.ts";
export {
  commandAllowed,
  commandDigests,
  resolveChain,
  verifyChain,
  type Authority,
  type LedgerView,
  type Party,
  type Refused,
  type Request,
  type Trust,
  type Verdict,
} from "./chain.ts";
export {
  exactArgument,
  isCommandRule,
  isPlainPath,
  meetsDigests,
  type Command,
  type CommandRule,
  type CommandRules,
} from "./command.ts";
export { AuthorityError, type AuthorityErrorCode } from "./errors.ts";
export {
  decodeGrant,
  defaultTtlMs,
  draftGrant,
  encodeGrant,
  isSignedGrant,
  grantStatement,
  signGrant,
  type Grant,
  type PointOfUse,
  type Restrictions,
  type SignedGrant,
  type Terms,
} from "./grant.ts";
export {
  Ledger,
  type Ended,
  type LedgerOptions,
  type Now,
  type Revoker,
  type Standing,
} from "./ledger.ts";
export { ENDINGS, type Ending } from "./ledger-state.ts";
export * as authorityLimits from "./limits.ts";
export { isPattern, matches } from "./pattern.ts";
export { REASONS, WIRE_DENIAL, type Reason } from "./reasons.ts";
export {
  covers,
  coversSome,
  enrolledScope,
  handOn,
  join,
  meet,
  NOTHING,
  parseScope,
  printScope,
  scopeOf,
  VERBS,
  within,
  type Entry,
  type Scope,
  type Verb,
} from "./scope.ts";
