import type { Row } from "./row.ts";
import { AUDIT_LOG } from "./rows/audit.ts";
import { BUS } from "./rows/bus.ts";
import { SEAL } from "./rows/seal.ts";
import { WIRE } from "./rows/wire.ts";

/** By area. */
export const ROWS: Readonly<Record<string, readonly Row[]>> = {
  bus: BUS,
  seal: SEAL,
  wire: WIRE,
  audit: AUDIT_LOG,
};
