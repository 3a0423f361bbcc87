import { MESSAGES, type Capability, type MessageName } from "@sesame/core-types";
import type { AuditEntry } from "../entry.ts";

/** How a call ended, as the log has it. */
export type Ending = "done" | "not-allowed" | "failed";

/** A call that the log has on record. */
export type LoggedCall = {
  /** Verified name; null: unregistered. */
  readonly name: string | null;
  readonly kind: MessageName;
  /** What the kind needs; null: no capability, or to be a daemon. */
  readonly needs: Capability | null;
  readonly ending: Ending;
  readonly seq: number;
  readonly time: number;
};

// Refusals that say that somebody may not; the others say that something did not work.
const NOT_ALLOWED = [
  "capability-missing",
  "clearance-too-low",
  "rate-limited",
  "factor-rejected",
  "throttled",
];

/** The call that an entry records, or null if it records something else. */
export function callOf(entry: AuditEntry): LoggedCall | null {
  const { actor, control, action, object, outcome, seq, time } = entry;
  if (control !== null || actor === null) return null;
  // What the bus refused stands under its own action, with the kind as its object.
  const kind = action === "bus.request" ? object : action;
  if (kind === null || !Object.hasOwn(MESSAGES, kind)) return null;
  const row = MESSAGES[kind as MessageName];
  if (row.form !== "request") return null;
  const { needs } = row;
  return {
    name: actor.name,
    kind: kind as MessageName,
    needs: needs === "daemon" ? null : needs,
    ending: endingOf(outcome),
    seq,
    time,
  };
}

function endingOf(outcome: string): Ending {
  if (!outcome.startsWith("refused:")) return "done";
  const [code = ""] = outcome.slice("refused:".length).split("/");
  return NOT_ALLOWED.includes(code) ? "not-allowed" : "failed";
}
