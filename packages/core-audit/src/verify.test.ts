import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { blake3 } from "@sesame/core-crypto/blake3";
import type { Checkpoint } from "@sesame/core-types";
import fc from "fast-check";
import { Batch } from "./batch.ts";
import { ORIGIN } from "./chain.ts";
import { checkpointOf, statement } from "./checkpoint.ts";
import {
  controlBody,
  eventBody,
  parseEntry,
  type AuditEntry,
  type AuditEvent,
  type Control,
} from "./entry.ts";
import { loadHashers } from "./io/hashers.ts";
import { hashedText, lineText } from "./line.ts";
import { RECOVERY_BYTES } from "./limits.ts";
import { segmentName } from "./names.ts";
import { appendMany, EVENT, open, OWNER, START_MS, STRANGER } from "./testing/fixture.ts";
import { fsError, MemoryFiles } from "./testing/memory-files.ts";
import { verifyAudit, type AuditReport } from "./verify.ts";

const FIRST = "000001.jsonl";

function verifyIn(files: MemoryFiles, anchors: readonly Checkpoint[] = []): Promise<AuditReport> {
  return verifyAudit("", { ...OWNER, anchors, files });
}

function verifyBytes(bytes: Uint8Array, anchors: readonly Checkpoint[] = []): Promise<AuditReport> {
  return verifyIn(MemoryFiles.of(new Map([[FIRST, bytes]])), anchors);
}

function linesOf(bytes: Buffer): string[] {
  return bytes.toString("utf8").trimEnd().split("\n");
}

function join(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(""));
}

function entryOf(line: string | undefined): AuditEntry {
  const entry = parseEntry(line ?? "");
  assert.ok(entry);
  return entry;
}

/** 26 entries; checkpoints on lines 2, 7, 12, 17, 22; the last four are not signed. */
async function sample(): Promise<{ bytes: Buffer; anchors: Checkpoint[] }> {
  const files = new MemoryFiles();
  const limits = { checkpointEntries: 4 };
  const log = await open("", { files, limits });
  const anchors: Checkpoint[] = [];
  log.onCheckpoint((checkpoint) => anchors.push(checkpoint));
  await appendMany(log, 19);
  const bytes = files.get(FIRST);
  assert.equal(linesOf(bytes).length, 25);
  return { bytes, anchors };
}

/** The same log by whoever holds a key: every entry from `from` on is made anew. */
async function rewrite(
  bytes: Buffer,
  sign: (message: Uint8Array) => Uint8Array,
  change: (entry: AuditEntry) => AuditEntry,
): Promise<Buffer> {
  const { entry: hasher } = await loadHashers("blake3");
  const batch = new Batch({ hasher, ...OWNER, sign }, ORIGIN);
  for (const line of linesOf(bytes)) {
    const entry = change(entryOf(line));
    const { control, time } = entry;
    if (control === null) batch.add(time, eventBody(entry));
    else if (control.type === "checkpoint") batch.checkpoint(time);
    else batch.control(time, control);
  }
  return batch.toBytes();
}

const CHECKPOINT = "checkpoint" as const;
const GENESIS: Control = {
  type: "genesis",
  version: 1,
  algorithm: "sha256",
  installation: Buffer.from(OWNER.installationId).toString("hex"),
};
/** With 0 for the number of the segment in which it stands. */
const SEGMENT: Control = { type: "segment", number: 0 };
type Line = AuditEvent | Control | typeof CHECKPOINT;

/** A log of these lines in their segments, by whoever has the key; [] is what a log begins with. */
async function logOf(segments: readonly (readonly Line[])[]): Promise<MemoryFiles> {
  const { entry: hasher } = await loadHashers("sha256");
  const files = new MemoryFiles();
  let head = ORIGIN;
  for (const [i, lines] of segments.entries()) {
    const batch = new Batch({ hasher, ...OWNER }, head);
    for (const line of lines.length === 0 ? [GENESIS, CHECKPOINT] : lines)
      if (line === CHECKPOINT) batch.checkpoint(START_MS);
      else if ("action" in line) batch.add(START_MS, eventBody(line));
      else if (line.type === "segment")
        batch.control(START_MS, { ...line, number: line.number || i + 1 });
      else batch.control(START_MS, line);
    files.put(segmentName(i + 1), batch.toBytes());
    ({ head } = batch);
  }
  return files;
}

