import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEntry, Evidence } from "@sesame/core-audit";
import { limits } from "@sesame/core-types";
import { DAY_MS, logOf } from "../../../core-audit/src/testing/entries.ts";
import { Scores } from "./scores.ts";

const NOW = 100 * DAY_MS;
const GOOD = { time: NOW };
const BAD = { time: NOW, outcome: "refused:capability-missing" };

/** Entries numbered from 1, and scores over the first of them. */
function scoresOver(entries: readonly AuditEntry[], log: Evidence["log"] = "whole") {
  let [reads, looks, nowMs, state] = [0, 0, 0, log];
  const scores = new Scores({
    record: { declared: () => null, isHuman: () => false },
    entries: async function* () {
      reads++;
      yield* entries;
    },
    verify: () => {
      looks++;
      return Promise.resolve(state);
    },
    proofs: () => ["key-and-pid"],
    clock: { wallMs: () => NOW, monotonicMs: () => nowMs },
  });
  const turn = (ms: number): void => void (nowMs += ms);
  const mend = (): void => void (state = "whole");
  return { scores, reads: () => reads, looks: () => looks, turn, mend };
}

const entries = (count: number, given = GOOD): AuditEntry[] =>
  logOf(Array.from({ length: count + 1 }, () => given)).slice(1);

test("[SIGNAL-9] the log is read once, and entries count as they are recorded", async () => {
  // SECURITY: whoever misbehaves after the first question would keep its score.
  const { scores, reads } = scoresOver(entries(20));
  const before = await scores.of("ci");
  assert.equal(await scores.of("ci"), before);
  for (const entry of entries(40, BAD).slice(20)) scores.take(entry);
  assert.ok((await scores.of("ci")) < before);
  assert.equal(reads(), 1);
});

test("[SIGNAL-9] what is recorded while the log is read counts, and once", async () => {
  const all = entries(40, BAD);
  const { scores } = scoresOver(all.slice(0, 20));
  const asked = scores.of("ci");
  for (const entry of all.slice(10)) scores.take(entry);
  const { scores: fresh } = scoresOver(all);
  assert.equal(await asked, await fresh.of("ci"));
});

test("[SIGNAL-9] nothing of a log that was changed counts, and it is looked at again", async () => {
  // SECURITY: a log that somebody has written himself would praise him.
  const good = await scoresOver(entries(50)).scores.of("ci");
  const { scores, turn, mend } = scoresOver(entries(50), "changed");
  const bad = await scores.of("ci");
  assert.ok(bad < good);
  for (const entry of entries(60).slice(50)) scores.take(entry);
  assert.equal(await scores.of("ci"), bad);
  mend();
  assert.equal(await scores.of("ci"), bad);
  turn(limits.SCORE_AGAIN_MS);
  assert.equal(await scores.of("ci"), good);
});

test("[SIGNAL-9] a log that was changed is not read for every question", async () => {
  // SECURITY: who has changed one byte of the log would have every call that a policy demands a
  // score for read all of it.
  const { scores, looks, turn } = scoresOver(entries(50), "changed");
  for (let i = 0; i < 3; i++) await scores.of("ci");
  assert.equal(looks(), 1);
  turn(limits.SCORE_AGAIN_MS);
  await Promise.all([scores.of("ci"), scores.of("other")]);
  assert.equal(looks(), 2);
});
