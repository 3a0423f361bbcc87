import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { nobleSuite as suite } from "@sesame/core-crypto/noble";
import { BLOCK_REASONS, limits, type BlockReason } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { open } from "../testing/fixture.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { BlockList } from "./block-list.ts";
import { blockChangeOf, blockText, evidenceHash, unblockText, type Block } from "./block.ts";
import { CI, entryOf, KEY, OTHER, type Given } from "../testing/entries.ts";
import { readBlocks } from "./read-blocks.ts";

const hex = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((given) => Buffer.from(given).toString("hex"));
const numbers = fc
  .uniqueArray(fc.integer({ min: 1 }), { minLength: 1, maxLength: limits.MAX_EVIDENCE })
  .map((given) => given.toSorted((a, b) => a - b));
const PLAIN = { noNullPrototype: true } as const;
const blocks: fc.Arbitrary<Block> = fc.record(
  {
    subject: fc.constantFrom(CI, OTHER, KEY),
    name: fc.option(fc.constantFrom("ci", "a.b_c-d")),
    reason: fc.constantFrom(...(Object.keys(BLOCK_REASONS) as BlockReason[])),
    untilMs: fc.option(fc.maxSafeNat()),
    evidence: fc.option(fc.record({ hash: hex(32), entries: numbers }, PLAIN)),
  },
  PLAIN,
);
const added = (block: Block, seq = 9): Given & { seq: number } => ({
  seq,
  action: "block.add",
  object: blockText(block),
});
const BLOCK: Block = {
  subject: CI,
  name: "ci",
  reason: "review",
  untilMs: null,
  evidence: null,
};

test("[BLOCK-1] an entry says the block that it was made of", () => {
  fc.assert(
    fc.property(blocks, (block) => {
      const change = blockChangeOf(entryOf(9, added(block)));
      assert.deepEqual(change, { adds: { ...block, seq: 9, time: 0, by: "ci" } });
    }),
    { numRuns: RUNS },
  );
  const removal = { action: "block.remove", object: unblockText(KEY, null) };
  assert.deepEqual(blockChangeOf(entryOf(9, removal)), { removes: KEY });
});

test("[BLOCK-1] entries of other daemons, refused ones and other texts change nothing", () => {
  // SECURITY: whoever gets a text into the log would lift his own block.
  const text = blockText({ ...BLOCK, evidence: { hash: "0".repeat(64), entries: [1, 2] } });
  const others: readonly Given[] = [
    { actor: { by: "daemon-launcher" } },
    { outcome: "refused:capability-missing" },
    { action: "block.addition" },
    { action: "secret.get" },
    { control: { type: "segment", number: 2 } },
    { object: null },
    ...[
      "",
      `${text} `,
      ` ${text}`,
      `${text}\n`,
      text.replace(CI, "ci"),
      text.replace(CI, CI.toUpperCase()),
      text.replace("review", "because"),
      text.replace("review", "constructor"),
      text.replace("until:-", "until:"),
      text.replace("until:-", "until:1e3"),
      text.replace("until:-", "until:9999999999999999"),
      text.replace("1,2", "2,1"),
      text.replace("1,2", "1,1"),
      text.replace("1,2", "0,1"),
      text.replace("1,2", "1,,2"),
      text.replace("1,2", ""),
      text.replace("1,2", Array.from({ length: 61 }, (_, i) => i + 1).join(",")),
    ].map((object) => ({ object })),
  ];
  assert.ok(blockChangeOf(entryOf(9, { action: "block.add", object: text })) !== null);
  for (const [i, given] of others.entries())
    assert.equal(
      blockChangeOf(entryOf(9, { action: "block.add", object: text, ...given })),
      null,
      `${i}`,
    );
});

test("[BLOCK-1] of entries about one subject the later counts, and no other subject is touched", () => {
  let nowMs = 0;
  const list = new BlockList(() => nowMs);
  const noiseKey = Buffer.from(KEY, "hex");
  const ci = { id: CI, name: "ci", noiseKey, former: [] };
  assert.ok(list.take(entryOf(1, added(BLOCK, 1))));
  assert.ok(list.take(entryOf(2, added({ ...BLOCK, subject: OTHER, untilMs: 5 }, 2))));
  assert.ok(list.hasIdentity(ci));
  assert.ok(!list.take(entryOf(3, { action: "block.remove", object: unblockText(KEY, null) })));
  assert.ok(!list.take(entryOf(3, { action: "secret.get", object: blockText(BLOCK) })));
  assert.ok(list.take(entryOf(4, { action: "block.remove", object: unblockText(CI, "ci") })));
  assert.ok(!list.hasIdentity(ci) && list.hasIdentity({ ...ci, id: OTHER }));
  list.take(entryOf(5, added({ ...BLOCK, subject: KEY }, 5)));
  assert.ok(list.hasKey(noiseKey) && list.hasIdentity(ci), "by a key that it has");
  const former = [{ noiseKey, sealingKey: noiseKey, signingKey: noiseKey, untilMs: 0 }];
  assert.ok(list.hasIdentity({ ...ci, noiseKey: new Uint8Array(32), former }), "or had");
  nowMs = 4;
  assert.deepEqual(
    list.list().map(({ seq }) => seq),
    [2, 5],
  );
});

