export {
  BLOCKED,
  BusServer,
  REVOKED,
  PANICKED,
  type BusServerOptions,
  type Holder,
  type Incident,
  type Served,
} from "./io/bus-server.ts";
export { Dispatcher, type Answer, type Call, type Handlers } from "./bus/dispatcher.ts";
export {
  CONDITIONS,
  Refusal,
  type Asked,
  type Condition,
  type GateOptions,
  type Grants,
  type Permit,
} from "./bus/gate.ts";
export { grantHandlers, type GrantDesk } from "./bus/grant-handlers.ts";
export { only, type Statics } from "./noise/respond.ts";
export { policyGuard, type AtPolicy, type PolicyGuardOptions } from "./bus/policy-guard.ts";
export { policyHandlers, type PolicyDesk } from "./bus/policy-handlers.ts";
export { rateLimit, type RateLimit } from "./bus/rate-limit.ts";
export { RateWindows } from "./bus/rate-windows.ts";
export { Registry } from "./bus/registry.ts";
export { ancestry, type Peer } from "./io/evidence.ts";
export { programOf } from "./bus/seen-program.ts";
