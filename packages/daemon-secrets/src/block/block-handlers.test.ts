import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call } from "@sesame/core-ipc/server";
import { limits } from "@sesame/core-types";
import { blockHandlers } from "./block-handlers.ts";
import { Blocks } from "./blocks.ts";

const subject = (i: number): string => i.toString(16).padStart(64, "0");
const CALL = { about: () => undefined, record: () => Promise.resolve() } as unknown as Call;

test("[BLOCK-4] with a full list no more are blocked, and who is blocked can be blocked again", async () => {
  const kept = Array.from({ length: limits.MAX_BLOCKS }, (_, i) => ({
    subject: subject(i),
    untilMs: null,
  }));
  const blocks = new Blocks({
    wallMs: () => 0,
    kept,
    keep: () => undefined,
    laid: () => undefined,
  });
  const handlers = blockHandlers({ blocks, subject: () => null });
  const block = async (i: number): Promise<unknown> =>
    handlers["vault.block"]({ subject: subject(i), untilMs: 9 }, CALL);
  await block(0);
  assert.equal(blocks.size, limits.MAX_BLOCKS);
  await assert.rejects(block(limits.MAX_BLOCKS), { code: "block-list-full" });
});
