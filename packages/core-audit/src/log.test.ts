import assert from "node:assert/strict";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { nodeSuite } from "@sesame/core-crypto/node";
import { checkpointSchema, decode, encode, type Checkpoint } from "@sesame/core-types";
import fc from "fast-check";
import { statement } from "./checkpoint.ts";
import {
  eventBody,
  parseEntry,
  type AuditActor,
  type AuditEntry,
  type AuditEvent,
} from "./entry.ts";
import { MAX_LINE_BYTES } from "./limits.ts";
import { LINE_OVERHEAD } from "./line.ts";
import { tailAudit } from "./tail.ts";
import {
  appendMany,
  collect,
  EVENT,
  handClock,
  makeDirectory,
  open,
  OWNER,
  START_MS,
  verify,
} from "./testing/fixture.ts";
import { fsError, MemoryFiles } from "./testing/memory-files.ts";
import { verifyAudit } from "./verify.ts";

const FIRST = "000001.jsonl";

function entries(bytes: Buffer): AuditEntry[] {
  return bytes
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const entry = parseEntry(line);
      assert.ok(entry, line);
      return entry;
    });
}

function verifyIn(files: MemoryFiles, anchors: readonly Checkpoint[] = []) {
  return verifyAudit("", { ...OWNER, anchors, files });
}

test("[AUDIT-1] the directory is 0700 and every file 0600, also where it was wider", async (t) => {
  // SECURITY: another user could read who uses which secret.
  const dir = join(await makeDirectory(t), "audit");
  await mkdir(dir, { mode: 0o755 });
  const log = await open(dir);
  await log.append(EVENT);
  await log.close();
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  assert.equal((await stat(join(dir, FIRST))).mode & 0o777, 0o600);
});

test("[AUDIT-3] bytes of acknowledged entries stay where and what they are", async (t) => {
  const dir = await makeDirectory(t);
  let before = Buffer.alloc(0);
  for (let round = 0; round < 3; round++) {
    const log = await open(dir);
    await appendMany(log, 5);
    await log.close();
    const after = await readFile(join(dir, FIRST));
    assert.ok(after.length > before.length);
    assert.deepEqual(after.subarray(0, before.length), before);
    before = after;
  }
});

test("[AUDIT-10] a log begins with a genesis entry and keeps its algorithm", async (t) => {
  const dir = await makeDirectory(t);
  await (await open(dir, { algorithm: "sha256" })).close();
  const again = await open(dir, { algorithm: "blake3" });
  await again.append(EVENT);
  await again.close();
  const [genesis] = entries(await readFile(join(dir, FIRST)));
  assert.deepEqual(genesis?.control, {
    type: "genesis",
    version: 1,
    algorithm: "sha256",
    installation: "0192f0c1a2b37c4d8e5f60718293a4b5",
  });
  assert.equal((await verify(dir)).ok, true);
});

test("[AUDIT-10] a log of another installation is refused", async (t) => {
  const dir = await makeDirectory(t);
  await (await open(dir)).close();
  const log = await open(dir, { installationId: new Uint8Array(16) });
  assert.equal(log.writable, false);
  assert.equal(log.fault?.exit, "integrity");
  await assert.rejects(log.append(EVENT), /another installation/);
});

const nullableText = fc.option(fc.string({ unit: "binary", maxLength: 60 }));
const anyActor: fc.Arbitrary<AuditActor> = fc
  .record({
    name: nullableText,
    identity: nullableText,
    session: nullableText,
    pid: fc.nat(),
    uid: fc.nat(),
    exe: nullableText,
    unit: nullableText,
    by: nullableText,
  })
  .map(({ by, ...actor }) => (by === null ? actor : { ...actor, by }));
const anyEvent: fc.Arbitrary<AuditEvent> = fc.record({
  actor: fc.option(anyActor),
  profile: nullableText,
  action: fc.string({ unit: "binary", maxLength: 60 }),
  object: nullableText,
  outcome: fc.string({ unit: "binary", maxLength: 60 }),
});