const edited = (entry: AuditEntry): AuditEntry =>
  entry.seq === 9 ? { ...entry, outcome: "something else" } : entry;

test("[AUDIT-4] the hash is H over the prefix and the line before its hash", async () => {
  const oracles = {
    blake3: (bytes: Uint8Array) => Buffer.from(blake3(bytes)).toString("hex"),
    sha256: (bytes: Uint8Array) => hash("sha256", bytes, "hex"),
  };
  for (const algorithm of ["blake3", "sha256"] as const) {
    const files = new MemoryFiles();
    const log = await open("", { files, algorithm });
    await log.append({ ...EVENT, object: "größe/\u2028" });
    await log.close();
    for (const line of linesOf(files.get(FIRST))) {
      const hashed = line.slice(0, line.lastIndexOf(',"hash":'));
      const expected = oracles[algorithm](Buffer.from(`sesame audit entry v1${hashed}`));
      assert.equal(entryOf(line).hash, expected);
    }
    assert.equal((await verifyIn(files)).ok, true);
  }
});

test("[AUDIT-5] entries are chained and numbered, across segments", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  await appendMany(log, 100);
  await log.close();
  const lines = [FIRST, "000002.jsonl"].flatMap((name) => linesOf(files.get(name)));
  let before = { seq: 0, hash: "0".repeat(64) };
  for (const entry of lines.map(entryOf)) {
    assert.deepEqual([entry.seq, entry.prev], [before.seq + 1, before.hash]);
    before = entry;
  }
  assert.equal((await verifyIn(files)).ok, true);
});

test("[AUDIT-5] an entry with a good hash and another number or predecessor is bad", async () => {
  // SECURITY: unsigned entries carry no more than their hash, which anybody can make.
  const { entry: hasher } = await loadHashers("blake3");
  const { bytes } = await sample();
  const lines = linesOf(bytes);
  const last = entryOf(lines.at(-1));
  const forge = (prev: string, seq: number): Buffer => {
    const hashed = hashedText(prev, seq, START_MS, eventBody(EVENT));
    const hashOf = Buffer.from(hasher.ofText(hashed)).toString("hex");
    return join([...lines, lineText(hashed, hashOf)]);
  };
  assert.equal((await verifyBytes(forge(last.hash, 26))).ok, true);
  for (const seq of [0, 25, 27]) {
    const { firstBad } = await verifyBytes(forge(last.hash, seq));
    assert.deepEqual([firstBad?.line, firstBad?.sequence], [26, seq]);
    assert.match(firstBad?.reason ?? "", /follows entry 25/);
  }
  const { firstBad } = await verifyBytes(forge(last.prev, 26));
  assert.equal(firstBad?.line, 26);
  assert.match(firstBad.reason, /does not continue/);
});

test("[AUDIT-25] numbers have one form", async () => {
  const { entry: hasher } = await loadHashers("blake3");
  const { bytes } = await sample();
  const lines = linesOf(bytes);
  const last = entryOf(lines.at(-1));
  const good = hashedText(last.hash, 26, START_MS, eventBody(EVENT));
  for (const form of ["026", "26.0", "+26", "-26", "", " 26", "2.6e1", "00000000000000000026"]) {
    const hashed = good.replace('"seq":26,', `"seq":${form},`);
    const hashOf = Buffer.from(hasher.ofText(hashed)).toString("hex");
    const report = await verifyBytes(join([...lines, lineText(hashed, hashOf)]));
    assert.deepEqual(report.firstBad, {
      segment: 1,
      line: 26,
      sequence: null,
      reason: "it is not an audit entry",
    });
  }
});

test("[AUDIT-25] any changed byte is found, on its line", async () => {
  // SECURITY: a changed entry could hide who read a secret.
  const { bytes } = await sample();
  const flip = fc.record({ at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(flip, async ({ at, by }) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ by;
      const report = await verifyBytes(changed);
      const line = linesOf(Buffer.concat([bytes.subarray(0, at), Buffer.from("x")])).length;
      if (at === bytes.length - 1) {
        assert.equal(report.entries, line - 1);
        assert.match(report.blind.join(), /are not a whole entry/);
      } else {
        assert.equal(report.ok, false);
        assert.equal(report.firstBad?.line, line);
        assert.equal(report.entries, line - 1);
      }
    }),
    { numRuns: 300 },
  );
});

