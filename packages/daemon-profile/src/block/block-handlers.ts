import { blockText, isEvidence, unblockText, type BlockList } from "@sesame/core-audit";
import {
  Denial,
  fromHex,
  isBlockSubject,
  isReservedName,
  limits,
  toHex,
  type BlockOnRecord,
  type BUS_HOST,
  type Identity,
} from "@sesame/core-types";
import type { Handlers } from "@sesame/core-ipc/server";

/** What these handlers ask of the daemon around them. */
export type BlockHost = {
  /** Changes with the log alone. */
  readonly blocks: Pick<BlockList, "list">;
  /** Whose id or Noise key that is; null: nobody's. */
  readonly subject: (subject: string) => Identity | null;
};

type Kinds = "block.add" | "block.remove" | "block.list";

/** Requests about the block list: each change is made by its record. docs/SIGNALS.md, Block list. */
export function blockHandlers(host: BlockHost): Pick<Handlers<typeof BUS_HOST>, Kinds> {
  // Strikes, and many who block at once, go beyond the bound; an answer that does not fit would keep
  // the owner of the vaults from ever connecting.
  const onRecord = (): readonly BlockOnRecord[] =>
    host.blocks
      .list()
      .slice(-limits.MAX_BLOCKS)
      .map(({ seq, time, evidence, ...block }) => ({
        ...block,
        entry: seq,
        sinceMs: time,
        evidence: evidence && { entries: [...evidence.entries], hash: bytesOf(evidence.hash) },
      }));

  return {
    "block.add": async ({ subject: given, reason, untilMs, evidence }, call) => {
      const identity = expectSubject(host, given);
      const [subject, name] = [identity?.id ?? given, identity?.name ?? null];
      call.about(null, `${subject} ${name ?? ""}`);
      if (name !== null && isReservedName(name))
        throw new Denial("params-invalid", "neither the operator nor a daemon is blocked");
      if (evidence !== null && !isEvidence(evidence.entries))
        throw new Denial("params-invalid", "evidence");
      const present = host.blocks.list();
      if (present.length >= limits.MAX_BLOCKS && present.every((one) => one.subject !== subject))
        throw new Denial("block-list-full");
      const rests = evidence && { hash: toHex(evidence.hash), entries: evidence.entries };
      call.about(null, blockText({ subject, name, reason, untilMs, evidence: rests }));
      await call.record();
      return {};
    },

    "block.remove": async ({ subject: given }, call) => {
      expectSubject(host, given);
      const known = host.blocks.list().find(({ subject }) => subject === given);
      call.about(null, unblockText(given, known?.name ?? null));
      await call.record();
      return { changed: known !== undefined };
    },

    "block.list": () => ({ blocks: [...onRecord()] }),
  };
}

function expectSubject(host: BlockHost, subject: string): Identity | null {
  if (!isBlockSubject(subject)) throw new Denial("params-invalid", "subject");
  return host.subject(subject);
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}
