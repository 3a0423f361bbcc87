import assert from "node:assert/strict";
import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { AuditEntry } from "./entry.ts";
import { tailAudit } from "./tail.ts";
import { appendMany, collect, EVENT, makeDirectory, open } from "./testing/fixture.ts";
import { MemoryFiles } from "./testing/memory-files.ts";

test("tail shows the last entries, across segments", async () => {
  const files = new MemoryFiles();
  const log = await open("", { files, limits: { segmentBytes: 32_768 } });
  await appendMany(log, 200);
  await log.close();
  const last = log.sequence;
  await fc.assert(
    fc.asyncProperty(fc.nat(last + 10), async (count) => {
      const seen = await collect(tailAudit("", { count, files }));
      const length = Math.min(count, last);
      const expected = Array.from({ length }, (_, i) => last - length + 1 + i);
      assert.deepEqual(
        seen.map(({ seq }) => seq),
        expected,
      );
    }),
    { numRuns: 60 },
  );
});

test("[AUDIT-32] a follower sees each entry once and in order, across segments", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir, { limits: { segmentBytes: 32_768 } });
  await log.append(EVENT);
  const stop = new AbortController();
  const entries = tailAudit(dir, { count: 1, follow: true, signal: stop.signal });
  assert.equal((await entries.next()).value?.seq, 3);
  const seen: number[] = [];
  const following = (async () => {
    for await (const entry of entries) {
      seen.push(entry.seq);
      if (entry.object === "the end") stop.abort();
    }
  })();
  for (let i = 0; i < 40; i++) await appendMany(log, 10);
  await log.append({ ...EVENT, object: "the end" });
  await following;
  assert.deepEqual(
    seen,
    Array.from({ length: seen.length }, (_, i) => 4 + i),
  );
  assert.ok(seen.length > 400);
  await log.close();
});

test("[AUDIT-32] a line is shown once it is whole", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir);
  await appendMany(log, 3);
  await log.close();
  const path = join(dir, "000001.jsonl");
  const bytes = await readFile(path);
  const half = bytes.length - 100;
  await writeFile(path, bytes.subarray(0, half));
  const stop = new AbortController();
  const entries = tailAudit(dir, { count: Infinity, follow: true, signal: stop.signal });
  const seen: AuditEntry[] = [];
  for (let i = 0; i < 5; i++) {
    const { value } = await entries.next();
    if (value !== undefined) seen.push(value);
  }
  const next = entries.next();
  await appendFile(path, bytes.subarray(half));
  const { value } = await next;
  assert.equal(value?.action, "audit.checkpoint");
  assert.deepEqual(
    [...seen, value].map((entry) => entry?.seq),
    [1, 2, 3, 4, 5, 6],
  );
  const over = entries.next();
  stop.abort();
  assert.equal((await over).done, true);
});

test("[AUDIT-32] a follower stands where a failed write was taken back", async (t) => {
  const dir = await makeDirectory(t);
  const log = await open(dir);
  await log.append(EVENT);
  const path = join(dir, "000001.jsonl");
  const { size } = await stat(path);
  const stop = new AbortController();
  const entries = tailAudit(dir, { count: 1, follow: true, signal: stop.signal });
  await appendFile(path, '{"prev":"a write that fails');
  assert.equal((await entries.next()).value?.seq, 3);
  const next = entries.next();
  await truncate(path, size);
  await log.append({ ...EVENT, object: "after" });
  assert.equal((await next).value?.object, "after");
  stop.abort();
  assert.equal((await entries.next()).done, true);
  await log.close();
});

test("tail refuses where there is no log, and a line that is no entry", async (t) => {
  const dir = await makeDirectory(t);
  await assert.rejects(tailAudit(dir).next(), { exit: "not-found" });
  await writeFile(join(dir, "000001.jsonl"), "hello\n");
  await assert.rejects(tailAudit(dir).next(), { exit: "integrity" });
});