test("[AUDIT-25] a removed, added, repeated or moved line is found, where it stands", async () => {
  // SECURITY: an entry could be left out, or made up, between two real ones.
  const { bytes, anchors } = await sample();
  const lines = linesOf(bytes);
  const index = fc.nat(lines.length - 1);
  await fc.assert(
    fc.asyncProperty(index, index, async (i, j) => {
      const [low, high] = [Math.min(i, j), Math.max(i, j)];

      const removed = await verifyBytes(join(lines.toSpliced(low, 1)), anchors);
      if (low < lines.length - 1) assert.equal(removed.firstBad?.line, low + 1);
      else assert.deepEqual([removed.ok, removed.entries], [true, lines.length - 1]);

      const added = await verifyBytes(join(lines.toSpliced(low, 0, lines[high] ?? "")), anchors);
      assert.equal(added.firstBad?.line, low === high ? low + 2 : low + 1);

      if (low === high) return;
      const swapped = lines.with(low, lines[high] ?? "").with(high, lines[low] ?? "");
      const moved = await verifyBytes(join(swapped), anchors);
      assert.equal(moved.firstBad?.line, low + 1);
      assert.equal(moved.ok, false);
    }),
    { numRuns: 150 },
  );
});

test("[AUDIT-27] a log cut anywhere before its anchor is found; behind it, it is said", async () => {
  // SECURITY: the newest entries are those that an intruder wants gone.
  const { bytes, anchors } = await sample();
  const anchor = anchors.at(-1);
  assert.equal(anchor?.sequence, 21);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length), async (length) => {
      const cut = bytes.subarray(0, length);
      const whole = cut.toString("latin1").split("\n").length - 1;
      const report = await verifyBytes(cut, anchors);
      assert.equal(report.entries, whole);
      assert.equal(report.ok, whole >= 21);
      if (whole === 0) return;
      assert.equal(report.anchors.at(-1)?.state, whole >= 21 ? "matches" : "missing");
      if (whole < 21)
        assert.deepEqual(report.firstBad, {
          segment: 1,
          line: whole + 1,
          sequence: whole + 1,
          reason: "the log ends here; an anchor saw entry 21",
        });
      const unfinished = report.blind.some((sentence) => /not a whole entry/.test(sentence));
      assert.equal(unfinished, cut.at(-1) !== 0x0a);
    }),
    { numRuns: 200 },
  );
});

test("[AUDIT-26] a log rewritten without the signing key fails at its first checkpoint", async () => {
  // SECURITY: hashes are public; without signatures anybody could make a whole new history.
  const { bytes } = await sample();
  const sign = (message: Uint8Array): Uint8Array => OWNER.suite.ed25519Sign(STRANGER, message);
  const report = await verifyBytes(await rewrite(bytes, sign, edited));
  assert.equal(report.ok, false);
  assert.equal(report.firstBad?.line, 2);
  assert.match(report.firstBad.reason, /signature does not fit/);
});

test("[AUDIT-26] hashes made anew up to the next checkpoint fail at that checkpoint", async () => {
  // SECURITY: the same, for a single entry.
  const { bytes } = await sample();
  const forged = linesOf(await rewrite(bytes, OWNER.sign, edited));
  const real = linesOf(bytes);
  // Lines 9 to 11 are forged with good hashes; 12 is a checkpoint with the old signature.
  const old = entryOf(real[11]);
  const before = entryOf(forged[10]);
  assert.ok(old.control);
  const hashed = hashedText(before.hash, 12, old.time, controlBody(old.control));
  const hasher = (await loadHashers("blake3")).entry;
  const line = lineText(hashed, Buffer.from(hasher.ofText(hashed)).toString("hex"));
  const report = await verifyBytes(join([...forged.slice(0, 11), line, ...real.slice(12)]));
  assert.deepEqual([report.firstBad?.line, report.firstBad?.sequence], [12, 12]);
  assert.match(report.firstBad?.reason ?? "", /signature does not fit/);
});

