import assert from "node:assert/strict";
import { test } from "node:test";
import type { Checkpoint } from "@sesame/core-types";
import { exportAudit, type AuditExport, type ExportOptions } from "./export.ts";
import { appendMany, open, OWNER, START_MS, STRANGER } from "./testing/fixture.ts";
import { MemoryFiles } from "./testing/memory-files.ts";

const FIRST = "000001.jsonl";

type Head = {
  readonly from: number;
  readonly to: number;
  readonly anchors: readonly object[];
  readonly blind: readonly string[];
};

/** 26 entries; checkpoints on lines 2, 7, 12, 17, 22; the last four are not signed. */
async function sample(algorithm: "blake3" | "sha256" = "blake3") {
  const files = new MemoryFiles();
  const log = await open("", { files, algorithm, limits: { checkpointEntries: 4 } });
  const anchors: Checkpoint[] = [];
  log.onCheckpoint((checkpoint) => anchors.push(checkpoint));
  await appendMany(log, 19);
  return { files, anchors, lines: files.get(FIRST).toString("utf8").trimEnd().split("\n") };
}

function made(files: MemoryFiles, wanted: Partial<ExportOptions> = {}): Promise<AuditExport> {
  const options = { ...OWNER, anchors: [], exporter: "operator", nowMs: START_MS, files };
  return exportAudit("", { ...options, ...wanted });
}

function parts({ payload }: AuditExport): { readonly head: Head; readonly lines: string[] } {
  assert.ok(payload !== null);
  const [head = "", ...lines] = Buffer.from(payload).toString("utf8").trimEnd().split("\n");
  return { head: JSON.parse(head) as Head, lines };
}

test("[AUDIT-34] the whole log, byte for byte, with its facts in front", async () => {
  for (const algorithm of ["blake3", "sha256"] as const) {
    const { files, anchors, lines } = await sample(algorithm);
    const [checkpoint] = anchors;
    assert.ok(checkpoint !== undefined);
    const whole = await made(files, { anchors: [{ profile: "work", checkpoint }] });
    assert.deepEqual(parts(whole).lines, lines);
    assert.equal(whole.payload?.at(-1), 0x0a);
    const { blind, ...head } = parts(whole).head;
    assert.deepEqual(head, {
      version: 2,
      installation: "0192f0c1a2b37c4d8e5f60718293a4b5",
      algorithm,
      writers: [{ from: 1, key: Buffer.from(OWNER.publicKey).toString("hex") }],
      exporter: "operator",
      time: START_MS,
      from: 1,
      to: lines.length,
      anchors: [
        {
          profile: "work",
          sequence: checkpoint.sequence,
          hash: Buffer.from(checkpoint.hash).toString("hex"),
          time: checkpoint.timeMs,
          signature: Buffer.from(checkpoint.signature).toString("hex"),
        },
      ],
    });
    assert.ok(blind.some((sentence) => sentence.includes("not yet signed")));
  }
});

test("[AUDIT-34] a part goes on to the checkpoint that signs it", async () => {
  const { files, lines } = await sample();
  for (const [from, to, last] of [
    [1, 1, 2],
    [3, 4, 7],
    [7, 7, 7],
    [8, 12, 12],
    [20, 21, 22],
    [23, 24, lines.length],
    [1, Infinity, lines.length],
  ] as const) {
    const part = await made(files, { from, to });
    assert.deepEqual([part.from, part.to], [from, last]);
    assert.deepEqual(parts(part).lines, lines.slice(from - 1, last));
  }
});

test("[AUDIT-34] what is not there or too much for one file is refused", async () => {
  const { files } = await sample();
  await assert.rejects(made(files, { from: 100 }), { exit: "not-found" });
  const { length } = files.get(FIRST);
  assert.ok((await made(files, { maxBytes: length })).payload !== null);
  await assert.rejects(made(files, { maxBytes: length - 1 }), { exit: "data" });
  assert.ok((await made(files, { from: 1, to: 7, maxBytes: length - 1 })).payload !== null);
});

test("[AUDIT-35] of a log that is not good nothing is exported, also not the good part", async () => {
  // SECURITY: an export of a changed log, signed, would pass for the truth.
  const { files, anchors } = await sample();
  const bytes = files.get(FIRST);
  const changed = Buffer.from(bytes);
  changed.write("B", changed.lastIndexOf("object-18"));
  const bad = MemoryFiles.of(new Map([[FIRST, changed]]));
  const { payload, report } = await made(bad, { from: 1, to: 2 });
  assert.equal(payload, null);
  assert.ok(report.firstBad !== null);

  const [checkpoint] = anchors;
  assert.ok(checkpoint !== undefined);
  const forged = { ...checkpoint, hash: STRANGER };
  const withForged = await made(files, { anchors: [{ profile: null, checkpoint: forged }] });
  assert.equal(withForged.payload, null);
});

test("[AUDIT-37] what is before and after is said to be missing", async () => {
  const { files, lines } = await sample();
  const blindOf = async (from: number, to: number): Promise<string> =>
    parts(await made(files, { from, to })).head.blind.join("\n");
  assert.match(await blindOf(3, 7), /^entries 1 to 2 are not in this file$/m);
  assert.match(await blindOf(3, 7), new RegExp(`^the log went on to entry ${lines.length}, `, "m"));
  const whole = await blindOf(1, Infinity);
  assert.doesNotMatch(whole, /in this file/);
  assert.match(whole, /^no anchor outside the log was given/m);
});
