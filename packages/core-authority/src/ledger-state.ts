import {
  bytes,
  decode,
  encode,
  list,
  nullable,
  oneOf,
  struct,
  text,
  uint,
  Violation,
} from "@sesame/core-types";
import { AuthorityError } from "./errors.ts";
import { NONCE_BYTES } from "./grant.ts";
import { MAX_CHAIN, MAX_GRANTS } from "./limits.ts";

// What a ledger knows, as it is stored. docs/AUTHORITY.md, Restart.

/** How a grant ended. */
export const ENDINGS = [
  "expired",
  "heartbeat-missed",
  "revoked",
  "used-up",
  "parent-ended",
  "rebooted",
] as const;

export type Ending = (typeof ENDINGS)[number];

/** A grant as the ledger holds it while it lives, and remembers it until its time is over. */
export type GrantRecord = {
  readonly id: string;
  readonly parent: string | null;
  readonly delegator: string;
  readonly delegatee: string;
  readonly nonce: Uint8Array;
  /** Tells this grant from any other with its id. */
  readonly signature: Uint8Array;
  /** Grants from the root to this one. */
  readonly links: number;
  /** Unix milliseconds: issued-at + TTL. */
  readonly expiresAtMs: number;
  /** The same end by the clock that counts suspend. */
  readonly endsBootMs: number;
  readonly heartbeatMs: number;
  /** When the last heartbeat came, by the clock that counts suspend. */
  readonly beatBootMs: number;
  readonly usesLeft: number | null;
  /** Null: alive. */
  readonly ended: Ending | null;
};

export type LedgerState = {
  /** Which start of the machine `bootMs` counts from. */
  readonly bootId: string;
  readonly bootMs: number;
  /** Grants issued before this Unix time are refused. */
  readonly openedAtMs: number;
  /** Grants that expire at or before this Unix time are refused. */
  readonly floorMs: number;
  /** Sorted by id. */
  readonly records: readonly GrantRecord[];
};

const VERSION = 1;
const uuid = text(36);

const recordSchema = struct({
  id: uuid,
  parent: nullable(uuid),
  delegator: uuid,
  delegatee: uuid,
  nonce: bytes(NONCE_BYTES, NONCE_BYTES),
  signature: bytes(64, 64),
  links: uint,
  expiresAtMs: uint,
  endsBootMs: uint,
  heartbeatMs: uint,
  beatBootMs: uint,
  usesLeft: nullable(uint),
  ended: nullable(oneOf(ENDINGS)),
});

const stateSchema = struct({
  version: uint,
  bootId: text(64),
  bootMs: uint,
  openedAtMs: uint,
  floorMs: uint,
  records: list(recordSchema, MAX_GRANTS),
});

/** One encoding for one state. */
export function encodeState(state: LedgerState): Uint8Array {
  return encode(stateSchema, { version: VERSION, ...state, records: [...state.records] });
}

/** @throws {AuthorityError} state-invalid, if no ledger wrote it */
export function decodeState(from: Uint8Array): LedgerState {
  const { version, ...state } = decoded(from.slice());
  if (version !== VERSION) throw invalid("its version is not known");
  const byId = new Map(state.records.map((record) => [record.id, record]));
  if (byId.size < state.records.length) throw invalid("a grant occurs twice");
  state.records.forEach((record, i) => {
    if (i > 0 && (state.records[i - 1]?.id ?? "") > record.id) throw invalid("it is not sorted");
    if (record.links < 1 || record.links > MAX_CHAIN) throw invalid("a chain is too long");
    if (record.ended === null && !isHeld(record, byId.get(record.parent ?? "")))
      throw invalid("a grant lives without the one above it");
  });
  return state;
}

function isHeld(record: GrantRecord, parent: GrantRecord | undefined): boolean {
  if (record.parent === null) return record.links === 1;
  return (
    parent !== undefined &&
    parent.ended === null &&
    parent.links === record.links - 1 &&
    parent.delegatee === record.delegator
  );
}

function decoded(from: Uint8Array): LedgerState & { readonly version: number } {
  try {
    return decode(stateSchema, from);
  } catch (cause) {
    if (cause instanceof Violation) throw invalid("its encoding is not canonical");
    throw cause;
  }
}

function invalid(what: string): AuthorityError {
  return new AuthorityError("state-invalid", `not the state of a ledger: ${what}`);
}