test("[AUDIT-27] a log rewritten with the signing key contradicts its anchors", async () => {
  // SECURITY: who has the daemon's key could otherwise rewrite everything.
  const { bytes, anchors } = await sample();
  const forged = await rewrite(bytes, OWNER.sign, edited);
  assert.equal((await verifyBytes(forged)).ok, true);
  const report = await verifyBytes(forged, anchors.toReversed());
  assert.equal(report.ok, false);
  assert.deepEqual(report.anchors, [
    { sequence: 6, state: "matches" },
    { sequence: 11, state: "contradicts" },
    { sequence: 16, state: "unreached" },
    { sequence: 21, state: "unreached" },
  ]);
  assert.equal(report.firstBad?.sequence, 11);
  assert.match(report.firstBad.reason, /^an anchor saw another entry here/);
  assert.equal(report.entries, 10);
  assert.match(report.blind.join("\n"), /^no anchor is newer than entry 6: /m);
});

test("[AUDIT-27] an anchor that nobody signed makes the log not good", async () => {
  // SECURITY: an anchor that was tampered with must not pass for one that agrees.
  const { bytes, anchors } = await sample();
  const [first] = anchors;
  assert.ok(first);
  for (const anchor of [
    { ...first, sequence: 5 },
    { ...first, hash: new Uint8Array(32) },
    { ...first, timeMs: first.timeMs + 1 },
    { ...first, signature: new Uint8Array(64) },
  ]) {
    const report = await verifyBytes(bytes, [anchor]);
    assert.equal(report.ok, false);
    assert.deepEqual(report.anchors, [{ sequence: anchor.sequence, state: "not signed" }]);
  }
});

test("[AUDIT-27] an anchor of no entry at all contradicts", async () => {
  const { bytes } = await sample();
  const reach = { sequence: 0, hash: entryOf(linesOf(bytes)[0]).hash, timeMs: START_MS };
  const signature = OWNER.sign(statement(OWNER.installationId, reach));
  const { ok, anchors } = await verifyBytes(bytes, [checkpointOf(reach, signature)]);
  assert.equal(ok, false);
  assert.deepEqual(anchors, [{ sequence: 0, state: "contradicts" }]);
});

test("[AUDIT-26] the key and the installation are the verifier's, not the log's", async () => {
  // SECURITY: a log of somebody else, put in this place, would verify with its own key.
  const { bytes } = await sample();
  const files = MemoryFiles.of(new Map([[FIRST, bytes]]));
  const publicKey = OWNER.suite.ed25519PublicKey(STRANGER);
  const key = await verifyAudit("", { ...OWNER, publicKey, anchors: [], files });
  assert.equal(key.firstBad?.line, 2);
  const installationId = new Uint8Array(16);
  const id = await verifyAudit("", { ...OWNER, installationId, anchors: [], files });
  assert.equal(id.firstBad?.line, 1);
  assert.match(id.firstBad.reason, /another installation/);
});

async function threeSegments(): Promise<Map<string, Buffer>> {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  await appendMany(log, 180);
  await log.close();
  const names = (await files.list()).toSorted();
  assert.equal(names.length, 3);
  return new Map(names.map((name) => [name, Buffer.from(files.get(name))]));
}

