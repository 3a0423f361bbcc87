import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RUNS } from "../../../test/helpers/runs.ts";
import { fromHex, stampUuidV7, toHex, uuidText, uuidTimeMs } from "./ids.ts";

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });

test("an identifier carries its time, version 7 and variant 10", () => {
  fc.assert(
    fc.property(id, fc.nat(), fc.nat(0xffff), (random, low, high) => {
      const nowMs = high * 2 ** 31 + low;
      const stamped = stampUuidV7(random.slice(), nowMs);
      assert.equal(uuidTimeMs(stamped), nowMs);
      assert.match(uuidText(stamped), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
      assert.deepEqual(stamped.subarray(9), random.subarray(9));
    }),
    { numRuns: RUNS },
  );
});

test("RFC 9562's example of version 7", () => {
  const random = fromHex("000000000000ccc398c4dc0c0c07398f") ?? new Uint8Array();
  const stamped = stampUuidV7(random, 0x017f22e279b0);
  assert.equal(uuidText(stamped), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

test("hex comes back as it was, and nothing but lower-case hex is read", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(toHex(bytes), Buffer.from(bytes).toString("hex"));
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
    }),
    { numRuns: RUNS },
  );
  for (const text of ["0", "0G", "AB", "0x00", " 00", "00 "]) assert.equal(fromHex(text), null);
});
