export {
  Approvals,
  type Answer,
  type Ask,
  type Asked,
  type Moment,
  type Progress,
  type Standing,
} from "./approvals.ts";
export {
  expectNext,
  openPolicy,
  POLICY_TYPE,
  policySigners,
  type PolicyTrust,
  type Signatories,
} from "./bundle.ts";
export {
  CONDITIONS,
  findings,
  rated,
  type Condition,
  type Evidence,
  type Finding,
} from "./decide.ts";
export { Enforcer, type PolicyCall, type Surroundings, type Verdict } from "./enforcer.ts";
export { expectHeld, isAboutSecrets, isHeldAt, POLICY_OWNERS } from "./held.ts";
export { POLICY_FAILURES, PolicyError, type PolicyFailure } from "./failures.ts";
export * as policyLimits from "./limits.ts";
export {
  DAYS,
  demandsTrust,
  MODES,
  type Day,
  type Demands,
  type Mode,
  type Policy,
  type Rate,
  type Rule,
  type Span,
  type Subject,
  type What,
  type Who,
} from "./policy.ts";
export { Rates } from "./rates.ts";
export { parsePolicy, stampPolicy, type Stamp } from "./text.ts";
