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
  type Schema,
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

/** What of a record does not stay as it was registered. */
export type RecordChange = Pick<GrantRecord, "id" | "beatBootMs" | "usesLeft" | "ended">;

/** What became of a ledger since a state, or since the changes before. */
export type LedgerChanges = Pick<LedgerState, "bootMs" | "floorMs"> & {
  /** Ids of what it remembers no more. */
  readonly forgotten: readonly string[];
  /** As they are now. */
  readonly added: readonly GrantRecord[];
  readonly changed: readonly RecordChange[];
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

const changeSchema = struct({
  id: uuid,
  beatBootMs: uint,
  usesLeft: nullable(uint),
  ended: nullable(oneOf(ENDINGS)),
});

const changesSchema = struct({
  version: uint,
  bootMs: uint,
  floorMs: uint,
  forgotten: list(uuid, MAX_GRANTS),
  added: list(recordSchema, MAX_GRANTS),
  changed: list(changeSchema, MAX_GRANTS),
});

/** One encoding for one state. */
export function encodeState(state: LedgerState): Uint8Array {
  return encode(stateSchema, { version: VERSION, ...state, records: [...state.records] });
}

export function encodeChanges(changes: LedgerChanges): Uint8Array {
  return encode(changesSchema, {
    version: VERSION,
    ...changes,
    forgotten: [...changes.forgotten],
    added: [...changes.added],
    changed: [...changes.changed],
  });
}

/**
 * @param changes - what was encoded since, in this order
 * @throws {AuthorityError} state-invalid, if no ledger wrote it
 */
export function decodeState(from: Uint8Array, changes: readonly Uint8Array[] = []): LedgerState {
  const { records, ...state } = decoded(stateSchema, from);
  records.forEach(({ id }, i) => {
    if ((records[i - 1]?.id ?? "") >= id) throw invalid("it is not sorted");
  });
  const byId = new Map(records.map((record) => [record.id, record]));
  let { bootMs, floorMs } = state;
  for (const one of changes) {
    const next = decoded(changesSchema, one);
    if (next.floorMs < floorMs) throw invalid("its floor sinks");
    ({ bootMs, floorMs } = next);
    apply(next, byId);
  }
  for (const record of byId.values()) {
    if (record.links < 1 || record.links > MAX_CHAIN) throw invalid("a chain is too long");
    if (record.ended === null && !isHeld(record, byId))
      throw invalid("a grant lives without the one above it");
  }
  const sorted = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...state, bootMs, floorMs, records: sorted };
}

function apply({ forgotten, added, changed }: LedgerChanges, byId: Map<string, GrantRecord>): void {
  for (const id of forgotten)
    if (!byId.delete(id)) throw invalid("what is forgotten was not there");
  for (const record of added) {
    if (byId.has(record.id)) throw invalid("a grant occurs twice");
    byId.set(record.id, record);
  }
  for (const change of changed) {
    const before = byId.get(change.id);
    if (before === undefined) throw invalid("what changes is not there");
    if (before.ended !== null && before.ended !== change.ended) throw invalid("an end is undone");
    byId.set(change.id, { ...before, ...change });
  }
}

function isHeld(record: GrantRecord, byId: ReadonlyMap<string, GrantRecord>): boolean {
  if (record.parent === null) return record.links === 1;
  const parent = byId.get(record.parent);
  return (
    parent !== undefined &&
    parent.ended === null &&
    parent.links === record.links - 1 &&
    parent.delegatee === record.delegator
  );
}

function decoded<T extends { readonly version: number }>(
  schema: Schema<T>,
  from: Uint8Array,
): Omit<T, "version"> {
  try {
    const { version, ...state } = decode(schema, from.slice());
    if (version !== VERSION) throw invalid("its version is not known");
    return state;
  } catch (cause) {
    if (cause instanceof Violation) throw invalid("its encoding is not canonical");
    throw cause;
  }
}

function invalid(what: string): AuthorityError {
  return new AuthorityError("state-invalid", `not the state of a ledger: ${what}`);
}
