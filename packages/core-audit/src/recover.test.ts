import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Checkpoint } from "@sesame/core-types";
import { parseEntry, type AuditEvent } from "./entry.ts";
import { RECOVERY_BYTES } from "./limits.ts";
import { tailAudit } from "./tail.ts";
import {
  appendMany,
  collect,
  EVENT,
  makeDirectory,
  open,
  OWNER,
  STRANGER,
  verify,
} from "./testing/fixture.ts";
import { fsError, MemoryFiles } from "./testing/memory-files.ts";
import { verifyAudit, type AuditReport } from "./verify.ts";

const FIRST = "000001.jsonl";
const SHORT: AuditEvent = { ...EVENT, actor: null };

function verifyIn(files: MemoryFiles, anchors: readonly Checkpoint[] = []): Promise<AuditReport> {
  return verifyAudit("", { ...OWNER, anchors, files });
}

async function objects(files: MemoryFiles): Promise<(string | null)[]> {
  const all = await collect(tailAudit("", { count: Infinity, files }));
  return all.filter(({ control }) => control === null).map(({ object }) => object);
}

/** A log of acknowledged entries, and the bytes of a last batch behind them. */
async function logWithBatch(): Promise<{ durable: Buffer; batch: Buffer; anchor: Checkpoint }> {
  const files = new MemoryFiles();
  const log = await open("", { files, algorithm: "sha256" });
  for (const object of ["a", "b"]) await log.append({ ...SHORT, object });
  const anchor = await log.checkpoint();
  await log.append({ ...SHORT, object: "c" });
  const durable = Buffer.from(files.get(FIRST));
  await Promise.all(["d", "e", "f"].map((object) => log.append({ ...SHORT, object })));
  await log.checkpoint();
  return { durable, batch: files.get(FIRST).subarray(durable.length), anchor };
}

/** Opens what a crash left, appends once more, and checks what must hold in any case. */
async function survives(
  left: MemoryFiles,
  { anchors, acknowledged }: { anchors: Checkpoint[]; acknowledged: string[] },
): Promise<AuditReport> {
  const log = await open("", { files: left });
  assert.equal(log.fault, null);
  await log.append({ ...SHORT, object: "after" });
  await log.close();
  const report = await verifyIn(left, anchors);
  assert.equal(report.ok, true, JSON.stringify(report.firstBad));
  const seen = await objects(left);
  assert.deepEqual(
    seen.filter((object) => object !== null && acknowledged.includes(object)),
    acknowledged,
  );
  assert.equal(seen.at(-1), "after");
  return report;
}

const GARBAGE = Buffer.from('\x00\xff{"prev":"\n\n}garbage\n\x01', "latin1");

test("[AUDIT-22] a batch torn at any byte leaves the acknowledged and a gap entry", async () => {
  // SECURITY: whoever can crash the daemon could make it forget, or refuse all service.
  const { durable, batch, anchor } = await logWithBatch();
  const promised = { anchors: [anchor], acknowledged: ["a", "b", "c"] };
  for (let cut = 0; cut <= batch.length; cut++) {
    const whole = batch.subarray(0, cut).lastIndexOf(0x0a) + 1;
    const tails = [Buffer.alloc(0), Buffer.alloc(cut % 97 === 0 ? 70_000 : 5), GARBAGE];
    for (const [i, tail] of tails.entries()) {
      if (i > 0 && cut % 7 !== 0) continue;
      const bytes = Buffer.concat([durable, batch.subarray(0, cut), tail]);
      const left = MemoryFiles.of(new Map([[FIRST, bytes]]));
      const torn = bytes.subarray(durable.length + whole);
      const report = await survives(left, promised);
      const [gap, ...more] = report.gaps;
      assert.deepEqual(more, []);
      assert.equal(gap?.bytes ?? 0, torn.length, `cut at ${cut}`);
      if (gap === undefined) continue;
      assert.equal(gap.saved, "matches");
      assert.deepEqual(left.get(gap.file), torn);
      assert.deepEqual(left.get(FIRST), bytes.subarray(0, durable.length + whole));
    }
  }
});

