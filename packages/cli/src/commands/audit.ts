import { logOwnerOf, readBounded, requireInstallation } from "@sesame/core-ipc/daemon";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  isSignedCheckpoint,
  nodeFiles,
  tailAudit,
  type AuditEntry,
  type AuditReport,
  type LogOwner,
} from "@sesame/core-audit";
import { EXIT_CODES, Fault, fromHex, toHex, type Checkpoint } from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { withLog } from "../io/audit-log.ts";
import { verifyWithEvidence, type CheckedEvidence } from "../io/block-evidence.ts";
import { LineFile } from "../io/line-file.ts";
import { print } from "../io/print.ts";
import { printable, printableJson } from "../printable.ts";
import type { Outcome } from "../render.ts";

/** A file of checkpoints: 256 bytes each, one every ten minutes, for more than a year. */
const MAX_ANCHOR_FILE = 16 * 1024 * 1024;

export type VerifyFlags = { readonly anchor?: string };

export async function auditVerify(context: Context, flags: VerifyFlags): Promise<Outcome> {
  const owner = logOwner(context);
  const kept = [...(await vaultAnchors(context)), ...fileAnchors(flags.anchor)];
  const anchors = kept.map(({ checkpoint }) => checkpoint);
  const { audit } = pathsOf(context);
  const report = await withLog(context, ({ files = nodeFiles(audit) }) =>
    verifyWithEvidence(audit, { suite, ...owner, anchors, files }),
  );
  if (report.ok) return { text: [...linesOf(report), "OK"].join("\n"), data: report };
  return notGood(context, report);
}

/** Whose signature the checkpoints have to carry. */
export function logOwner(context: Context): LogOwner {
  return logOwnerOf(requireInstallation(suite, pathsOf(context)));
}

/** A report, with what was looked at beside the log itself. */
type Shown = AuditReport & { readonly evidence?: readonly CheckedEvidence[] };

/** Shows the report; with `--json` as data, like a good one, and the exit code tells. */
export function notGood(context: Context, report: Shown): Outcome {
  if (context.json) {
    process.exitCode = EXIT_CODES.integrity.code;
    return { text: "", data: report };
  }
  const { firstBad, evidence = [] } = report;
  const unsound = evidence.find(({ state }) => state !== "matches");
  const other =
    unsound === undefined
      ? "an anchor does not match"
      : `the block of entry ${unsound.sequence} does not rest on the entries that it names`;
  const where =
    firstBad === null
      ? other
      : `segment ${firstBad.segment}, line ${firstBad.line}: ${firstBad.reason}`;
  print(1, `${linesOf(report).map(printable).join("\n")}\n`);
  throw new Fault(
    "integrity",
    `the audit log was changed: ${where}`,
    "keep the directory as evidence; everything before that entry is intact",
  );
}

function linesOf(report: Shown): string[] {
  return [
    `${report.entries} entries in ${report.segments} segments, ${report.checkpoints} checkpoints`,
    ...report.anchors.map(({ sequence, state }) => `anchor at entry ${sequence}: ${state}`),
    ...(report.evidence ?? []).map(
      ({ sequence, state }) => `evidence of the block of entry ${sequence}: ${state}`,
    ),
    ...report.gaps.map(({ sequence, bytes }) => `gap at entry ${sequence}: ${bytes} bytes torn`),
    ...report.notes.map((note) => `note: ${note}`),
    ...report.blind.map((sentence) => `not seen: ${sentence}`),
  ];
}

export type TailFlags = { readonly count: string; readonly follow?: boolean };

export async function auditTail(context: Context, flags: TailFlags): Promise<Outcome> {
  const count = Number(flags.count);
  if (!Number.isSafeInteger(count) || count < 0)
    throw new Fault("usage", "`--count` takes a whole number", "`sesame audit tail -n 20`");
  const { audit } = pathsOf(context);
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  const options = { count, follow: flags.follow === true, signal: ended.signal };
  await withLog(context, async (log) => {
    for await (const entry of tailAudit(audit, { ...options, ...log }))
      print(1, `${context.json ? printableJson(entry) : line(entry)}\n`);
  });
  return { text: "", data: undefined };
}

function line(entry: AuditEntry): string {
  const { actor, control } = entry;
  const who = actor === null ? "" : `${actor.name ?? "(unregistered)"} pid ${actor.pid}`;
  const what = control === null ? [entry.action, entry.profile, entry.object, entry.outcome] : [];
  const words = [
    String(entry.seq).padStart(6),
    new Date(entry.time).toISOString(),
    who,
    ...(control === null ? what : [entry.action]),
  ];
  return printable(words.filter((word) => word !== null && word !== "").join("  "));
}

