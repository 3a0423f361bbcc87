export {
  BusClient,
  connectBus,
  type BusClientOptions,
  type CallOptions,
  type Publication,
} from "./io/bus-client.ts";
export { openBus, type OpenOptions } from "./io/open-bus.ts";