type Move = [what: string, (log: Map<string, Buffer>) => void, segment: number, reason: RegExp];
const MOVES: readonly Move[] = [
  ["a missing segment", (log) => log.delete("000002.jsonl"), 2, /^segment 2 is missing$/],
  ["a missing first segment", (log) => log.delete(FIRST), 1, /^segment 1 is missing$/],
  ["an empty last segment", (log) => log.set("000003.jsonl", GAP), 3, /has no entry/],
  [
    "swapped segments",
    (log) => {
      const [second, third] = [log.get("000002.jsonl"), log.get("000003.jsonl")];
      assert.ok(second && third);
      log.set("000002.jsonl", third);
      log.set("000003.jsonl", second);
    },
    2,
    /entries were removed, added or moved/,
  ],
  [
    "a segment cut short at a line",
    (log) => {
      const lines = linesOf(log.get("000002.jsonl") ?? Buffer.alloc(0));
      log.set("000002.jsonl", join(lines.slice(0, -1)));
    },
    3,
    /entries were removed/,
  ],
  [
    "a segment cut short within a line",
    (log) => {
      const bytes = log.get("000002.jsonl") ?? Buffer.alloc(0);
      log.set("000002.jsonl", bytes.subarray(0, -5));
    },
    2,
    /not whole/,
  ],
  [
    "two segments made one",
    (log) => {
      const both = [log.get("000002.jsonl"), log.get("000003.jsonl")].map((b) => b ?? GAP);
      log.set("000002.jsonl", Buffer.concat(both));
      log.delete("000003.jsonl");
    },
    2,
    /belongs where a segment begins/,
  ],
];
const GAP = Buffer.alloc(0);

for (const [what, move, segment, reason] of MOVES)
  test(`[AUDIT-2] ${what} is found`, async () => {
    // SECURITY: whole files are the easiest thing to take away.
    const log = await threeSegments();
    assert.equal((await verifyIn(MemoryFiles.of(log))).ok, true);
    move(log);
    const report = await verifyIn(MemoryFiles.of(log));
    assert.equal(report.ok, false);
    assert.equal(report.firstBad?.segment, segment);
    assert.match(report.firstBad.reason, reason);
  });

type Found = readonly [segment: number, line: number, reason: RegExp];
const TORN: Control = { type: "gap", bytes: 1, hash: "0".repeat(64), file: "torn-3.bin" };
const DUE = /first checkpoint of the segment is due before it/;
const NO_BEGINNING = /^segment \d does not begin with it: lines or files were moved$/;
const BELONGS = /belongs where a segment begins/;
const UNOPENED: readonly [what: string, segments: readonly Line[][], where: Found][] = [
  ["an entry as the first", [[EVENT, CHECKPOINT]], [1, 1, NO_BEGINNING]],
  ["a checkpoint as the first", [[CHECKPOINT]], [1, 1, NO_BEGINNING]],
  ["another beginning", [[SEGMENT, CHECKPOINT]], [1, 1, NO_BEGINNING]],
  ["an entry as the second's first", [[], [EVENT, CHECKPOINT]], [2, 1, NO_BEGINNING]],
  ["a second genesis", [[], [GENESIS, CHECKPOINT]], [2, 1, NO_BEGINNING]],
  ["another number", [[], [{ ...SEGMENT, number: 3 }, CHECKPOINT]], [2, 1, NO_BEGINNING]],
  ["no checkpoint", [[GENESIS, EVENT]], [1, 2, DUE]],
  ["no checkpoint in the second segment", [[], [SEGMENT, EVENT, CHECKPOINT]], [2, 2, DUE]],
  ["two gaps", [[], [SEGMENT, TORN, TORN, CHECKPOINT]], [2, 3, DUE]],
  ["two beginnings", [[GENESIS, GENESIS, CHECKPOINT]], [1, 2, DUE]],
  ["nothing but a beginning", [[GENESIS]], [1, 2, /ends here, where the first checkpoint/]],
  ["nothing but a beginning and a gap", [[], [SEGMENT, TORN]], [2, 3, /ends here, where/]],
  ["a beginning that ends too early", [[], [SEGMENT], [SEGMENT, CHECKPOINT]], [3, 1, /before it/]],
  ["a gap inside", [[GENESIS, CHECKPOINT, TORN]], [1, 3, BELONGS]],
  ["a gap among entries", [[GENESIS, CHECKPOINT, EVENT, TORN]], [1, 4, BELONGS]],
  ["a beginning inside", [[GENESIS, CHECKPOINT, GENESIS, CHECKPOINT]], [1, 3, BELONGS]],
];

for (const [what, segments, [segment, line, reason]] of UNOPENED)
  test(`[AUDIT-46] ${what}: the segment is refused`, async () => {
    // SECURITY: whoever may write the directory could put a log there that nobody ever signed.
    assert.equal((await verifyIn(await logOf([[], [SEGMENT, TORN, CHECKPOINT, EVENT]]))).ok, true);
    const report = await verifyIn(await logOf(segments));
    assert.equal(report.ok, false);
    assert.deepEqual([report.firstBad?.segment, report.firstBad?.line], [segment, line]);
    assert.equal(report.firstBad?.sequence, report.lastSequence + 1);
    assert.match(report.firstBad.reason, reason);
  });

