import { EXPORT_TYPE, exportAudit, nodeFiles } from "@sesame/core-audit";
import { equalBytes } from "@sesame/core-crypto";
import { preAuthEncoding, signEnvelope, type EnvelopeSigner } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createFile,
  identityOf,
  requireInstallation,
  signWith,
  type HeldKeys,
  type Installation,
} from "@sesame/core-ipc/daemon";
import { Fault, toHex } from "@sesame/core-types";
import { openKeys, pathsOf, withBus, type Context } from "../context.ts";
import { withLog } from "../io/audit-log.ts";
import { reachableMembers } from "../io/members.ts";
import { print } from "../io/print.ts";
import type { Outcome } from "../render.ts";
import { fileAnchors, logOwner, notGood, vaultAnchors } from "./audit.ts";

export type ExportFlags = {
  readonly from?: string;
  readonly to?: string;
  readonly out?: string;
  readonly anchor?: string;
};

/** Reads the log itself, so that it needs no daemon to be honest; the exporter's key signs. */
export async function auditExport(context: Context, flags: ExportFlags): Promise<Outcome> {
  const from = entryNumber("--from", flags.from ?? "1");
  const to = flags.to === undefined ? Infinity : entryNumber("--to", flags.to);
  if (to < from) throw new Fault("usage", "`--to` comes before `--from`", "exchange them");
  const owner = logOwner(context);
  const keys = await exporterKeys(context);
  const opened = { ...context, keys };
  await signUpToNow(opened);
  const anchors = [...(await vaultAnchors(opened)), ...fileAnchors(flags.anchor)];
  const exporter = context.identity;
  const given = { suite, ...owner, from, to, anchors, exporter, nowMs: Date.now() };
  const { audit } = pathsOf(context);
  const made = await withLog(opened, ({ files = nodeFiles(audit) }) =>
    exportAudit(audit, { ...given, files }),
  );
  if (made.payload === null) return notGood(context, made.report);
  const envelope = signEnvelope(EXPORT_TYPE, made.payload, [
    await signerOf(context, keys, made.payload),
  ]);
  const facts = {
    from: made.from,
    to: made.to,
    exporterKey: toHex(keys.signingKey),
    writerKeys: made.report.writers.map(({ key }) => key),
  };
  if (flags.out === undefined) {
    print(1, envelope);
    return { text: "", data: undefined };
  }
  if (!createFile(flags.out, Buffer.from(envelope)))
    throw new Fault("exists", `${flags.out} exists already`, "nothing was changed; name another");
  const text = [
    `Entries ${facts.from} to ${facts.to} are in ${flags.out}.`,
    `exporter's key  ${facts.exporterKey}`,
    `writer's keys   ${facts.writerKeys.join(",")}`,
  ].join("\n");
  return { text, data: { file: flags.out, ...facts } };
}

/** Signs this payload, wherever the key is held. */
async function signerOf(
  { env }: Context,
  keys: HeldKeys,
  payload: Uint8Array,
): Promise<EnvelopeSigner> {
  const statement = preAuthEncoding(EXPORT_TYPE, payload);
  const signature = await signWith(suite, keys, statement, env["SSH_AUTH_SOCK"]);
  return { publicKey: keys.signingKey, sign: () => signature };
}

/** The keys of the one who signs: registered, so that others can find the public one. */
async function exporterKeys(context: Context): Promise<HeldKeys> {
  const paths = pathsOf(context);
  const keys = await openKeys(context);
  const known = identityOf(
    await membersNow(keys === null ? context : { ...context, keys }),
    context.identity,
  );
  if (keys !== null && equalBytes(keys.signingKey, known.signingKey)) return keys;
  throw new Fault(
    "config",
    `there is no key file of ${context.identity} to sign with`,
    `restore ${paths.keys} from a backup`,
  );
}

/** A log can be exported without daemons; then the record alone says who is who. */
async function membersNow(context: Context): Promise<Installation> {
  const paths = pathsOf(context);
  try {
    return await withBus(context, (bus) => reachableMembers(bus, paths), false);
  } catch {
    return requireInstallation(suite, paths);
  }
}

/** Has the writer sign the last entries; where it does not run, the export says what is unsigned. */
async function signUpToNow(context: Context): Promise<void> {
  try {
    await withBus(context, (bus) => bus.call("audit.checkpoint", {}), false);
  } catch {
    // A log can be exported without daemons, and by whoever may not ask for checkpoints.
  }
}

function entryNumber(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Fault("usage", `\`${flag}\` takes the number of an entry`, "`sesame audit tail`");
}
