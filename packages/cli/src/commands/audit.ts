import { identityOf, readBounded, requireInstallation } from "@sesame/core-ipc/daemon";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { tailAudit, verifyAudit, type AuditEntry } from "@sesame/core-audit";
import { BUS_HOST, Fault, fromHex, toHex, type Checkpoint } from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { print } from "../io/print.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

export type VerifyFlags = { readonly anchor?: string };

export async function auditVerify(context: Context, flags: VerifyFlags): Promise<Outcome> {
  const paths = pathsOf(context);
  const installation = requireInstallation(suite, paths);
  const anchors = [...(await vaultAnchors(context)), ...fileAnchors(flags.anchor)];
  const report = await verifyAudit(paths.audit, {
    suite,
    installationId: fromHex(installation.id.replaceAll("-", "")) ?? new Uint8Array(16),
    publicKey: identityOf(installation, BUS_HOST).signingKey,
    anchors,
  });
  const lines = [
    `${report.entries} entries in ${report.segments} segments, ${report.checkpoints} checkpoints`,
    ...report.anchors.map(({ sequence, state }) => `anchor at entry ${sequence}: ${state}`),
    ...report.gaps.map(({ sequence, bytes }) => `gap at entry ${sequence}: ${bytes} bytes torn`),
    ...report.notes.map((note) => `note: ${note}`),
    ...report.blind.map((sentence) => `not seen: ${sentence}`),
  ];
  if (report.ok) return { text: [...lines, "OK"].join("\n"), data: report };
  const { firstBad } = report;
  const where =
    firstBad === null
      ? "an anchor does not match"
      : `segment ${firstBad.segment}, line ${firstBad.line}: ${firstBad.reason}`;
  if (!context.json) print(1, `${lines.map(printable).join("\n")}\n`);
  throw new Fault(
    "integrity",
    `the audit log was changed: ${where}`,
    "keep the directory as evidence; everything before that entry is intact",
  );
}

export type TailFlags = { readonly count: string; readonly follow?: boolean };

export async function auditTail(context: Context, flags: TailFlags): Promise<Outcome> {
  const count = Number(flags.count);
  if (!Number.isSafeInteger(count) || count < 0)
    throw new Fault("usage", "`--count` takes a whole number", "`sesame audit tail -n 20`");
  const paths = pathsOf(context);
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  const follow = flags.follow === true;
  for await (const entry of tailAudit(paths.audit, { count, follow, signal: ended.signal }))
    print(1, `${context.json ? JSON.stringify(entry) : line(entry)}\n`);
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

/** Checkpoints that unlocked vaults keep; none if the daemons do not run. */
async function vaultAnchors(context: Context): Promise<Checkpoint[]> {
  try {
    return await withBus(
      context,
      async (bus) => {
        const { anchors } = await bus.call("vault.anchors", {});
        return anchors.map(({ checkpoint }) => checkpoint);
      },
      false,
    );
  } catch {
    // Whatever hinders the daemons must not hinder looking at the log; the report says "no anchor".
    return [];
  }
}

/** Checkpoints that the operator kept: lines of JSON as `audit checkpoint` prints them. */
function fileAnchors(path: string | undefined): Checkpoint[] {
  if (path === undefined) return [];
  const file = readBounded(path, 1024 * 1024);
  if (file === null) throw new Fault("not-found", `no file ${printable(path)}`, "check the path");
  return file
    .toString("utf8")
    .split("\n")
    .filter((text) => text.trim() !== "")
    .map((text) => anchorOf(text));
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

/** A checkpoint to keep elsewhere: on paper, in another repository, on another machine. */
export function auditCheckpoint(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { checkpoint } = await bus.call("audit.checkpoint", {});
    const data = {
      sequence: checkpoint.sequence,
      time: checkpoint.timeMs,
      hash: toHex(checkpoint.hash),
      signature: toHex(checkpoint.signature),
    };
    return { text: JSON.stringify(data), data };
  });
}
