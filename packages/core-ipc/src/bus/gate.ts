import type { Authority, Reason } from "@sesame/core-authority";
import {
  Denial,
  dominates,
  hasCapability,
  type Capability,
  type DenialCode,
  type Identity,
  type MessageRow,
  type Subject,
  type Trust,
} from "@sesame/core-types";

import type { RateLimit } from "./rate-limit.ts";

// What stands between a call and its handler, decided by the owner from what it knows itself.
// docs/PROTOCOL.md, Owners.

export type Request = Extract<MessageRow, { form: "request" }>;

/** A call at its owner's gate. */
export type Asked = {
  readonly row: Request;
  /** The registered identity of the caller: proved to the owner if the kind is sealed. */
  readonly identity: Identity | null;
  /** Bus session of the caller, 16 bytes. */
  readonly session: Uint8Array;
  /** The bus's word about the connection: a reason to refuse more, never to refuse less. */
  readonly trust: Trust;
  /**
   * Reads the parameters.
   *
   * @throws {Violation} CODEC-2, if they do not decode
   */
  readonly about: () => Subject;
};

/** What lets a call in. */
export type Permit = {
  /** True if the call may be about the secret of this name. */
  readonly covers: (name: string) => boolean;
  /**
   * Goes on with those of the caller's grants that fit; of no meaning where none was needed.
   *
   * @throws {Denial} capability-missing, if they do not allow the call by themselves
   */
  readonly narrow: (fits: (authority: Authority) => boolean) => void;
  /** The grants that the call has drawn on so far. */
  readonly drawn: () => readonly Authority[];
  /**
   * Takes one use of each grant that the call has drawn on so far; on disk before it resolves.
   *
   * @returns ids of these grants; none if the enrolment was enough
   * @throws {Denial} if one of them has ended
   */
  readonly use: () => Promise<readonly string[]>;
};

/** What a caller may do beyond its enrolment. */
export type Grants = {
  /** What live grants allow, or why they do not; null: the caller has none to speak of. */
  readonly permit: (
    caller: Identity,
    capability: Capability,
    asked: Pick<Asked, "about" | "session" | "trust">,
  ) => Promise<Permit | Reason | null> | Permit | Reason | null;
};

/** What may refuse a call that the caller has the right to, in the order of the questions. */
export const CONDITIONS = ["policy", "approval"] as const;

/** @throws {Denial} or goes on; nothing that it does can let in what the gate has refused */
export type Condition = (
  asked: Asked & Pick<Permit, "covers"> & { readonly identity: Identity },
) => Promise<void> | void;

export type GateOptions = Partial<Readonly<Record<(typeof CONDITIONS)[number], Condition>>> & {
  /** True for an identity that gets nothing. docs/SIGNALS.md, Block list */
  readonly blocked?: (identity: Identity) => boolean;
  readonly grants?: Grants;
  readonly rate?: RateLimit;
  /** True while a panic holds. docs/PROTOCOL.md, Panic */
  readonly panic?: () => boolean;
};

/** A denial whose reason is for the audit log alone: the refused learns its code. */
export class Refusal extends Denial {
  readonly reason: string;

  constructor(code: DenialCode, reason: string) {
    super(code);
    this.reason = reason;
  }
}

const UNLIMITED: Permit = {
  covers: () => true,
  narrow: () => undefined,
  drawn: () => [],
  use: () => Promise.resolve([]),
};

/**
 * Asks in this order: block list, rate, clearance, capability (by enrolment, else by grants),
 * whether a panic holds, then the conditions. The rate comes before the rights, so that guessing what
 * one may do is counted too.
 * What comes after, vault, record and effect, is the handler's.
 *
 * @throws {Denial} with the first no
 */
export async function admit(options: GateOptions, asked: Asked): Promise<Permit> {
  const { row, identity } = asked;
  expectUnblocked(options, identity);
  if (identity !== null) options.rate?.(row, identity);
  // The bus has checked the level already; a lying bus must not widen anybody's rights.
  if (!dominates(identity?.clearance ?? "open", row.level)) throw new Denial("clearance-too-low");
  if (identity === null && row.needs !== null) throw new Denial("clearance-too-low");
  const permit = identity === null ? UNLIMITED : await permitFor(options, asked, identity);
  expectCalm(options, row);
  if (identity === null) return permit;
  const { covers } = permit;
  for (const condition of CONDITIONS) await options[condition]?.({ ...asked, identity, covers });
  // One may have begun, or the caller been blocked, while somebody was asked.
  expectUnblocked(options, identity);
  expectCalm(options, row);
  return permit;
}

/** Whoever is blocked is told what the key of nobody is told, so that it does not learn it. */
function expectUnblocked({ blocked }: GateOptions, identity: Identity | null): void {
  if (identity !== null && blocked?.(identity) === true)
    throw new Refusal("clearance-too-low", "blocked");
}

function expectCalm({ panic }: GateOptions, { inPanic }: Request): void {
  if (panic?.() === true && !inPanic) throw new Denial("panic");
}

async function permitFor(
  { grants }: GateOptions,
  asked: Asked,
  identity: Identity,
): Promise<Permit> {
  const { needs, byGrant } = asked.row;
  if (needs === null) return UNLIMITED;
  if (needs === "daemon") {
    if (identity.kind === "daemon") return UNLIMITED;
    throw new Denial("capability-missing");
  }
  if (!byGrant && hasCapability(identity.capabilities, needs)) return UNLIMITED;
  const permit = (await grants?.permit(identity, needs, asked)) ?? null;
  if (permit === null && byGrant) throw new Refusal("capability-missing", "no-grant");
  if (permit === null) throw new Denial("capability-missing");
  if (typeof permit === "string") throw new Refusal("capability-missing", permit);
  return permit;
}
