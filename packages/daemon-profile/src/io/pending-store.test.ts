import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Fault, limits } from "@sesame/core-types";
import { loadPending, savePending } from "./pending-store.ts";

const directory = mkdtempSync(join(tmpdir(), "sesame-pending-"));
const path = join(directory, "pending.json");
after(() => rmSync(directory, { recursive: true }));

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const enrolment = {
  name: "ci",
  kind: "ai",
  clearance: "internal",
  wants: "secret-list",
  sealingKey: key(1),
  signingKey: key(2),
  noiseKey: key(3),
} as const;
const evidence = { pid: 7, uid: 1_000, executable: null, unit: "ci.service" };

test("[ENROL-5] who waits is there after a restart", () => {
  assert.deepEqual(loadPending(path), []);
  const room = [{ enrolment, evidence, untilMs: 1_700_000_000_000 }];
  savePending(path, room);
  const [found] = loadPending(path);
  assert.equal(found?.untilMs, room[0]?.untilMs);
  assert.deepEqual(found?.evidence, evidence);
  assert.deepEqual({ ...found?.enrolment, noiseKey: key(3) }, enrolment);
  assert.equal(Buffer.compare(found?.enrolment.noiseKey ?? key(0), key(3)), 0);
});

test("[ENROL-5] a full room of the longest requests is read again", () => {
  // SECURITY: applicants, who are nobody, would keep the bus host from ever starting again.
  const { MAX_IDENTITY_NAME, MAX_PENDING, MAX_TEXT_BYTES, MAX_WANTS_BYTES } = limits;
  const executable = "x".repeat(MAX_TEXT_BYTES);
  const longest = { ...evidence, pid: 2 ** 32, uid: 2 ** 32, executable, unit: executable };
  const room = Array.from({ length: MAX_PENDING }, (_, i) => ({
    enrolment: {
      ...enrolment,
      name: String(i).padStart(MAX_IDENTITY_NAME, "n"),
      clearance: "secrets-only" as const,
      wants: "w".repeat(MAX_WANTS_BYTES),
    },
    evidence: longest,
    untilMs: 1_700_000_000_000,
  }));
  savePending(path, room);
  assert.equal(loadPending(path).length, MAX_PENDING);
});

test("a damaged list is told, not replaced by an empty one", () => {
  savePending(path, [{ enrolment, evidence, untilMs: 1 }]);
  const good = readFileSync(path, "utf8");
  for (const bad of [
    "",
    "null",
    "[]",
    "{}",
    good.slice(0, -20),
    good.replace('"version": 1', '"version": 2'),
  ]) {
    writeFileSync(path, bad);
    assert.throws(() => loadPending(path), Fault, bad);
  }
});
