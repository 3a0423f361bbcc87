import { EXIT_CODES } from "@sesame/core-types";
import type { Context } from "../context.ts";
import { judge, type Check } from "../doctor/checks.ts";
import { gather } from "../doctor/facts.ts";
import { print } from "../io/print.ts";
import { renderOutcome, table, type Outcome } from "../render.ts";

const MARKS = { ok: "ok", warning: "warn", failed: "FAIL", unknown: "?" } as const;

/** Measures every control in the running daemons. Exit code 78 unless each holds. */
export async function doctor(context: Context): Promise<Outcome> {
  const checks = judge(await gather(context));
  const bad = checks.filter(({ verdict }) => verdict === "failed" || verdict === "unknown");
  const outcome = { text: textOf(checks), data: { healthy: bad.length === 0, checks } };
  if (bad.length === 0) return outcome;
  print(1, renderOutcome(outcome, context.json));
  process.exitCode = EXIT_CODES.config.code;
  return { text: "", data: undefined };
}

function textOf(checks: readonly Check[]): string {
  const rows = checks.map(({ name, verdict, found }) => [MARKS[verdict], name, found]);
  const remedies = checks
    .filter(({ remedy }) => remedy !== "")
    .map(({ name, remedy }) => `${name}: ${remedy}`);
  return [
    table(["", "CONTROL", "FOUND"], rows),
    ...(remedies.length > 0 ? [""] : []),
    ...remedies,
  ].join("\n");
}