test("[AUDIT-28] a log that is not there is not good", async () => {
  // SECURITY: to remove the whole log must not be a way to pass.
  for (const files of [new MemoryFiles(), MemoryFiles.of(new Map([["notes.txt", GAP]]))]) {
    const report = await verifyIn(files);
    assert.equal(report.ok, false);
    assert.deepEqual(report.firstBad, {
      segment: 1,
      line: 1,
      sequence: 1,
      reason: "there is no log",
    });
  }
  const nowhere = await verifyAudit("/nonexistent/audit", { ...OWNER, anchors: [] });
  assert.equal(nowhere.ok, false);
});

test("[AUDIT-6] a line that is too long is bad, however good its hash", async () => {
  const { entry: hasher } = await loadHashers("sha256");
  const long = Buffer.alloc(20_000, "x").toString();
  const { bytes } = await sample();
  const files = new MemoryFiles();
  await (await open("", { files, algorithm: "sha256" })).close();
  const head = entryOf(linesOf(files.get(FIRST)).at(-1));
  const hashed = hashedText(head.hash, 3, START_MS, eventBody({ ...EVENT, object: long }));
  assert.throws(() => assert.equal(hasher.ofText(hashed).length, 0));
  const line = `${lineText(hashed, "0".repeat(64))}\n`;
  const report = await verifyBytes(Buffer.concat([files.get(FIRST), Buffer.from(line)]));
  assert.deepEqual([report.firstBad?.line, report.entries], [3, 2]);
  assert.match(report.firstBad?.reason ?? "", /longer than 16384 bytes/);
  const endless = await verifyBytes(Buffer.concat([bytes, Buffer.alloc(3_000_000, "x")]));
  assert.match(endless.firstBad?.reason ?? "", /longer than 16384 bytes/);
});

test("[AUDIT-6] a line may have 16384 bytes and not one more", async () => {
  const files = await logOf([[GENESIS, CHECKPOINT, { ...EVENT, object: "" }]]);
  const [, , shortest = ""] = linesOf(files.get(FIRST));
  const room = 16_384 - Buffer.byteLength(shortest);
  const ofSize = (more: number): Promise<MemoryFiles> =>
    logOf([[GENESIS, CHECKPOINT, { ...EVENT, object: "x".repeat(room + more) }]]);
  assert.equal((await verifyIn(await ofSize(0))).ok, true);
  const { firstBad } = await verifyIn(await ofSize(1));
  assert.deepEqual([firstBad?.line, firstBad?.sequence], [3, null]);
});

test("[AUDIT-25] the first bad entry is named with the number that it bears", async () => {
  const files = await logOf([[GENESIS, CHECKPOINT, EVENT, EVENT, CHECKPOINT]]);
  const lines = linesOf(files.get(FIRST));
  const elsewhere = { ...GENESIS, installation: "0".repeat(32) };
  const others = linesOf((await logOf([[elsewhere, CHECKPOINT, EVENT]])).get(FIRST));
  const [, , third = "", fourth = ""] = lines;
  const cases: readonly [sequence: number, RegExp, changed: readonly string[]][] = [
    [3, /own hash: it was changed/, lines.with(2, third.replace("operator", "somebody"))],
    [4, /follows entry 2: entries were removed, added or moved/, lines.toSpliced(2, 1)],
    [3, /does not continue the entry before it/, lines.with(2, others[2] ?? "")],
    [4, /follows entry 2/, lines.with(2, fourth)],
  ];
  for (const [sequence, reason, changed] of cases) {
    const { firstBad } = await verifyBytes(join(changed));
    assert.deepEqual([firstBad?.line, firstBad?.sequence], [3, sequence]);
    assert.match(firstBad?.reason ?? "", reason);
  }
});