test("[AUDIT-8] any event comes back as it was given, and as no control entry", async () => {
  // SECURITY: a name chosen by a client could forge a checkpoint, or hide the entries behind it.
  const forgery = fc.constantFrom(
    '","control":{"type":"checkpoint"',
    '\n{"prev":"',
    '"},"hash":"',
    "audit.checkpoint",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent, { maxLength: 20 }), forgery, async (events, object) => {
      const files = new MemoryFiles();
      const log = await open("", { files });
      const all = [...events, { ...EVENT, object, action: object }];
      await Promise.all(all.map((event) => log.append(event)));
      await log.close();
      const written = entries(files.get(FIRST)).slice(2, -1);
      assert.deepEqual(
        written.map(({ actor, profile, action, object: o, outcome }) => {
          return { actor, profile, action, object: o, outcome };
        }),
        all.map((event) => ({ ...event })),
      );
      assert.ok(written.every(({ control }) => control === null));
      assert.equal((await verifyIn(files)).ok, true);
    }),
    { numRuns: 60 },
  );
});

test("[AUDIT-8] nothing that a caller adds to an event reaches the line", async () => {
  // SECURITY: a value of a secret in a further field would be written to disk.
  const files = new MemoryFiles();
  const log = await open("", { files });
  await log.append(EVENT);
  const actor = {
    note: "hunter2",
    ...Object.fromEntries(Object.entries(EVENT.actor ?? {}).reverse()),
  };
  const event = { value: "hunter2", ...EVENT, actor: actor as unknown as AuditActor };
  await log.append(event);
  const [plain, added] = files.get(FIRST).toString().trimEnd().split("\n").slice(2);
  const body = (line = ""): string => line.slice(line.indexOf('"actor"'), line.indexOf(',"hash"'));
  assert.equal(body(added), body(plain));
  assert.ok(body(added).length > 100);
  assert.ok(added?.includes("hunter2") === false);
});

test("[AUDIT-6] an entry longer than a line may be is refused, and nothing is written", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  const before = files.get(FIRST).length;
  await assert.rejects(log.append({ ...EVENT, object: "x".repeat(16_384) }), { exit: "data" });
  await assert.rejects(log.append({ ...EVENT, object: "é".repeat(8_192) }), { exit: "data" });
  assert.equal(files.get(FIRST).length, before);
  const sequence = await log.append({ ...EVENT, object: "x".repeat(15_000) });
  assert.equal(sequence, 3);
  await log.close();
  assert.equal((await verifyIn(files)).ok, true);
});

test("[AUDIT-7] time is the clock's, also when it goes back", async () => {
  const files = new MemoryFiles();
  const clock = handClock();
  const log = await open("", { files, clock });
  clock.set(START_MS + 5_000);
  await log.append(EVENT);
  clock.set(START_MS - 5_000);
  await log.append(EVENT);
  const times = entries(files.get(FIRST)).map(({ time }) => time);
  assert.deepEqual(times.slice(2), [START_MS + 5_000, START_MS - 5_000]);
  const report = await verifyIn(files);
  assert.equal(report.ok, true);
  assert.deepEqual(report.notes, ["time goes back at entry 4"]);
});

test("[AUDIT-7] a clock before 1970 shows as its beginning, and parts of milliseconds are left out", async () => {
  const files = new MemoryFiles();
  const clock = handClock();
  const log = await open("", { files, clock });
  for (const now of [-5, 1_000.9]) {
    clock.set(now);
    await log.append(EVENT);
  }
  assert.deepEqual(
    entries(files.get(FIRST)).map(({ time }) => time),
    [START_MS, START_MS, 0, 1_000],
  );
  assert.equal((await verifyIn(files)).ok, true);
});

test("[AUDIT-6] the writer takes what fits a line with the longest numbers", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  const shortest = Buffer.byteLength(eventBody({ ...EVENT, object: "" }));
  const room = MAX_LINE_BYTES - LINE_OVERHEAD - shortest;
  assert.equal(await log.append({ ...EVENT, object: "x".repeat(room) }), 3);
  await assert.rejects(log.append({ ...EVENT, object: "x".repeat(room + 1) }), { exit: "data" });
});