/** A checkpoint that was kept outside of the log: by the vault of a profile, or in a file. */
export type Anchor = { readonly profile: string | null; readonly checkpoint: Checkpoint };

/** Checkpoints that unlocked vaults keep; none if the daemons do not run. */
export async function vaultAnchors(context: Context): Promise<readonly Anchor[]> {
  try {
    return await withBus(
      context,
      async (bus) => (await bus.call("vault.anchors", {})).anchors,
      false,
    );
  } catch {
    // Whatever hinders the daemons must not hinder looking at the log; the report says "no anchor".
    return [];
  }
}

/** Checkpoints that the operator kept: lines of JSON as `audit checkpoint` prints them. */
export function fileAnchors(path: string | undefined): readonly Anchor[] {
  if (path === undefined) return [];
  const file = readBounded(path, MAX_ANCHOR_FILE);
  if (file === null) throw new Fault("not-found", `no file ${printable(path)}`, "check the path");
  return file
    .toString("utf8")
    .split("\n")
    .filter((text) => text.trim() !== "")
    .map((text) => ({ profile: null, checkpoint: anchorOf(text) }));
}

function anchorOf(text: string): Checkpoint {
  const bad = new Fault("data", "not a checkpoint", "`sesame audit checkpoint` prints them");
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    throw bad;
  }
  const { sequence, time, hash, signature } = value;
  const hashBytes = typeof hash === "string" ? fromHex(hash) : null;
  const signatureBytes = typeof signature === "string" ? fromHex(signature) : null;
  const fits =
    typeof sequence === "number" &&
    typeof time === "number" &&
    hashBytes?.length === 32 &&
    signatureBytes?.length === 64;
  if (!fits || hashBytes === null || signatureBytes === null) throw bad;
  return { sequence, timeMs: time, hash: hashBytes, signature: signatureBytes };
}

export type CheckpointFlags = { readonly follow?: boolean; readonly to?: string };

/** A checkpoint to keep elsewhere, or each one as it is made, in a file or for a pipe. */
export async function auditCheckpoint(context: Context, flags: CheckpointFlags): Promise<Outcome> {
  if (flags.to !== undefined && flags.follow !== true)
    throw new Fault("usage", "`--to` goes with `--follow`", "or redirect the output: `>> FILE`");
  if (flags.follow === true) return followCheckpoints(context, flags.to);
  return withBus(context, async (bus) => {
    const data = lineOf((await bus.call("audit.checkpoint", {})).checkpoint);
    return { text: JSON.stringify(data), data };
  });
}

async function followCheckpoints(context: Context, path: string | undefined): Promise<Outcome> {
  const file = path === undefined ? null : new LineFile(path);
  try {
    return await withBus(context, async (bus) => {
      const ended = Promise.withResolvers<null>();
      process.once("SIGINT", () => ended.resolve(null));
      process.once("SIGTERM", () => ended.resolve(null));
      let last = -1;
      const keep = (checkpoint: Checkpoint): void => {
        // The record says which key signs now; the bus host may have yet to take it.
        const owner = logOwner(context);
        if (!isSignedCheckpoint(suite, owner, checkpoint)) {
          if (isFormer(owner, checkpoint)) return;
          throw notSigned();
        }
        if (checkpoint.sequence === last) return;
        last = checkpoint.sequence;
        const text = `${JSON.stringify(lineOf(checkpoint))}\n`;
        if (file === null) print(1, text);
        else file.add(text);
      };
      await bus.on("audit.checkpointed", ({ checkpoint }) => {
        try {
          keep(checkpoint);
        } catch (cause) {
          ended.reject(cause);
        }
      });
      keep((await bus.call("audit.checkpoint", {})).checkpoint);
      const over = await Promise.race([ended.promise, bus.closed.then(() => "lost" as const)]);
      if (over === null) return { text: "", data: undefined };
      throw new Fault(
        "unavailable",
        "the bus is gone, so no further checkpoint comes",
        "run the command again; a service manager can do so by itself",
      );
    });
  } finally {
    file?.close();
  }
}

/** True if a key signed it that signs no more. */
function isFormer({ installationId, formerKeys = [] }: LogOwner, checkpoint: Checkpoint): boolean {
  return formerKeys.some((publicKey) =>
    isSignedCheckpoint(suite, { installationId, publicKey }, checkpoint),
  );
}

function notSigned(): Fault {
  return new Fault(
    "integrity",
    "what came is no checkpoint of this installation's log",
    "run `sesame audit verify`; the bus may not be genuine",
  );
}

function lineOf({ sequence, timeMs, hash, signature }: Checkpoint) {
  return { sequence, time: timeMs, hash: toHex(hash), signature: toHex(signature) };
}