test("[AUDIT-9] a control entry with anything else in it is refused", async () => {
  // SECURITY: text beside a signature could be taken for what was signed.
  const { entry: hasher } = await loadHashers("blake3");
  const { bytes } = await sample();
  const lines = linesOf(bytes);
  const line = lines[1] ?? "";
  const changes: ((hashed: string) => string)[] = [
    (hashed) => hashed.replace('"actor":null', '"actor":null,"note":"all is well"'),
    (hashed) => hashed.replace('"outcome":"ok"', '"outcome":"denied"'),
    (hashed) => hashed.replace('"type":"checkpoint"', '"type": "checkpoint"'),
    (hashed) => hashed.replace('"type":"checkpoint"', '"type":"remark"'),
    (hashed) => hashed.replace('"signature":"', '"signature":"00'),
    (hashed) => hashed.replace('"action":"audit.checkpoint"', '"action":"audit.genesis"'),
  ];
  for (const change of changes) {
    const hashed = line.slice(0, line.lastIndexOf(',"hash":'));
    const changed = change(hashed);
    assert.notEqual(changed, hashed);
    const hashOf = Buffer.from(hasher.ofText(changed)).toString("hex");
    const report = await verifyBytes(join(lines.with(1, lineText(changed, hashOf))));
    assert.deepEqual([report.firstBad?.line, report.firstBad?.sequence], [2, 2]);
    assert.match(report.firstBad?.reason ?? "", /not a control entry/);
  }
});

test("[AUDIT-29] bytes after the last line feed are counted and no entry", async () => {
  const { bytes } = await sample();
  const report = await verifyBytes(Buffer.concat([bytes, Buffer.from('{"prev":"')]));
  assert.equal(report.ok, true);
  assert.equal(report.entries, 25);
  assert.equal(
    report.blind[1],
    "the last 9 bytes are not a whole entry: it is being written, or a crash tore it; the next" +
      " start of the daemon records a gap",
  );
});

test("[AUDIT-30] gaps are listed with the state of their bytes", async () => {
  // SECURITY: what a crash tore may be the trace of who caused it.
  const { bytes } = await sample();
  const files = MemoryFiles.of(new Map([[FIRST, Buffer.concat([bytes, Buffer.from("torn")])]]));
  await (await open("", { files })).close();
  const gap = { sequence: 27, bytes: 4, hash: "", file: "torn-26.bin", saved: "" };
  gap.hash = Buffer.from(blake3(Buffer.from("torn"))).toString("hex");
  const states: [saved: string, change: () => unknown][] = [
    ["matches", () => undefined],
    ["differs", () => files.put("torn-26.bin", Buffer.from("torN"))],
    ["differs", () => files.put("torn-26.bin", Buffer.from("torn and more"))],
    ["missing", () => files.remove("torn-26.bin")],
  ];
  for (const [saved, change] of states) {
    await change();
    const report = await verifyIn(files);
    assert.equal(report.ok, true);
    assert.deepEqual(report.gaps, [{ ...gap, saved }]);
  }
});

test("[AUDIT-30] a gap entry opens no file but a torn one of its directory", async () => {
  // SECURITY: a forged gap entry could make a verifier that runs as root tell of any file.
  const secret = Buffer.from("hello");
  const hashOf = hash("sha256", secret);
  const gap: Control = { type: "gap", bytes: 5, hash: hashOf, file: "../secret" };
  const files = await logOf([[], [SEGMENT, gap, CHECKPOINT]]);
  files.put("../secret", secret);
  const report = await verifyIn(files);
  assert.equal(report.ok, true, JSON.stringify(report.firstBad));
  assert.deepEqual(
    report.gaps.map(({ saved }) => saved),
    ["differs"],
  );
});

test("[AUDIT-30] a report lists 256 gaps and counts the others", async () => {
  const withGaps = (count: number): Promise<MemoryFiles> =>
    logOf([[], ...Array.from({ length: count }, () => [SEGMENT, TORN, CHECKPOINT])]);
  const most = await verifyIn(await withGaps(256));
  assert.deepEqual([most.gaps.length, most.notes], [256, []]);
  const more = await verifyIn(await withGaps(258));
  assert.deepEqual([more.gaps.length, more.notes], [256, ["2 more gaps are recorded"]]);
});