test("[AUDIT-22] torn bytes are saved on the real disk, readable by their owner alone", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir, { algorithm: "sha256" });
  await appendMany(log, 4);
  await log.close();
  const whole = await readFile(join(dir, FIRST));
  await truncate(join(dir, FIRST), whole.length - 10);
  await (await open(dir)).close();
  const report = await verify(dir);
  assert.equal(report.ok, true);
  const [gap] = report.gaps;
  assert.ok(gap);
  assert.match(gap.file, /^torn-7\.bin$/);
  const torn = await readFile(join(dir, gap.file));
  assert.deepEqual(torn, whole.subarray(whole.lastIndexOf(0x0a, -2) + 1, whole.length - 10));
  assert.equal(gap.hash, createHash("sha256").update(torn).digest("hex"));
  assert.equal((await stat(join(dir, gap.file))).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(dir)).toSorted(), [FIRST, "000002.jsonl", "torn-7.bin"]);
});

test("[AUDIT-23] recovery may be interrupted at any operation, any number of times", async () => {
  // SECURITY: a crash during recovery could lose the torn bytes, or the record that there were any.
  const { durable, batch, anchor } = await logWithBatch();
  const promised = { anchors: [anchor], acknowledged: ["a", "b", "c"] };
  const bytes = Buffer.concat([durable, batch.subarray(0, 20)]);
  for (const crash of ["afterKill", "afterPowerCut"] as const) {
    let isDone = false;
    for (let last = 1; !isDone; last++) {
      let left = MemoryFiles.of(new Map([[FIRST, bytes]]));
      for (let times = 0; times < 2; times++) {
        const files = left;
        files.mishap = () => {
          if (files.operations >= last) throw fsError("EIO");
        };
        const log = await open("", { files });
        isDone = log.writable;
        await log.close().catch(() => undefined);
        assert.equal(files.opened, 0, "no file stays open");
        left = files[crash]();
      }
      const { gaps } = await survives(left, promised);
      assert.equal(gaps.length, 1, `stopped at operation ${last}`);
      assert.equal(gaps[0]?.bytes, 20);
      assert.equal(gaps[0]?.saved, "matches");
      assert.deepEqual(left.get("torn-7.bin"), batch.subarray(0, 20));
    }
  }
});

for (const crash of ["afterKill", "afterPowerCut"] as const)
  test(`[AUDIT-21] ${crash} at any operation of a writer: its chain goes on`, async () => {
    // SECURITY: a chain that starts anew forgets everything before it.
    const run = async (files: MemoryFiles, acknowledged: string[], anchors: Checkpoint[]) => {
      const limits = { segmentBytes: 32_768, checkpointEntries: 4 };
      const log = await open("", { files, limits });
      log.onCheckpoint((checkpoint) => anchors.push(checkpoint));
      try {
        for (let i = 0; i < 12; i++) {
          const pair = [`${i}`, `${i}-${"x".repeat(i % 3 === 0 ? 9_000 : 1)}`];
          await Promise.all(pair.map((object) => log.append({ ...SHORT, object })));
          acknowledged.push(...pair);
        }
      } finally {
        await log.close().finally(() => assert.equal(files.opened, 0, "no file stays open"));
      }
    };
    const whole = new MemoryFiles();
    await run(whole, [], []);
    for (let last = 1; last <= whole.operations; last++) {
      const files = new MemoryFiles();
      const acknowledged: string[] = [];
      const anchors: Checkpoint[] = [];
      files.mishap = () => {
        if (files.operations >= last) throw fsError("EIO");
      };
      await assert.rejects(run(files, acknowledged, anchors), { exit: "io" });
      await survives(files[crash](), { anchors, acknowledged });
    }
  });