test("who listens hears each entry of a caller's once, as it is on disk, before the caller", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { checkpointEntries: 2 } });
  const heard: AuditEntry[] = [];
  let grown = 0;
  log.onEntry((entry) => heard.push(entry));
  log.onGrowth(() => grown++);
  await log.append(EVENT).then((sequence) => assert.equal(heard.at(-1)?.seq, sequence));
  assert.equal(grown, 1);
  await appendMany(log, 4);
  assert.equal(grown, 2, "what shares a write is told of once");
  await log.checkpoint();
  assert.equal(grown, 3);
  await log.checkpoint();
  assert.equal(grown, 3, "nothing was added");
  const onDisk = entries(files.get(FIRST)).filter(({ control }) => control === null);
  assert.equal(onDisk.length, 5);
  assert.deepEqual(heard, onDisk);
});

test("a log is opened for 16 bytes of id, and segments that hold an opening and an entry", async () => {
  for (const length of [0, 15, 17])
    await assert.rejects(open("", { installationId: new Uint8Array(length) }), RangeError);
  const ofSize = (segmentBytes: number) =>
    open("", { files: new MemoryFiles(), limits: { segmentBytes } });
  await assert.rejects(ofSize(32_767), RangeError);
  assert.equal((await ofSize(32_768)).writable, true);
});

test("[AUDIT-11] a checkpoint is the owner's signature over the statement", async () => {
  const log = await open("", { files: new MemoryFiles() });
  await log.append(EVENT);
  const checkpoint = await log.checkpoint();
  assert.equal(checkpoint.sequence, 3);
  const hash = Buffer.from(checkpoint.hash).toString("hex");
  const message = statement(OWNER.installationId, { ...checkpoint, hash });
  assert.equal(
    Buffer.from(message).toString("hex"),
    Buffer.from("sesame audit checkpoint v1").toString("hex") +
      "0192f0c1a2b37c4d8e5f60718293a4b5" +
      "0000000000000003" +
      hash +
      checkpoint.timeMs.toString(16).padStart(16, "0"),
  );
  assert.ok(nodeSuite.ed25519Verify(OWNER.publicKey, message, checkpoint.signature));
  const wire = encode(checkpointSchema, checkpoint);
  assert.deepEqual(
    { ...decode(checkpointSchema, wire), hash: null, signature: null },
    { ...checkpoint, hash: null, signature: null },
  );
});

test("[AUDIT-12] a checkpoint follows every 256 entries, and one comes at a clean stop", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  for (let i = 0; i < 6; i++) await appendMany(log, 100);
  await log.close();
  const reached = entries(files.get(FIRST))
    .filter(({ control }) => control?.type === "checkpoint")
    .map(({ seq }) => seq - 1);
  assert.deepEqual(reached, [1, 258, 515, 604]);
});

test("[AUDIT-12] an unsigned entry waits 10 minutes for its checkpoint at most", async () => {
  const timers: { ms: number; run: () => void }[] = [];
  const schedule = (ms: number, run: () => void): (() => void) => {
    const timer = { ms, run };
    timers.push(timer);
    return () => timers.splice(timers.indexOf(timer), 1);
  };
  const log = await open("", { files: new MemoryFiles(), schedule });
  assert.equal(timers.length, 0);
  await log.append(EVENT);
  await log.append(EVENT);
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [600_000],
  );
  const { promise, resolve } = Promise.withResolvers<Checkpoint>();
  log.onCheckpoint(resolve);
  timers.pop()?.run();
  assert.equal((await promise).sequence, 4);
  assert.equal(timers.length, 0);
  // A checkpoint that comes sooner ends the wait, and so does a clean stop.
  await log.append(EVENT);
  assert.equal(timers.length, 1);
  await log.checkpoint();
  assert.equal(timers.length, 0);
  await log.append(EVENT);
  await log.close();
  assert.equal(timers.length, 0);
});

