import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite } from "@sesame/core-crypto/node";
import { toHex, type Checkpoint } from "@sesame/core-types";
import { Batch } from "./batch.ts";
import { ORIGIN } from "./chain.ts";
import { parseEntry } from "./entry.ts";
import { exportAudit } from "./export.ts";
import { loadHashers } from "./io/hashers.ts";
import type { LogKeys } from "./log.ts";
import { segmentName } from "./names.ts";
import { appendMany, EVENT, open, OWNER, START_MS } from "./testing/fixture.ts";
import { fsError, MemoryFiles } from "./testing/memory-files.ts";
import { verifyAudit, type AuditReport } from "./verify.ts";

const SEEDS = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));
const PUBLIC = SEEDS.map((seed) => nodeSuite.ed25519PublicKey(seed));

/** The keys of a log whose present one is this. */
function keysOf(present: number): LogKeys & { readonly publicKey: Uint8Array } {
  return {
    sign: (message) => nodeSuite.ed25519Sign(SEEDS[present] as Uint8Array, message),
    publicKey: PUBLIC[present] as Uint8Array,
    formerKeys: PUBLIC.slice(0, present),
  };
}

const opened = (files: MemoryFiles, present: number) => open("", { files, ...keysOf(present) });

function verified(
  files: MemoryFiles,
  present: number,
  anchors: readonly Checkpoint[] = [],
): Promise<AuditReport> {
  return verifyAudit("", { ...OWNER, ...keysOf(present), anchors, files });
}

/** A log whose key changed once while it was written, with all its checkpoints. */
async function changed(): Promise<{ files: MemoryFiles; made: Checkpoint[] }> {
  const files = new MemoryFiles();
  const log = await opened(files, 0);
  const made: Checkpoint[] = [];
  log.onCheckpoint((checkpoint) => made.push(checkpoint));
  await appendMany(log, 3);
  await log.rekey(keysOf(1));
  await appendMany(log, 3);
  await log.close();
  return { files, made };
}

const linesOf = (files: MemoryFiles, segment: number): string[] =>
  files.get(segmentName(segment)).toString("utf8").split("\n").filter(Boolean);

function controlsOf(files: MemoryFiles, segment: number): (string | null)[] {
  return linesOf(files, segment).map((line) => parseEntry(line)?.control?.type ?? null);
}

test("[AUDIT-41] the log says which key signs from where on, and verifies by the record's keys", async () => {
  const { files, made } = await changed();
  assert.deepEqual(controlsOf(files, 1), ["genesis", "checkpoint", null, null, null, "checkpoint"]);
  const after = ["segment", "key", "checkpoint", null, null, null, "checkpoint"];
  assert.deepEqual(controlsOf(files, 2), after);
  const report = await verified(files, 1, made);
  assert.equal(report.ok, true, JSON.stringify(report.firstBad));
  assert.deepEqual(
    report.writers,
    [
      { from: 1, key: PUBLIC[0] },
      { from: 8, key: PUBLIC[1] },
    ].map(({ from, key }) => ({ from, key: toHex(key as Uint8Array) })),
  );
});

test("[AUDIT-41] a writer that was not told takes the new key before it records anything", async () => {
  const files = new MemoryFiles();
  const log = await opened(files, 0);
  await appendMany(log, 2);
  await log.close();
  assert.equal((await verified(files, 1)).ok, false);
  const next = await opened(files, 2);
  assert.deepEqual(controlsOf(files, 2), ["segment", "key", "checkpoint"]);
  await next.append(EVENT);
  await next.close();
  // The second key was replaced before it ever signed.
  assert.equal((await verified(files, 2)).ok, true);
  assert.equal((await verified(files, 1)).ok, false);
});

test("[AUDIT-41] the key changes once, however often the writer starts", async () => {
  const { files } = await changed();
  const log = await opened(files, 1);
  await log.append(EVENT);
  await log.rekey(keysOf(1));
  await log.close();
  assert.equal((await files.list()).length, 2);
  assert.equal((await verified(files, 1)).ok, true);
});

test("[AUDIT-41] a torn tail and another key share the opening of a segment", async () => {
  const { files } = await changed();
  const last = segmentName(2);
  files.put(last, Buffer.concat([files.get(last), Buffer.from('{"prev":"torn')]));
  const log = await opened(files, 2);
  await log.append(EVENT);
  await log.close();
  assert.deepEqual(controlsOf(files, 3).slice(0, 4), ["segment", "gap", "key", "checkpoint"]);
  assert.equal((await verified(files, 2)).ok, true);
});

