export { holdGrants, type HoldOptions } from "./io/hold-grants.ts";