test("[AUDIT-12] entries that an earlier writer left unsigned count, and wait no longer", async () => {
  const files = new MemoryFiles();
  const killed = await open("", { files, limits: { checkpointEntries: 5 } });
  await appendMany(killed, 3);
  const timers: number[] = [];
  const schedule = (ms: number): (() => void) => {
    timers.push(ms);
    return () => undefined;
  };
  const log = await open("", {
    files: files.afterKill(),
    schedule,
    limits: { checkpointEntries: 5 },
  });
  assert.deepEqual(timers, [600_000]);
  const made: number[] = [];
  log.onCheckpoint(({ sequence }) => made.push(sequence));
  await log.append(EVENT);
  await log.append(EVENT);
  await log.close();
  assert.deepEqual(made, [7]);
});

test("[AUDIT-12] without entries since the last one no checkpoint is added", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  await log.append(EVENT);
  const first = await log.checkpoint();
  assert.deepEqual(await log.checkpoint(), first);
  await log.close();
  const length = files.get(FIRST).length;
  const again = await open("", { files });
  const { sequence, signature } = await again.checkpoint();
  assert.deepEqual(
    [sequence, Buffer.from(signature)],
    [first.sequence, Buffer.from(first.signature)],
  );
  await again.close();
  assert.equal(files.get(FIRST).length, length);
});

test("[AUDIT-13] every checkpoint is handed out, also those with which segments begin", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768, checkpointEntries: 50 } });
  const handed: number[] = [];
  log.onCheckpoint(({ sequence }) => handed.push(sequence));
  await appendMany(log, 120);
  await log.close();
  const names = (await files.list()).toSorted();
  assert.ok(names.length > 1);
  const made = names
    .flatMap((name) => entries(files.get(name)))
    .filter(({ control }) => control?.type === "checkpoint");
  // The first was there before anybody listened.
  assert.deepEqual(
    handed,
    made.slice(1).map(({ seq }) => seq - 1),
  );
});

test("[AUDIT-13] listeners and callers get a checkpoint that a power cut leaves", async () => {
  // SECURITY: an anchor ahead of the log would make an honest log look cut back after a crash.
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { checkpointEntries: 3 } });
  const seen: Promise<void>[] = [];
  log.onCheckpoint((checkpoint) => {
    const left = files.afterPowerCut();
    seen.push(verifyIn(left, [checkpoint]).then(({ ok }) => assert.ok(ok)));
  });
  await appendMany(log, 10);
  const asked = await log.checkpoint();
  assert.equal((await verifyIn(files.afterPowerCut(), [asked])).ok, true);
  assert.equal(seen.length, 4);
  await Promise.all(seen);
});

test("[AUDIT-15] a full segment is followed by the next, within the limit", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir, { limits: { segmentBytes: 32_768 } });
  const sequences = (await Promise.all([appendMany(log, 150), appendMany(log, 50)])).flat();
  await log.close();
  assert.deepEqual(
    sequences.toSorted((a, b) => a - b),
    sequences,
  );
  const report = await verify(dir, [await reopenedCheckpoint(dir)]);
  assert.equal(report.ok, true);
  assert.ok(report.segments >= 3);
  for (let segment = 1; segment <= report.segments; segment++) {
    const bytes = await readFile(join(dir, `00000${segment}.jsonl`));
    assert.ok(bytes.length <= 32_768);
    const [opener, second] = entries(bytes);
    assert.equal(second?.control?.type, "checkpoint");
    if (segment > 1) assert.deepEqual(opener?.control, { type: "segment", number: segment });
  }
});

async function reopenedCheckpoint(dir: string): Promise<Checkpoint> {
  const log = await open(dir);
  const checkpoint = await log.checkpoint();
  await log.close();
  return checkpoint;
}

for (const checkpointEntries of [1, 2, 3])
  test(`[AUDIT-15] a segment keeps its limit with a checkpoint every ${checkpointEntries}`, async () => {
    const files = new MemoryFiles();
    const log = await open("", { files, limits: { segmentBytes: 32_768, checkpointEntries } });
    await appendMany(log, 150);
    await log.close();
    const names = await files.list();
    assert.ok(names.length > 2);
    for (const name of names) assert.ok(files.get(name).length <= 32_768);
    assert.equal((await verifyIn(files)).ok, true);
  });

