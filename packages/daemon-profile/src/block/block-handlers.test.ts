import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockList, blockText } from "@sesame/core-audit";
import type { Call } from "@sesame/core-ipc/server";
import { encode, limits, MESSAGES } from "@sesame/core-types";
import { entryOf } from "../../../core-audit/src/testing/entries.ts";
import { blockHandlers } from "./block-handlers.ts";

test("[BLOCK-4] a list beyond its bound is still told, the latest of it", async () => {
  // SECURITY: a strike when the list is full would keep the owner of the vaults off the bus for good.
  const blocks = new BlockList(() => 0);
  const subject = (i: number): string => i.toString(16).padStart(64, "0");
  for (let i = 0; i <= limits.MAX_BLOCKS; i++) {
    const block = { name: null, reason: "flooding", untilMs: null, evidence: null } as const;
    const object = blockText({ ...block, subject: subject(i) });
    blocks.take(entryOf(i + 1, { action: "block.add", object }));
  }
  const told = await blockHandlers({ blocks, subject: () => null })["block.list"]({}, {} as Call);
  assert.ok(encode(MESSAGES["block.list"].result, told).length > 0);
  assert.equal(told.blocks.length, limits.MAX_BLOCKS);
  assert.equal(told.blocks.at(-1)?.subject, subject(limits.MAX_BLOCKS));
});