test("[AUDIT-30] no more than recovery can have set aside is read back", async () => {
  // SECURITY: a forged gap entry would have the verifier read and hash any amount.
  for (const [more, saved] of [
    [0, "matches"],
    [1, "differs"],
  ] as const) {
    const torn = Buffer.alloc(RECOVERY_BYTES + more);
    const hashOf = hash("sha256", torn);
    const gap: Control = { type: "gap", bytes: torn.length, hash: hashOf, file: "torn-3.bin" };
    const files = await logOf([[], [SEGMENT, gap, CHECKPOINT]]);
    files.put("torn-3.bin", torn);
    assert.equal((await verifyIn(files)).gaps[0]?.saved, saved);
  }
});

test("[AUDIT-7] a report says where time goes back, and how often", async () => {
  const backAt = async (...times: readonly number[]): Promise<readonly string[]> => {
    const { entry: hasher } = await loadHashers("sha256");
    const log = await logOf([[]]);
    const { seq, hash: of } = entryOf(linesOf(log.get(FIRST)).at(-1));
    const batch = new Batch({ hasher, ...OWNER }, { sequence: seq, hash: of, timeMs: START_MS });
    for (const time of times) batch.add(START_MS + time, eventBody(EVENT));
    const report = await verifyBytes(Buffer.concat([log.get(FIRST), batch.toBytes()]));
    assert.equal(report.ok, true);
    return report.notes;
  };
  assert.deepEqual(await backAt(0, 0, 5), []);
  assert.deepEqual(await backAt(5, 4, 4), ["time goes back at entry 4"]);
  assert.deepEqual(await backAt(5, 4, 3, 9, 8), ["time goes back at entry 4 and at 2 more"]);
});

test("[AUDIT-31] a report says what it could not see", async () => {
  const { bytes, anchors } = await sample();
  assert.deepEqual((await verifyBytes(bytes)).blind, [
    "entries after checkpoint 22 (3) are chained but not yet signed; someone with write access" +
      " could replace or remove them",
    "no anchor outside the log was given: a log rewritten together with the signing key, or cut" +
      " back to an older checkpoint, would not be noticed",
  ]);
  assert.deepEqual((await verifyBytes(bytes, anchors.slice(0, 1))).blind.slice(1), [
    "no anchor is newer than entry 6: entries after it (19) rewritten together with the signing" +
      " key, or cut back to an older checkpoint, would not be noticed",
  ]);
  const upTo = join(linesOf(bytes).slice(0, anchors.at(-1)?.sequence));
  assert.ok(!(await verifyBytes(upTo, anchors)).blind.join().includes("anchor"));

  const broken = Buffer.from(bytes);
  broken[700] = 0;
  assert.equal(
    (await verifyBytes(broken)).blind[0],
    "nothing after the first bad entry was judged",
  );

  const files = new MemoryFiles();
  const log = await open("", { files });
  await log.append(EVENT);
  const anchor = await log.checkpoint();
  assert.deepEqual((await verifyIn(files, [anchor])).blind, [
    "no anchor is newer than entry 3: entries after it (1) rewritten together with the signing" +
      " key, or cut back to an older checkpoint, would not be noticed",
  ]);
});

test("a file system that refuses to read is a failure, not a verdict", async () => {
  const { bytes } = await sample();
  const files = MemoryFiles.of(new Map([[FIRST, bytes]]));
  files.mishap = (operation) => {
    if (operation === "read") throw fsError("EIO");
  };
  await assert.rejects(verifyIn(files), { code: "EIO" });
});

test("[AUDIT-25] the example of docs/AUDIT.md is a good log", async () => {
  const document = await readFile(new URL("../../../docs/AUDIT.md", import.meta.url), "utf8");
  const example = /```jsonl\n(?<log>[^`]*)```/.exec(document)?.groups?.["log"] ?? "";
  const report = await verifyBytes(Buffer.from(example));
  assert.equal(report.ok, true, JSON.stringify(report.firstBad));
  assert.deepEqual([report.entries, report.checkpoints, report.lastSequence], [4, 2, 4]);
  assert.match(document, new RegExp(Buffer.from(OWNER.publicKey).toString("hex")));
});