test("[AUDIT-17] what waits is written in parts of 1 MiB at most", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, algorithm: "sha256" });
  const lengths: number[] = [];
  files.mishap = (operation) => {
    if (operation === "write") lengths.push(files.get(FIRST).length);
  };
  const object = "x".repeat(15_000);
  await Promise.all(Array.from({ length: 200 }, () => log.append({ ...EVENT, object })));
  lengths.push(files.get(FIRST).length);
  assert.equal(lengths.length - 1, 3);
  for (const [i, length] of lengths.slice(1).entries())
    assert.ok(length - (lengths[i] ?? 0) <= 1024 * 1024);
});

test("[AUDIT-16] what was acknowledged survives a power cut", async () => {
  // SECURITY: a secret could be released with no trace, by cutting the power at the right moment.
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  for (let i = 0; i < 100; i++) {
    const sequence = await log.append(EVENT);
    const report = await verifyIn(files.afterPowerCut());
    assert.equal(report.ok, true);
    assert.ok(report.lastSequence >= sequence);
  }
});

test("[AUDIT-17] a thousand concurrent entries share a handful of syncs", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  const before = files.syncs;
  const sequences = await appendMany(log, 1_000);
  assert.equal(new Set(sequences).size, 1_000);
  assert.ok(files.syncs - before <= 3, `${files.syncs - before} syncs`);
  assert.equal((await verifyIn(files)).ok, true);
});

for (const [operation, code] of [
  ["write", "ENOSPC"],
  ["write", "EROFS"],
  ["sync", "EIO"],
] as const)
  test(`[AUDIT-18] ${code} at ${operation}: all of the batch is refused and gone`, async () => {
    // SECURITY: an entry that was refused, but stays, tells of something that did not happen.
    const files = new MemoryFiles();
    const log = await open("", { files });
    await appendMany(log, 5);
    const before = Buffer.from(files.get(FIRST));
    let isBroken = true;
    files.mishap = (now) => {
      if (isBroken && now === operation) throw fsError(code);
    };
    const results = await Promise.allSettled([appendMany(log, 5), log.append(EVENT)]);
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.match(String(result.reason), new RegExp(`cannot be written: ${code}`));
      assert.equal(result.reason.exit, "io");
    }
    assert.deepEqual(files.get(FIRST), before);
    assert.equal(log.writable, false);
    assert.equal(log.sequence, 7);

    isBroken = false;
    assert.equal(await log.append(EVENT), 8);
    assert.equal(log.writable, true);
    assert.equal(log.fault, null);
    await log.close();
    const report = await verifyIn(files);
    assert.equal(report.ok, true);
    assert.deepEqual(report.gaps, []);
  });

test("[AUDIT-18] a failed batch that cannot be taken back at once is taken back later", async () => {
  // SECURITY: after a failed sync the cache shows bytes that the disk may never have had.
  const files = new MemoryFiles();
  const log = await open("", { files });
  await log.append(EVENT);
  let isBroken = true;
  files.mishap = (operation) => {
    if (isBroken && (operation === "sync" || operation === "truncate")) throw fsError("EIO");
  };
  await assert.rejects(log.append({ ...EVENT, object: "refused" }), { exit: "io" });
  assert.ok(files.get(FIRST).includes("refused"));
  await assert.rejects(log.append({ ...EVENT, object: "refused" }), { exit: "io" });
  isBroken = false;
  assert.equal(await log.append({ ...EVENT, object: "accepted" }), 4);
  assert.ok(!files.get(FIRST).includes("refused"));
  assert.equal((await verifyIn(files)).ok, true);
});