test("[BLOCK-5] a block ends at its date, and a clock that is set back prolongs nothing", () => {
  // SECURITY: whoever can set the clock back would keep somebody out for ever.
  let nowMs = 4;
  const list = new BlockList(() => nowMs);
  list.take(entryOf(1, added({ ...BLOCK, untilMs: 5 }, 1)));
  const ci = { id: CI, name: "ci", noiseKey: new Uint8Array(32), former: [] };
  assert.ok(list.hasIdentity(ci));
  nowMs = 5;
  assert.ok(!list.hasIdentity(ci));
  nowMs = 0;
  assert.ok(!list.hasIdentity(ci));
  assert.deepEqual(list.list(), []);
});

test("[BLOCK-5] the operator and the daemons are not blocked, whatever the log says", () => {
  // SECURITY: one line in the log would lock out the operator, who alone can lift it.
  const list = new BlockList(() => 0);
  const noiseKey = Buffer.from(KEY, "hex");
  list.take(entryOf(1, added(BLOCK, 1)));
  list.take(entryOf(2, added({ ...BLOCK, subject: KEY }, 2)));
  for (const name of ["operator", "daemon-secrets"])
    assert.ok(!list.hasIdentity({ id: CI, name, noiseKey, former: [] }));
  assert.ok(list.hasIdentity({ id: CI, name: "ci", noiseKey, former: [] }));
});

test("[BLOCK-5] a clock that was ahead once takes nothing from a block that comes later", () => {
  // SECURITY: whoever is blocked would be free at once on a machine whose clock was wrong for a moment.
  let nowMs = 1_000;
  const list = new BlockList(() => nowMs);
  const blocked = (id: string): boolean =>
    list.hasIdentity({ id, name: "ci", noiseKey: new Uint8Array(32), former: [] });
  list.take(entryOf(1, added({ ...BLOCK, untilMs: 2_000 }, 1)));
  nowMs = 9_000;
  assert.ok(!blocked(CI));
  nowMs = 1_100;
  list.take(entryOf(2, added({ ...BLOCK, subject: OTHER, untilMs: 3_000 }, 2)));
  assert.ok(blocked(OTHER));
  assert.ok(!blocked(CI), "what was over stays over");
  nowMs = 3_000;
  assert.ok(!blocked(OTHER));
});

test("[BLOCK-2] the evidence is BLAKE2s over the hashes, as OpenSSL computes it", () => {
  const hashes = ["11".repeat(32), "22".repeat(32)];
  const told = createHash("blake2s256")
    .update("sesame block evidence v1\n")
    .update(Buffer.from(hashes.join(""), "hex"))
    .digest("hex");
  assert.equal(evidenceHash(suite, hashes), told);
  assert.notEqual(evidenceHash(suite, hashes.toReversed()), told);
});

test("[BLOCK-1] reading a log finds every entry about blocks, in order, and no other", async () => {
  // SECURITY: a text that looks like an entry would be taken for one.
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  const heard: number[] = [];
  log.onEntry(({ action, seq }) => {
    if (action.startsWith("block.")) heard.push(seq);
  });
  const { actor } = entryOf(0);
  const event = { actor, profile: null, outcome: "ok" };
  for (let i = 0; i < 300; i++) {
    const isBlock = i % 7 === 0;
    const object = isBlock ? blockText(BLOCK) : `"action":"block.add" ${"x".repeat(i)}`;
    await log.append({ ...event, action: isBlock ? "block.add" : "secret.get", object });
  }
  await log.close();
  const found: number[] = [];
  await readBlocks(files, ({ action, seq, object }) => {
    assert.equal(action, "block.add");
    assert.equal(object, blockText(BLOCK));
    found.push(seq);
  });
  assert.equal(found.length, 43);
  assert.deepEqual(found, heard);
});