for (const left of ["afterKill", "afterPowerCut"] as const)
  test(`[AUDIT-41] cut short at any step, the change is completed by the next start: ${left}`, async () => {
    let steps = 0;
    for (let at = 1; ; at++) {
      const files = new MemoryFiles();
      const log = await opened(files, 0);
      const [acknowledged = 0] = await appendMany(log, 1);
      let [count, reached] = [0, false];
      files.mishap = () => {
        reached ||= ++count >= at;
        if (reached) throw fsError("EIO");
      };
      await log.rekey(keysOf(1)).catch(() => undefined);
      if (!reached) break;
      steps++;
      const found = files[left]();
      const next = await opened(found, 1);
      await next.append(EVENT);
      await next.close();
      const report = await verified(found, 1);
      assert.equal(report.ok, true, `step ${at}: ${report.firstBad?.reason}`);
      assert.ok(report.lastSequence > acknowledged);
      assert.deepEqual(report.writers.at(-1)?.key, toHex(PUBLIC[1] as Uint8Array));
    }
    assert.ok(steps > 8, `${steps} steps`);
  });

test("[AUDIT-41] where the change cannot be written, what follows is under the new key all the same", async () => {
  // SECURITY: whoever fills the disk would have the log go on under a key that was given up.
  // A full disk may take what was recorded before with it, or the new segment alone.
  for (const full of [["create"], ["create", "write"]]) {
    const files = new MemoryFiles();
    const log = await opened(files, 0);
    await appendMany(log, 1);
    files.mishap = (operation) => {
      if (full.includes(operation)) throw fsError("ENOSPC");
    };
    await assert.rejects(log.rekey(keysOf(1)), { name: "Fault", exit: "io" });
    await assert.rejects(log.append(EVENT), { name: "Fault", exit: "io" });
    files.mishap = () => undefined;
    await log.append(EVENT);
    await log.close();
    assert.equal((await verified(files, 1)).ok, true);
  }
});

test("[AUDIT-42] [AUDIT-45] what a former key signs after its end is refused, and cut off", async () => {
  // SECURITY: a thief of a former key would write what he likes into the log, under a signature.
  const { files } = await changed();
  const genuine = controlsOf(files, 2);
  const forged = await continued(files, 0, (batch) => batch.add(START_MS, body("forged")));
  files.put(segmentName(2), forged);
  const report = await verified(files, 1);
  assert.match(report.firstBad?.reason ?? "", /signature does not fit/);
  const log = await opened(files, 1);
  await log.close();
  // An entry without a signature is what anybody who may write the directory can add.
  assert.deepEqual(controlsOf(files, 2), [...genuine, null]);
  assert.deepEqual(controlsOf(files, 3).slice(0, 2), ["segment", "gap"]);
  assert.equal((await verified(files, 1)).ok, true);
});

test("[AUDIT-43] a log that ends under a former key is not good", async () => {
  // SECURITY: he would rewrite everything since the last anchor, and leave the change of the key out.
  const { files, made } = await changed();
  await files.remove(segmentName(2));
  const forged = await continued(files, 0, (batch) => batch.add(START_MS, body("forged")));
  files.put(segmentName(1), forged);
  const report = await verified(files, 1);
  const { sequence, reason = "" } = report.firstBad ?? {};
  assert.equal(sequence, report.lastSequence + 1);
  assert.match(reason, /^the log ends here under a key that was replaced: .* not started since$/);
  // Where the bus host has carried on from it, an anchor tells.
  const log = await opened(files, 1);
  await log.append(EVENT);
  await log.close();
  assert.equal((await verified(files, 1)).ok, true);
  assert.equal((await verified(files, 1, made)).ok, false);
});

test("[AUDIT-42] a change of key that the record does not know, goes back or stands elsewhere is refused", async () => {
  // SECURITY: he would have the log go on under a key of his own.
  const cases: [RegExp, number, (batch: Batch) => void][] = [
    [/does not come after/, 1, (batch) => change(batch, toHex(PUBLIC[2] as Uint8Array))],
    [/does not come after/, 1, (batch) => change(batch, toHex(PUBLIC[0] as Uint8Array))],
    [/does not come after/, 1, (batch) => change(batch, toHex(PUBLIC[1] as Uint8Array))],
    [
      /belongs where a segment begins/,
      1,
      (batch) => batch.control(START_MS, { type: "key", key: toHex(PUBLIC[1] as Uint8Array) }),
    ],
  ];
  for (const [reason, signer, add] of cases) {
    const { files } = await changed();
    if (String(reason).includes("segment begins")) {
      files.put(segmentName(2), await continued(files, signer, add));
    } else files.put(segmentName(3), await opening(files, signer, add));
    const report = await verified(files, 1);
    assert.match(report.firstBad?.reason ?? "good", reason);
  }
});

// SECURITY: a log would begin under a former key, and its first entry make it look like the present.
test("[AUDIT-42] no key is changed before one is in force", async () => {
  const { entry: hasher } = await loadHashers("blake3");
  const batch = new Batch({ ...OWNER, ...keysOf(1), hasher }, ORIGIN);
  const installation = toHex(OWNER.installationId);
  batch.control(START_MS, { type: "genesis", version: 1, algorithm: "blake3", installation });
  batch.control(START_MS, { type: "key", key: toHex(PUBLIC[1] as Uint8Array) });
  batch.checkpoint(START_MS);
  const report = await verified(MemoryFiles.of(new Map([[segmentName(1), batch.toBytes()]])), 1);
  assert.deepEqual(report.firstBad, {
    segment: 1,
    line: 2,
    sequence: 2,
    reason: "it names a key that does not come after the one in force",
  });
});

