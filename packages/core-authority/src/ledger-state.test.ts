import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeState,
  encodeChanges,
  encodeState,
  type GrantRecord,
  type LedgerChanges,
} from "./ledger-state.ts";
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
  const longest = record(4, { links: 8, ended: "expired" });
  assert.deepEqual(decodeState(stored([longest])).records, [longest]);
});

test("[AUTH-34] what was read does not change with the bytes that it was read from", () => {
  const [state, changes] = [stored([record(1)]), since({ added: [record(3)] })];
  const { records } = decodeState(state, [changes]);
  for (const bytes of [state, changes]) bytes.fill(0xff);
  assert.deepEqual(records, [record(1), record(3)]);
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

function since(changes: Partial<LedgerChanges>): Uint8Array {
  const none = { bootMs: 5, floorMs: 0, forgotten: [], added: [], changed: [] };
  return encodeChanges({ ...none, ...changes });
}

test("[AUTH-31] changes are made in the order in which they were stored", () => {
  const state = stored([record(1), record(3)]);
  const changes = [
    since({ bootMs: 6, added: [child()] }),
    since({ bootMs: 7, changed: [{ ...record(3), beatBootMs: 9, usesLeft: 4, ended: "expired" }] }),
    since({ bootMs: 8, floorMs: 2, forgotten: [record(3).id], added: [record(3, { links: 2 })] }),
  ];
  const at = (count: number) => decodeState(state, changes.slice(0, count));
  assert.deepEqual(at(1).records, [record(1), child(), record(3)]);
  const ended = record(3, { beatBootMs: 9, usesLeft: 4, ended: "expired" });
  assert.deepEqual(at(2).records, [record(1), child(), ended]);
  assert.throws(() => at(3), { code: "state-invalid" }, "a root with links");
  const again = [...changes.slice(0, 2), since({ bootMs: 8, floorMs: 2, forgotten: [ended.id] })];
  const { records, bootMs, floorMs } = decodeState(state, again);
  assert.deepEqual([records, bootMs, floorMs], [[record(1), child()], 8, 2]);
});

test("[AUTH-34] changes that no ledger wrote are refused with all the rest", () => {
  // SECURITY: a change that undoes an end would be a grant that lives again.
  const over = record(3, { ended: "revoked" });
  const state = stored([record(1), over]);
  const cases: readonly (readonly [string, Partial<LedgerChanges>])[] = [
    ["an end is undone", { changed: [{ ...over, ended: null }] }],
    ["an end becomes another", { changed: [{ ...over, ended: "expired" }] }],
    ["it changes what is not there", { changed: [record(2)] }],
    ["it adds what is there", { added: [over] }],
    ["it forgets what is not there", { forgotten: [record(2).id] }],
    ["it forgets one above a living one", { forgotten: [record(1).id], added: [child()] }],
    [
      "it ends one above a living one",
      { added: [child()], changed: [{ ...over, id: record(1).id }] },
    ],
  ];
  for (const [what, changes] of cases)
    assert.throws(() => decodeState(state, [since(changes)]), { code: "state-invalid" }, what);
  assert.throws(() => decodeState(state, [since({ floorMs: 3 }), since({ floorMs: 2 })]), {
    code: "state-invalid",
  });
  assert.throws(() => decodeState(state, [state]), { code: "state-invalid" });
  assert.ok(decodeState(state, [since({ changed: [over], forgotten: [] })]));
});