test("[AUDIT-21] a power cut after a restart after a kill loses nothing either", async () => {
  // SECURITY: what a killed writer left in the cache was shown, and could still vanish.
  const limits = { segmentBytes: 32_768, checkpointEntries: 4 };
  const large = "x".repeat(9_000);
  const run = async (files: MemoryFiles, acknowledged: string[]): Promise<void> => {
    const log = await open("", { files, limits });
    for (let i = 0; i < 9; i++) {
      const object = `${i}-${large}`;
      await log.append({ ...SHORT, object });
      acknowledged.push(object);
    }
    await log.close();
  };
  const whole = new MemoryFiles();
  await run(whole, []);
  for (let last = 1; last <= whole.operations; last++) {
    const files = new MemoryFiles();
    const acknowledged: string[] = [];
    files.mishap = () => {
      if (files.operations >= last) throw fsError("EIO");
    };
    await assert.rejects(run(files, acknowledged), { exit: "io" });
    files.mishap = () => undefined;
    const log = await open("", { files, limits });
    await log.append({ ...SHORT, object: large });
    const left = files.afterPowerCut();
    await survives(left, { anchors: [], acknowledged: [...acknowledged, large] });
  }
});

test("[AUDIT-21] a directory whose segments are gone gets no second beginning", async () => {
  // SECURITY: whoever removes the segments would get a fresh log that looks honest.
  const left = MemoryFiles.of(new Map([["torn-9.bin", GARBAGE]]));
  const log = await open("", { files: left });
  assert.equal(log.fault?.exit, "integrity");
  await assert.rejects(log.append(EVENT), /segments are gone/);
});

test("[AUDIT-14] a segment that was never finished is as if it had not been begun", async () => {
  const { durable } = await logWithBatch();
  const draft = "000002.jsonl.draft";
  const left = MemoryFiles.of(
    new Map([
      [FIRST, durable],
      [draft, GARBAGE],
    ]),
  );
  const report = await survives(left, { anchors: [], acknowledged: ["a", "b", "c"] });
  assert.equal(report.segments, 1);
  assert.throws(() => left.get(draft), { code: "ENOENT" });
});

test("[AUDIT-14] each segment begins with its opener and a checkpoint, all in one step", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  const begun: string[][] = [];
  files.mishap = (operation, name) => {
    if (operation !== "rename") return;
    const lines = files.get(name).toString().trimEnd().split("\n");
    begun.push(lines.map((line) => parseEntry(line)?.action ?? ""));
  };
  await appendMany(log, 150);
  assert.deepEqual(begun.slice(0, 2), [
    ["audit.segment", "audit.checkpoint"],
    ["audit.segment", "audit.checkpoint"],
  ]);
});

const SEGMENTS = [FIRST, "000002.jsonl", "000003.jsonl"];
const LAST = "000003.jsonl";

async function threeSegments(): Promise<Map<string, Buffer>> {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  await appendMany(log, 180);
  await log.close();
  assert.deepEqual((await files.list()).toSorted(), SEGMENTS);
  return new Map(SEGMENTS.map((name) => [name, Buffer.from(files.get(name))]));
}

const linesOf = (bytes: Buffer): string[] => bytes.toString("latin1").split(/(?<=\n)/);

type Damaging = readonly [what: string, damage: (log: Map<string, Buffer>) => void, reason: RegExp];
const DAMAGES: readonly Damaging[] = [
  ["the last segment is garbage", (log) => log.set(LAST, GARBAGE), /3 does not begin as one/],
  ["the last segment is empty", (log) => log.set(LAST, Buffer.alloc(0)), /does not begin as one/],
  [
    "the last segment is the first",
    (log) => log.set(LAST, bytesOf(log, FIRST)),
    /not begin as one/,
  ],
  [
    "the last segment is the one before it",
    (log) => log.set(LAST, bytesOf(log, "000002.jsonl")),
    /not begin as one/,
  ],
  ["the genesis entry is gone", (log) => log.set(FIRST, GARBAGE), /not a genesis entry/],
  ["the first segment is missing", (log) => log.delete(FIRST), /segment 1 is missing/],
  ["a segment is missing", (log) => log.delete("000002.jsonl"), /segment 2 is missing/],
  [
    "no checkpoint is in reach",
    (log) => log.set(LAST, Buffer.concat([bytesOf(log, LAST), Buffer.alloc(RECOVERY_BYTES)])),
    /damaged before its last checkpoint/,
  ],
  [
    "no checkpoint is left",
    (log) => {
      const text = bytesOf(log, LAST).toString("latin1");
      log.set(LAST, Buffer.from(text.replaceAll('"signature":"', '"signature":"0'), "latin1"));
    },
    /has no checkpoint where it begins/,
  ],
  [
    "the checkpoint where the last segment begins is gone",
    (log) => {
      const lines = linesOf(bytesOf(log, LAST));
      log.set(LAST, Buffer.from(lines.toSpliced(1, 1).join(""), "latin1"));
    },
    /has no checkpoint where it begins/,
  ],
];

