import assert from "node:assert/strict";
import { test } from "node:test";
import { blockText, STRIKES, unblockText, type AuditEntry, type Block } from "@sesame/core-audit";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { Identity, IdentityKind } from "@sesame/core-types";
import { CI, entryOf } from "../../../core-audit/src/testing/entries.ts";
import { Blocker } from "./blocker.ts";

const { count } = STRIKES.forgery;
const FORGED = { outcome: "refused:seal-replayed" } as const;

function identityOf(kind: IdentityKind): Identity {
  const noiseKey = new Uint8Array(32);
  return {
    id: CI,
    name: "ci",
    kind,
    state: "active",
    enrolledMs: 0,
    clearance: "internal",
    capabilities: [],
    wants: "",
    keyedMs: 0,
    former: [],
    noiseKey,
    sealingKey: noiseKey,
    signingKey: noiseKey,
  };
}

/** A blocker whose log is a list: what it records, it hears of. */
function made(kind: IdentityKind = "ai", nowMs = 0) {
  const recorded: Block[] = [];
  let changes = 0;
  const blocker: Blocker = new Blocker({
    suite,
    wallMs: () => nowMs,
    identity: (id) => (id === CI ? identityOf(kind) : null),
    record: (block) => {
      recorded.push(block);
      const object = blockText(block);
      blocker.take(entryOf(1_000 + recorded.length, { action: "block.add", object }));
    },
    changed: () => changes++,
  });
  return { blocker, recorded, changes: () => changes };
}

const forged = (from = 1): AuditEntry[] =>
  Array.from({ length: count }, (_, i) => entryOf(from + i, FORGED));

test("[STRIKE-2] whoever strikes is blocked once, until a date, with its entries as evidence", () => {
  const { blocker, recorded, changes } = made();
  for (const entry of [...forged(), ...forged(100)]) blocker.take(entry);
  assert.equal(recorded.length, 1, "blocked already");
  const [block] = recorded;
  assert.equal(block?.subject, CI);
  assert.equal(block?.untilMs, STRIKES.forgery.blockMs);
  assert.deepEqual(block?.evidence?.entries, [1, 2, 3, 4, 5]);
  assert.ok(blocker.list.hasIdentity(identityOf("ai")));
  assert.equal(changes(), 1);
});

test("[STRIKE-3] people and daemons are not blocked by strikes, nor who is in no record", () => {
  // SECURITY: the operator who mistypes would lock himself out, and a caller the daemons.
  for (const kind of ["human", "daemon"] as const) {
    const { blocker, recorded } = made(kind);
    for (const entry of forged()) blocker.take(entry);
    assert.deepEqual(recorded, []);
  }
  const { blocker, recorded } = made();
  for (const entry of forged())
    blocker.take({ ...entry, actor: entry.actor && { ...entry.actor, identity: "gone" } });
  assert.deepEqual(recorded, []);
});

test("[STRIKE-2] a restart goes on counting, and strikes what was not struck before a kill", () => {
  // SECURITY: killing the daemon would give everybody as many tries again.
  const cut = made();
  cut.blocker.resume(forged().slice(1));
  assert.deepEqual(cut.recorded, []);
  cut.blocker.take(entryOf(9, FORGED));
  assert.equal(cut.recorded.length, 1);

  const killed = made();
  killed.blocker.resume(forged());
  assert.equal(killed.recorded.length, 1, "between the strike and the block");

  for (const change of [
    entryOf(9, { action: "block.remove", object: unblockText(CI, "ci") }),
    entryOf(9, { action: "block.add", object: blockText({ ...BLOCK, untilMs: 1 }) }),
  ]) {
    const decided = made();
    decided.blocker.resume([...forged(), change]);
    assert.deepEqual(decided.recorded, [], "the operator has decided since");
  }
  const late = made("ai", STRIKES.forgery.blockMs);
  late.blocker.resume(forged());
  assert.deepEqual(late.recorded, [], "it would be over");
});

const BLOCK: Block = { subject: CI, name: "ci", reason: "review", untilMs: null, evidence: null };
