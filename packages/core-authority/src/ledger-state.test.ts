import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeState, encodeState, type GrantRecord } from "./ledger-state.ts";
import { numbered } from "./testing/fixture.ts";

function record(number: number, changes: Partial<GrantRecord> = {}): GrantRecord {
  return {
    id: numbered(number),
    parent: null,
    delegator: numbered(100),
    delegatee: numbered(100 + number),
    nonce: new Uint8Array(16).fill(number),
    signature: new Uint8Array(64),
    links: 1,
    expiresAtMs: 10,
    endsBootMs: 10,
    heartbeatMs: 10,
    beatBootMs: 0,
    usesLeft: null,
    ended: null,
    ...changes,
  };
}

function child(changes: Partial<GrantRecord> = {}): GrantRecord {
  return record(2, { parent: numbered(1), delegator: numbered(101), links: 2, ...changes });
}

function stored(records: readonly GrantRecord[]): Uint8Array {
  return encodeState({ bootId: "b", bootMs: 5, openedAtMs: 1, floorMs: 0, records });
}

test("[AUTH-34] a state is read back as it was written", () => {
  const records = [record(1), child(), record(3, { ended: "revoked", parent: numbered(9) })];
  assert.deepEqual(decodeState(stored(records)).records, records);
});

test("[AUTH-34] a state in which a grant lives without the one above it is refused", () => {
  // SECURITY: a state that was stitched together would keep what had ended alive.
  const cases: readonly (readonly [string, readonly GrantRecord[]])[] = [
    ["a parent that ended", [record(1, { ended: "revoked" }), child()]],
    ["no parent", [child()]],
    ["a parent of somebody else", [record(1), child({ delegator: numbered(7) })]],
    ["a wrong length of chain", [record(1), child({ links: 3 })]],
    ["a root with links", [record(1, { links: 2 })]],
    ["a chain that is too long", [record(1, { links: 9, ended: "expired" })]],
    ["no chain", [record(1, { links: 0, ended: "expired" })]],
    ["twice", [record(1), record(1)]],
    ["not sorted", [record(3), record(1)]],
  ];
  for (const [what, records] of cases)
    assert.throws(() => decodeState(stored(records)), { code: "state-invalid" }, what);
  assert.ok(
    decodeState(stored([record(1, { ended: "revoked" }), child({ ended: "parent-ended" })])),
  );
});