function bytesOf(log: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const bytes = log.get(name);
  assert.ok(bytes);
  return bytes;
}

for (const [what, damage, reason] of DAMAGES)
  test(`[AUDIT-24] ${what}: nothing is touched and nothing is recorded`, async () => {
    // SECURITY: repairing what an attacker damaged would destroy the evidence.
    const log = await threeSegments();
    damage(log);
    const files = MemoryFiles.of(log);
    const opened = await open("", { files });
    assert.equal(opened.writable, false);
    assert.equal(opened.fault?.exit, "integrity");
    assert.match(opened.fault.message, reason);
    assert.match(opened.fault.hint, /sesame audit verify/);
    await assert.rejects(opened.append(EVENT), { exit: "integrity" });
    await assert.rejects(opened.checkpoint(), { exit: "integrity" });
    await opened.close();
    for (const [name, bytes] of log) assert.deepEqual(files.get(name), bytes);
    const names = (await files.list()).toSorted();
    assert.deepEqual(names, [...log.keys()].toSorted());
    assert.equal((await verifyIn(files)).ok, false);
  });

test("[AUDIT-24] a file that goes while the log is opened is damage, at every step", async () => {
  // SECURITY: who removes a segment at the right instant would have a fault taken for ours, and no
  // word of damage.
  const { durable, batch } = await logWithBatch();
  const torn = Buffer.concat([durable, batch.subarray(0, 40)]);
  for (const segment of [durable, torn]) {
    for (let step = 1, gone = ""; ; step++, gone = "") {
      const files = MemoryFiles.of(new Map([[FIRST, segment]]));
      let opens = 0;
      files.mishap = (operation, name) => {
        if (operation !== "open" || ++opens !== step) return;
        gone = name;
        void files.remove(name);
      };
      const log = await open("", { files });
      const { fault } = log;
      await log.close();
      if (gone === "") {
        assert.ok(step > 4, "nothing went");
        break;
      }
      assert.equal(fault?.exit, "integrity", `${gone} at step ${step}: ${fault?.message}`);
    }
  }
});

test("[AUDIT-24] a log of another key is not continued", async () => {
  // SECURITY: a log put in place of the real one would be carried on.
  const log = await threeSegments();
  const publicKey = OWNER.suite.ed25519PublicKey(STRANGER);
  const opened = await open("", { files: MemoryFiles.of(log), publicKey });
  assert.equal(opened.fault?.exit, "integrity");
});

test("[AUDIT-21] a writer goes on from a checkpoint that lies far back", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, algorithm: "sha256" });
  const large = "x".repeat(16_000);
  await Promise.all(Array.from({ length: 200 }, () => log.append({ ...SHORT, object: large })));
  const left = files.afterKill();
  assert.ok(left.get(FIRST).length > 3_000_000);
  const again = await open("", { files: left });
  assert.deepEqual([again.fault, again.sequence], [null, log.sequence]);
  assert.deepEqual(await left.list(), [FIRST]);
});

test("opening reads the end of a large segment, not all of it", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  await appendMany(log, 5_000);
  await log.close();
  const size = files.get(FIRST).length;
  let read = 0;
  const counting = files.afterKill();
  const opened = counting.open.bind(counting);
  counting.open = async (name) => {
    const file = await opened(name);
    return (
      file && {
        ...file,
        read: async (target, position) => {
          const bytes = await file.read(target, position);
          read += bytes;
          return bytes;
        },
      }
    );
  };
  const again = await open("", { files: counting });
  assert.equal(again.sequence, log.sequence);
  assert.ok(size > 2_000_000 && read < 400_000, `${read} of ${size} bytes`);
});
