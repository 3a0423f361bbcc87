import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blake3, blake3DeriveKey, blake3Keyed, loadBlake3 } from "./blake3.ts";
import { absent, published } from "../../../test/helpers/vectors.ts";

// The vectors of the BLAKE3 team: outputs of 131 bytes, of which ours are the first 32.
interface Vectors {
  readonly key: string;
  readonly context_string: string;
  readonly cases: readonly {
    readonly input_len: string;
    readonly hash: string;
    readonly keyed_hash: string;
    readonly derive_key: string;
  }[];
}
const none: Vectors = { key: "", context_string: "", cases: [] };
const { key, context_string, cases } = published("blake3.json", none);
const KEY = new TextEncoder().encode(key);
const first32 = (text: string): string => text.slice(0, 64);
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("BLAKE3: all published vectors", { skip: absent(cases) }, async () => {
  const [fast, fastKeyed] = await Promise.all([loadBlake3(), loadBlake3(KEY)]);
  assert.ok(cases.length >= 35);
  for (const { input_len, hash, keyed_hash, derive_key } of cases) {
    const input = Uint8Array.from({ length: Number(input_len) }, (_, i) => i % 251);
    assert.equal(fast.hashHex(input), first32(hash), input_len);
    assert.equal(toHex(fast.hash(input)), first32(hash), input_len);
    assert.equal(toHex(blake3(input)), first32(hash), input_len);
    assert.equal(toHex(fastKeyed.hash(input)), first32(keyed_hash), input_len);
    assert.equal(toHex(blake3Keyed(KEY, input)), first32(keyed_hash), input_len);
    assert.equal(toHex(blake3DeriveKey(context_string, input)), first32(derive_key), input_len);
  }
});

test("BLAKE3: both implementations agree, however the input is cut into parts", async () => {
  const fast = await loadBlake3();
  const parts = fc.array(fc.uint8Array({ maxLength: 1_500 }), { maxLength: 4 });
  fc.assert(
    fc.property(parts, fc.uint8Array({ minLength: 32, maxLength: 32 }), (pieces, secret) => {
      const whole = new Uint8Array(Buffer.concat(pieces));
      assert.deepEqual(fast.hash(...pieces), blake3(whole));
      assert.deepEqual(blake3(...pieces), blake3(whole));
      assert.deepEqual(blake3Keyed(secret, ...pieces), blake3Keyed(secret, whole));
    }),
    { numRuns: 60 },
  );
});

test("BLAKE3: results and instances are independent of each other", async () => {
  const [plain, keyed] = await Promise.all([loadBlake3(), loadBlake3(KEY)]);
  const input = Uint8Array.of(1, 2, 3);
  const first = plain.hash(input);
  const copy = first.slice();
  keyed.hash(input);
  plain.hash(Uint8Array.of(4));
  assert.deepEqual(first, copy);
  assert.deepEqual(plain.hash(input), copy);
});

test("BLAKE3: a key has 32 bytes", async () => {
  assert.throws(() => blake3Keyed(new Uint8Array(31), KEY), RangeError);
  await assert.rejects(loadBlake3(new Uint8Array(33)), RangeError);
});
