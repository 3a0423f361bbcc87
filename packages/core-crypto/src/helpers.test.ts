import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equalBytes } from "./equal.ts";
import { allocSecret, moveSecret, wipe } from "./secure.ts";
import { sodiumSuite } from "./sodium.ts";

test("equalBytes is equality of content, whatever the lengths", () => {
  const some = fc.uint8Array({ maxLength: 8 });
  fc.assert(
    fc.property(some, some, (a, b) => {
      assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      assert.ok(equalBytes(a, a.slice()));
    }),
  );
});

test("secret memory is zeroed at first, and again by wipe", () => {
  for (const alloc of [allocSecret, sodiumSuite.allocSecret]) {
    for (const length of [0, 1, 32, 5_000]) {
      const secret = alloc(length);
      assert.deepEqual(secret, new Uint8Array(length));
      secret.fill(7);
      wipe(secret);
      assert.deepEqual(secret, new Uint8Array(length));
    }
  }
});

test("moveSecret leaves nothing behind", () => {
  const from = Uint8Array.of(1, 2, 3);
  assert.deepEqual(moveSecret(from), Uint8Array.of(1, 2, 3));
  assert.deepEqual(from, new Uint8Array(3));
});
