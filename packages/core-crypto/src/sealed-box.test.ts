import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CryptoError } from "./errors.ts";
import { nobleSuite } from "./noble.ts";
import { nodeSuite } from "./node.ts";
import { MAX_BOXED_BYTES, unwrapWithPassword, wrapWithPassword } from "./sealed-box.ts";
import { sodiumSuite } from "./sodium.ts";
import type { Suite } from "./suite.ts";

const CHEAP = { memoryKiB: 16, passes: 1, lanes: 2 };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const PASSWORD = utf8("correct horse");
const SECRET = utf8("the root key");
const AD = utf8("installation 1");
const malformed = (error: unknown): boolean =>
  error instanceof CryptoError && error.code === "sealed-box-malformed";

/** A suite that shows whether Argon2id was asked to work. */
function spying(): { suite: Suite; derived: () => number } {
  let calls = 0;
  const suite: Suite = {
    ...nodeSuite,
    argon2id(...input) {
      calls += 1;
      return nodeSuite.argon2id(...input);
    },
  };
  return { suite, derived: () => calls };
}

test("opening inverts sealing, across providers", async () => {
  for (const writer of [nodeSuite, sodiumSuite, nobleSuite]) {
    const box = await wrapWithPassword(writer, PASSWORD, SECRET, AD, CHEAP);
    for (const reader of [nodeSuite, sodiumSuite, nobleSuite]) {
      assert.deepEqual(await unwrapWithPassword(reader, PASSWORD, box, AD), SECRET);
    }
  }
});

test("opening inverts sealing, for any password, secret and associated data", async () => {
  const any = fc.uint8Array({ maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(any, any, any, async (password, secret, ad) => {
      const box = await wrapWithPassword(nodeSuite, password, secret, ad, CHEAP);
      assert.deepEqual(await unwrapWithPassword(nodeSuite, password, box, ad), secret);
    }),
    { numRuns: 20 },
  );
});

test("a wrong password or other associated data opens nothing", async () => {
  // SECURITY: a box that opens without its password, or in another place, gives its key to a thief.
  const box = await wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP);
  assert.equal(await unwrapWithPassword(nodeSuite, utf8("correct hors"), box, AD), null);
  assert.equal(await unwrapWithPassword(nodeSuite, utf8(""), box, AD), null);
  assert.equal(await unwrapWithPassword(nodeSuite, PASSWORD, box, utf8("installation 2")), null);
});

test("no box with a changed byte opens", async () => {
  // SECURITY: an altered box that still opens would put a key of the attacker's choice in its place.
  const box = await wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP);
  for (let at = 0; at < box.length; at += 1) {
    const changed = box.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    const opened = await unwrapWithPassword(nodeSuite, PASSWORD, changed, AD).catch((error) => {
      assert.ok(malformed(error), `byte ${at}`);
      return null;
    });
    assert.equal(opened, null, `byte ${at}`);
  }
});

test("two boxes of the same secret have nothing in common but the parameters", async () => {
  const [a, b] = await Promise.all([
    wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP),
    wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP),
  ]);
  assert.deepEqual(a.subarray(0, 10), b.subarray(0, 10));
  assert.notDeepEqual(a.subarray(10, 26), b.subarray(10, 26));
  assert.notDeepEqual(a.subarray(26, 50), b.subarray(26, 50));
  assert.notDeepEqual(a.subarray(50), b.subarray(50));
});

test("a cost out of bounds is refused before anything is spent on it", async () => {
  // SECURITY: a planted box could otherwise make its reader allocate terabytes or compute for days.
  const box = await wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP);
  const { suite, derived } = spying();
  for (const [at, value] of [
    [4, 0xff], // memory: terabytes
    [7, 15], // memory: less than 8 KiB for each of the two lanes
    [8, 0], // passes
    [8, 17],
    [9, 0], // lanes
    [9, 17],
  ] as const) {
    const changed = box.slice();
    changed[at] = value;
    await assert.rejects(unwrapWithPassword(suite, PASSWORD, changed, AD), malformed);
  }
  assert.equal(derived(), 0);
});

test("what is no box, or of an unknown version, is malformed, not a wrong password", async () => {
  const { suite, derived } = spying();
  const box = await wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP);
  const newer = box.slice();
  newer[3] = 2;
  const oversized = new Uint8Array(50 + MAX_BOXED_BYTES + 17);
  oversized.set(box);
  for (const bytes of [new Uint8Array(0), box.subarray(0, 65), newer, oversized]) {
    await assert.rejects(unwrapWithPassword(suite, PASSWORD, bytes, AD), malformed);
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await assert.rejects(unwrapWithPassword(suite, PASSWORD, bytes, AD), malformed);
    }),
  );
  assert.equal(derived(), 0);
});

test("a box may lie anywhere in a larger buffer", async () => {
  const box = await wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, CHEAP);
  const file = Buffer.concat([Buffer.alloc(7), box, Buffer.alloc(3)]);
  const inside = file.subarray(7, 7 + box.length);
  assert.deepEqual(await unwrapWithPassword(nodeSuite, PASSWORD, inside, AD), SECRET);
});

test("only small secrets and affordable costs are sealed", async () => {
  const most = new Uint8Array(MAX_BOXED_BYTES).fill(1);
  const box = await wrapWithPassword(nodeSuite, PASSWORD, most, AD, CHEAP);
  assert.deepEqual(await unwrapWithPassword(nodeSuite, PASSWORD, box, AD), most);
  const more = new Uint8Array(MAX_BOXED_BYTES + 1);
  await assert.rejects(wrapWithPassword(nodeSuite, PASSWORD, more, AD, CHEAP), RangeError);
  const dear = { memoryKiB: 2 ** 32 + 16, passes: 1, lanes: 1 };
  await assert.rejects(wrapWithPassword(nodeSuite, PASSWORD, SECRET, AD, dear), RangeError);
});