test("[AUDIT-19] after a failure entries are refused until one could be written", async () => {
  const files = new MemoryFiles();
  let isBroken = true;
  files.mishap = (operation) => {
    if (isBroken && operation === "create") throw fsError("EROFS");
  };
  const log = await open("", { files });
  assert.equal(log.writable, false);
  assert.equal(log.fault?.exit, "io");
  await assert.rejects(log.append(EVENT), /EROFS/);
  await assert.rejects(log.checkpoint(), /EROFS/);
  isBroken = false;
  assert.equal(await log.append(EVENT), 3);
  assert.equal(log.writable, true);
});

test("[AUDIT-19] a segment that cannot be begun refuses what waits for it", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  let isBroken = true;
  files.mishap = (operation, name) => {
    if (isBroken && operation === "write" && name.endsWith(".draft")) throw fsError("ENOSPC");
  };
  const results = await Promise.allSettled(Array.from({ length: 200 }, () => log.append(EVENT)));
  const accepted = results.filter(({ status }) => status === "fulfilled").length;
  assert.ok(accepted > 0 && accepted < 200);
  isBroken = false;
  await log.append(EVENT);
  await log.close();
  const report = await verifyIn(files);
  assert.equal(report.ok, true);
  assert.equal(report.segments, 2);
});

test("[AUDIT-20] a segment removed under the writer's hands stops it", async (t) => {
  // SECURITY: entries would go to a file that nobody can find, and secrets be released for them.
  const dir = await makeDirectory(t);
  const log = await open(dir);
  await rm(join(dir, FIRST));
  await assert.rejects(log.append(EVENT), { exit: "integrity", message: /removed/ });
  await assert.rejects(log.append(EVENT), { exit: "integrity" });
  assert.equal(log.writable, false);
  await log.close();
});

test("[AUDIT-20] a segment removed during a write is not acknowledged", async () => {
  // SECURITY: the same, with better timing.
  const files = new MemoryFiles();
  const log = await open("", { files });
  files.mishap = (operation, name) => {
    if (operation === "write") void files.remove(name);
  };
  await assert.rejects(log.append(EVENT), { exit: "integrity", message: /removed/ });
});

test("[AUDIT-20] a second writer is noticed", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files });
  const other = await open("", { files });
  await appendMany(other, 3);
  await assert.rejects(log.append(EVENT), { exit: "integrity", message: /somebody else/ });
  await other.close();
  assert.equal((await verifyIn(files)).ok, true);
});

for (const [what, change] of [
  ["cut back", (bytes: Buffer) => bytes.subarray(0, bytes.lastIndexOf(0x0a, -2) + 1)],
  ["written over", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -9), Buffer.alloc(9, "x")])],
] as const)
  test(`[AUDIT-20] a segment ${what} between a failure and the next write stops it`, async () => {
    // SECURITY: who fills the disk for a moment could take entries away, and the writer would carry
    // on as if they had never been acknowledged.
    const files = new MemoryFiles();
    const log = await open("", { files });
    await appendMany(log, 3);
    files.mishap = (operation) => {
      if (operation === "write") throw fsError("ENOSPC");
    };
    await assert.rejects(log.append(EVENT), { exit: "io" });
    files.mishap = () => undefined;
    const changed = change(files.get(FIRST));
    files.put(FIRST, changed);
    await assert.rejects(log.append(EVENT), { exit: "integrity", message: /somebody else/ });
    assert.equal(log.writable, false);
    assert.deepEqual([await files.list(), files.get(FIRST)], [[FIRST], changed]);
    await log.close();
    assert.equal(files.opened, 0);
  });

test("close waits for what was appended; nothing is taken after it", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir);
  const appended = appendMany(log, 10);
  await Promise.all([log.close(), log.close()]);
  assert.equal((await appended).length, 10);
  await assert.rejects(log.append(EVENT), { exit: "unavailable" });
  await assert.rejects(log.checkpoint(), { exit: "unavailable" });
  assert.deepEqual([log.writable, log.fault?.exit], [false, "unavailable"]);
  const seen = await collect(tailAudit(dir, { count: Infinity }));
  assert.equal(seen.at(-1)?.action, "audit.checkpoint");
  assert.equal(seen.length, 13);
});