test("[AUDIT-42] a new key without its checkpoint is refused", async () => {
  const { files } = await changed();
  const key = toHex(PUBLIC[2] as Uint8Array);
  const bytes = await opening(files, 2, (batch) => {
    batch.control(START_MS, { type: "segment", number: 3 });
    batch.control(START_MS, { type: "key", key });
    batch.add(START_MS, body("between"));
    batch.checkpoint(START_MS);
  });
  files.put(segmentName(3), bytes);
  const report = await verified(files, 2);
  assert.match(report.firstBad?.reason ?? "good", /first checkpoint of the segment is due/);
});

test("[AUDIT-44] an anchor counts only under the key that signs where it points", async () => {
  const { files, made } = await changed();
  const { entry: hasher } = await loadHashers("blake3");
  const last = made.at(-1) as Checkpoint;
  const signed = (seed: number, sequence: number, hash: Uint8Array): Checkpoint => {
    const batch = new Batch(
      { ...OWNER, ...keysOf(seed), hasher },
      { sequence, hash: toHex(hash), timeMs: START_MS },
    );
    return batch.checkpoint(START_MS);
  };
  const stateOf = async (anchor: Checkpoint): Promise<string | undefined> =>
    (await verified(files, 1, [anchor])).anchors[0]?.state;
  assert.equal(await stateOf(signed(1, last.sequence, last.hash)), "matches");
  assert.equal(await stateOf(signed(0, last.sequence, last.hash)), "not signed");
  const stale = signed(0, last.sequence + 100, last.hash);
  assert.equal(await stateOf(stale), "not signed");
  assert.equal((await verified(files, 1, [stale])).firstBad, null, "it says nothing of the log");
  assert.equal(await stateOf(signed(1, last.sequence + 100, last.hash)), "missing");
  assert.equal(await stateOf(signed(2, last.sequence, last.hash)), "not signed");
  const first = made[0] as Checkpoint;
  assert.equal(await stateOf(first), "matches");
  assert.equal(await stateOf(signed(1, first.sequence, first.hash)), "not signed");
  // The genesis entry stands before the checkpoint that tells which key the log began with.
  const genesis = Buffer.from(parseEntry(linesOf(files, 1)[0] ?? "")?.hash ?? "", "hex");
  assert.equal(await stateOf(signed(0, 1, genesis)), "matches");
  assert.equal(await stateOf(signed(1, 1, genesis)), "not signed");
  const bad = files.get(segmentName(1)).toString("latin1").replace("object-0", "object-X");
  files.put(segmentName(1), Buffer.from(bad, "latin1"));
  assert.equal(await stateOf(last), "unreached");
});

test("[AUDIT-36] an export names the keys of the log in their order", async () => {
  const { files } = await changed();
  const { payload } = await exportAudit("", {
    ...OWNER,
    ...keysOf(1),
    files,
    anchors: [],
    exporter: "operator",
    nowMs: START_MS,
  });
  const [head = ""] = Buffer.from(payload ?? [])
    .toString("utf8")
    .split("\n");
  const { writers } = JSON.parse(head) as { writers: { from: number; key: string }[] };
  assert.deepEqual(
    writers.map(({ from, key }) => [from, key]),
    [
      [1, toHex(PUBLIC[0] as Uint8Array)],
      [8, toHex(PUBLIC[1] as Uint8Array)],
    ],
  );
});

const body = (object: string): string =>
  JSON.stringify({ ...EVENT, actor: null, object }).slice(1, -1);

function change(batch: Batch, key: string): void {
  batch.control(START_MS, { type: "segment", number: 3 });
  batch.control(START_MS, { type: "key", key });
  batch.checkpoint(START_MS);
}

/** Entries behind the last segment's, with a checkpoint, as whoever has this key would write them. */
async function continued(
  files: MemoryFiles,
  seed: number,
  add: (batch: Batch) => void,
): Promise<Buffer> {
  const segment = (await files.list()).length;
  const batch = await batchAfter(files, segment, seed);
  add(batch);
  batch.checkpoint(START_MS);
  return Buffer.concat([files.get(segmentName(segment)), batch.toBytes()]);
}

/** A segment after the last one. */
async function opening(
  files: MemoryFiles,
  seed: number,
  add: (batch: Batch) => void,
): Promise<Buffer> {
  const batch = await batchAfter(files, (await files.list()).length, seed);
  add(batch);
  return batch.toBytes();
}

async function batchAfter(files: MemoryFiles, segment: number, seed: number): Promise<Batch> {
  const { entry: hasher } = await loadHashers("blake3");
  const last = parseEntry(linesOf(files, segment).at(-1) ?? "");
  assert.ok(last);
  const head = { sequence: last.seq, hash: last.hash, timeMs: last.time };
  return new Batch({ ...OWNER, ...keysOf(seed), hasher }, head);
}
