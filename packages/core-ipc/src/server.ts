export {
  BusServer,
  REVOKED,
  type BusServerOptions,
  type Holder,
  type Incident,
} from "./io/bus-server.ts";
export { Dispatcher, type Answer, type Call, type Handlers } from "./bus/dispatcher.ts";
export { Registry } from "./bus/registry.ts";
export type { Peer } from "./io/evidence.ts";
