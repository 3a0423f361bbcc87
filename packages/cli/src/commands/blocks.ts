import { isEvidence, nodeFiles } from "@sesame/core-audit";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { fingerprintOf, fingerprintWords, type Applicant } from "@sesame/core-ipc/daemon";
import {
  BLOCK_REASONS,
  Denial,
  Fault,
  fromHex,
  isBlockSubject,
  isReservedName,
  toHex,
  type BlockReason,
  type Params,
} from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { withLog } from "../io/audit-log.ts";
import { evidenceOf } from "../io/block-evidence.ts";
import { reachableMembers } from "../io/members.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";
import { logOwner } from "./audit.ts";

// The block list: what the operator runs at once, without the password of the root key.

export type BlockFlags = {
  readonly reason?: string;
  readonly for?: string;
  readonly evidence?: string;
};

/** A year; who is to be kept out for longer is to be revoked. */
const MOST_MS = 365 * 24 * 60 * 60 * 1_000;

/** Ends connections and rights until the block ends; safe to run again. */
export async function agentBlock(
  context: Context,
  who: string,
  flags: BlockFlags,
): Promise<Outcome> {
  const reason = reasonOf(flags.reason ?? "review");
  const spanMs = flags.for === undefined ? null : durationMs(flags.for, "--for", MOST_MS);
  const evidence = flags.evidence === undefined ? null : await evidenceIn(context, flags.evidence);
  return withBus(context, async (bus) => {
    const { subject, name } = await subjectOf(context, bus, who);
    const untilMs = spanMs === null ? null : Date.now() + spanMs;
    await both(
      () => bus.call("block.add", { subject, reason, untilMs, evidence }),
      () => bus.call("vault.block", { subject, untilMs }),
    );
    const until = untilMs === null ? null : new Date(untilMs).toISOString();
    const words = until === null ? "until `sesame agent unblock`" : `until ${until}`;
    return {
      text: `${printable(name ?? subject)} is blocked ${words}.`,
      data: { subject, name, reason, until },
    };
  });
}

/** Ends a block; whatever it ended stays ended. */
export function agentUnblock(context: Context, who: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { subject, name, keys } = await subjectOf(context, bus, who);
    const { blocks } = await bus.call("block.list", {});
    // One that was blocked while it waited is blocked by its key.
    const listed = keys.filter((key) => blocks.some((block) => block.subject === key));
    let changed = false;
    for (const one of [subject, ...listed]) {
      const [atBus, atVaults] = await both(
        () => bus.call("block.remove", { subject: one }),
        () => bus.call("vault.unblock", { subject: one }),
      );
      changed ||= atBus.changed || atVaults.changed;
    }
    const shown = printable(name ?? subject);
    return {
      text: changed ? `${shown} is blocked no more.` : `${shown} is not blocked.`,
      data: { subject, name, changed },
    };
  });
}

/** Who is blocked, why and until when, and the entries of the audit log that it rests on. */
export function agentBlocked(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { blocks } = await bus.call("block.list", {});
    const rows = blocks.map(({ subject, name, reason, untilMs, sinceMs, entry, by, evidence }) => ({
      subject,
      name,
      reason,
      since: new Date(sinceMs).toISOString(),
      until: untilMs === null ? null : new Date(untilMs).toISOString(),
      by,
      entry,
      evidence: evidence && { hash: toHex(evidence.hash), entries: evidence.entries },
    }));
    const cells = rows.map(({ subject, name, reason, until, by, entry, evidence }) => [
      name ?? subject,
      reason,
      until ?? "unblocked",
      by ?? "",
      `entry ${entry}${evidence === null ? "" : `, from ${evidence.entries.length} others`}`,
    ]);
    return {
      text: table(["WHO", "REASON", "UNTIL", "BY", "WHERE"], cells),
      data: { blocks: rows },
    };
  });
}

/** What the owner of the vaults keeps holds without the bus host, so one that fails stops no other. */
async function both<A, B>(one: () => Promise<A>, other: () => Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([one(), other()]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}

function reasonOf(word: string): BlockReason {
  if (Object.hasOwn(BLOCK_REASONS, word)) return word as BlockReason;
  const words = Object.keys(BLOCK_REASONS).join(", ");
  throw new Fault("usage", `${printable(word)} is no reason`, `one of ${words}`);
}

async function evidenceIn(
  context: Context,
  text: string,
): Promise<NonNullable<Params<"block.add">["evidence"]>> {
  const entries = text.split(",").map(Number);
  if (!isEvidence(entries))
    throw new Fault(
      "usage",
      "`--evidence` takes numbers of entries, the lower ones first",
      "`sesame audit tail` shows them; for example `--evidence 120,121,134`",
    );
  const { audit } = pathsOf(context);
  const hash = await withLog(context, ({ files = nodeFiles(audit) }) =>
    evidenceOf(audit, { suite, ...logOwner(context), anchors: [], files }, entries),
  );
  const bytes = hash === null ? null : fromHex(hash);
  if (bytes === null)
    throw new Fault("not-found", "the log has no such entries", "`sesame audit tail` shows them");
  return { hash: bytes, entries };
}

type Found = {
  readonly subject: string;
  readonly name: string | null;
  /** Noise keys of the identity, present and former, in hex. */
  readonly keys: readonly string[];
};

/** By name or fingerprint of who is registered or waits, or as `agent blocked` shows it. */
async function subjectOf(context: Context, bus: BusClient, who: string): Promise<Found> {
  const { identities } = await reachableMembers(bus, pathsOf(context));
  // Nobody hides behind another one whose name is its id or fingerprint.
  const known =
    identities.find(({ id }) => id === who) ??
    identities.find((one) => hasPrint(one, who)) ??
    identities.find(({ name }) => name === who);
  if (known !== undefined) {
    const keys = [known, ...known.former].map(({ noiseKey }) => toHex(noiseKey));
    if (!isReservedName(known.name)) return { subject: known.id, name: known.name, keys };
    throw new Fault(
      "usage",
      `${known.name} belongs to every installation`,
      "`sesame panic` stops everything",
    );
  }
  if (isBlockSubject(who)) return { subject: who, name: null, keys: [] };
  const { blocks } = await bus.call("block.list", {});
  const listed = blocks.find(({ name }) => name === who);
  if (listed !== undefined) return { subject: listed.subject, name: listed.name, keys: [] };
  const { pending } = await bus.call("agent.list", {});
  const applicants = pending.map(({ enrolment }) => enrolment);
  const waiting =
    applicants.find((one) => hasPrint(one, who)) ?? applicants.find(({ name }) => name === who);
  if (waiting === undefined) throw new Denial("not-waiting", printable(who));
  return { subject: toHex(waiting.noiseKey), name: null, keys: [] };
}

function hasPrint(about: Applicant, who: string): boolean {
  const compact = (text: string): string => text.toLowerCase().replaceAll(/[\s-]/g, "");
  const prints = [fingerprintOf(suite, about), fingerprintWords(suite, about)];
  return prints.map(compact).includes(compact(who));
}
