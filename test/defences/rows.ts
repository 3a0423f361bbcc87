import type { Row } from "./row.ts";
import { ADVERSARIES } from "./rows/adversary.ts";
import { AUDIT_LOG } from "./rows/audit.ts";
import { GRANTS } from "./rows/authority.ts";
import { BUS } from "./rows/bus.ts";
import { DAEMONS } from "./rows/daemons.ts";
import { END_TO_END } from "./rows/ends.ts";
import { INSTALLATION } from "./rows/installation.ts";
import { POLICIES } from "./rows/policy.ts";
import { SEAL } from "./rows/seal.ts";
import { SECRETS_KEPT } from "./rows/secrets.ts";
import { WIRE } from "./rows/wire.ts";

/** By area. */
export const ROWS: Readonly<Record<string, readonly Row[]>> = {
  bus: BUS,
  seal: SEAL,
  wire: WIRE,
  installation: INSTALLATION,
  grants: GRANTS,
  policies: POLICIES,
  audit: AUDIT_LOG,
  secrets: SECRETS_KEPT,
  daemons: DAEMONS,
  adversaries: ADVERSARIES,
  ends: END_TO_END,
};
