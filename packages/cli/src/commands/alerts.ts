import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { LOOK_BACK, tailAudit, Watch, type AuditEntry } from "@sesame/core-audit";
import { EXIT_CODES } from "@sesame/core-types";
import { pathsOf, type Context } from "../context.ts";
import { withLog, type LogSource } from "../io/audit-log.ts";
import { CursorFile, type Cursor } from "../io/alert-cursor.ts";
import { privateFile, sinksOf, type Sink } from "../io/alert-sinks.ts";
import { print } from "../io/print.ts";
import { recordFor } from "../io/signals.ts";
import { printable, printableJson } from "../printable.ts";
import { table, type Outcome } from "../render.ts";
import { MAX_CONFIG_BYTES, readAlertConfig, type AlertConfig } from "../signals/alert-config.ts";
import { alertOf, alertOfAction, isAtLeast, lineOf, type Alert } from "../signals/alert.ts";

export type AlertFlags = { readonly config?: string };

/** Milliseconds before each further try; after the last one the alert is given up there. */
const RETRY_MS = [1_000, 5_000] as const;

/** Follows the audit log and sends what stands out, until it is stopped. */
export async function alertsRun(context: Context, flags: AlertFlags): Promise<Outcome> {
  const config = configOf(context, flags);
  const file = new CursorFile(pathsOf(context));
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  await withLog(context, (log) => follow(context, { config, file, log, signal: ended.signal }));
  return { text: "", data: undefined };
}

type Following = {
  readonly config: AlertConfig;
  readonly file: CursorFile;
  readonly log: LogSource;
  readonly signal: AbortSignal;
};

async function follow(context: Context, { config, file, log, signal }: Following): Promise<void> {
  const { audit } = pathsOf(context);
  const sinks = sinksOf(config);
  const begin = file.read() ?? (await lastOf(audit, log));
  if (begin !== null) file.write(begin);
  let last = begin;
  const after = begin === null ? -1 : await placeOf(audit, begin, log);
  const live = { record: recordFor(context) };
  const watch = new Watch({
    declared: (name) => live.record.declared(name),
    isHuman: (name) => live.record.isHuman(name),
  });
  const options = { ...log, count: LOOK_BACK, follow: true, signal };
  for await (const entry of tailAudit(audit, options)) {
    if (entry.action === "bus.reload") live.record = recordFor(context);
    const alerts = alertsIn(entry, watch, config);
    if (entry.seq <= after) continue;
    for (const alert of alerts) await send(context, sinks, alert, signal);
    last = { seq: entry.seq, hash: entry.hash };
    if (alerts.length > 0) file.write(last);
  }
  if (last !== null) file.write(last);
}

/** Sends a made-up alert to every place; exit code 69 unless each took it. */
export async function alertsTest(context: Context, flags: AlertFlags): Promise<Outcome> {
  const alert: Alert = {
    version: 1,
    severity: "low",
    rule: "test",
    who: null,
    what: "test",
    meaning: "nothing happened: this is a test",
    seq: 0,
    time: Date.now(),
  };
  const results: { name: string; error: string | null }[] = [];
  for (const { name, deliver } of sinksOf(configOf(context, flags)))
    results.push({ name, error: await deliver(alert).then(() => null, reasonOf) });
  if (results.some(({ error }) => error !== null)) process.exitCode = EXIT_CODES.unavailable.code;
  const rows = results.map(({ name, error }) => [name, error ?? "took it"]);
  return { text: table(["PLACE", "RESULT"], rows), data: { places: results } };
}

function configOf(context: Context, { config }: AlertFlags): AlertConfig {
  const path = config ?? join(pathsOf(context).config, "alerts.json");
  return readAlertConfig(privateFile(path, MAX_CONFIG_BYTES), path);
}

function alertsIn(entry: AuditEntry, watch: Watch, { least, actions }: AlertConfig): Alert[] {
  const found = watch.take(entry).map((finding) => alertOf(finding));
  const named = entry.control === null && actions.includes(entry.action);
  return [
    ...found.filter(({ severity }) => isAtLeast(severity, least)),
    ...(named ? [alertOfAction(entry)] : []),
  ];
}

/** One place that does not take it keeps it from no other, and does not stop the watch. */
async function send(
  context: Context,
  sinks: readonly Sink[],
  alert: Alert,
  signal: AbortSignal,
): Promise<void> {
  print(1, `${context.json ? printableJson(alert) : printable(lineOf(alert))}\n`);
  await Promise.all(
    sinks.map(async ({ name, deliver }) => {
      for (const wait of [...RETRY_MS, null]) {
        const reason = await deliver(alert).then(() => null, reasonOf);
        if (reason === null) return;
        print(2, `${printable(`entry ${alert.seq} not delivered to ${name}: ${reason}`)}\n`);
        if (wait === null || signal.aborted) return;
        await sleep(wait, undefined, { signal }).catch(() => undefined);
      }
    }),
  );
}

/** What hindered a delivery; what fetch throws says it in its cause. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "unknown";
  return thrown.cause instanceof Error ? thrown.cause.message : thrown.message;
}

/** The number after which entries are news; where another log stands now, all of it is. */
async function placeOf(audit: string, { seq, hash }: Cursor, log: LogSource): Promise<number> {
  let first: number | null = null;
  for await (const entry of tailAudit(audit, { ...log, count: LOOK_BACK })) {
    first ??= entry.seq;
    if (entry.seq === seq) return entry.hash === hash ? seq : -1;
  }
  return first !== null && first > seq ? seq : -1;
}

async function lastOf(audit: string, log: LogSource): Promise<Cursor | null> {
  let last: Cursor | null = null;
  for await (const { seq, hash } of tailAudit(audit, { ...log, count: 1 })) last = { seq, hash };
  return last;
}
