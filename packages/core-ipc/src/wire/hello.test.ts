import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Violation } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { checkHello, decodeHello, encodeHello, HELLO_BYTES, prologueOf } from "./hello.ts";

const u32 = fc.nat(0x7fff_ffff).map((n) => n * 2 + 1);
const credentials = fc.record({ pid: u32, uid: u32, gid: u32 }, { noNullPrototype: true });
const hello = fc.record(
  {
    server: credentials,
    peer: credentials,
    pidNamespace: fc.bigInt(0n, 2n ** 64n - 1n),
    session: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  },
  { noNullPrototype: true },
);

test("[HELLO-1] a hello comes back as it was", () => {
  fc.assert(
    fc.property(hello, (given) => {
      const bytes = encodeHello(given);
      assert.equal(bytes.length, HELLO_BYTES);
      assert.deepEqual(decodeHello(bytes), given);
    }),
    { numRuns: RUNS },
  );
});

const own = { pid: 10, uid: 1000, gid: 100 };
const GOOD = {
  server: { pid: 1, uid: 1000, gid: 100 },
  peer: own,
  pidNamespace: 7n,
  session: new Uint8Array(16),
};

test("[HELLO-1] the layout is the documented one", () => {
  const bytes = encodeHello({ ...GOOD, session: new Uint8Array(16).fill(0xee) });
  assert.equal(
    Buffer.from(bytes).toString("hex"),
    `${Buffer.from("sesame-bus").toString("hex")}01` +
      "00000001000003e800000064" +
      "0000000a000003e800000064" +
      `0000000000000007${"ee".repeat(16)}`,
  );
});

test("[HELLO-1] what is no hello is refused, whatever it is", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeHello(bytes), Violation);
    }),
    { numRuns: RUNS },
  );
  const bytes = encodeHello(GOOD);
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeHello(bytes.subarray(0, length)), { rule: "HELLO-1" });
  assert.throws(() => decodeHello(new Uint8Array([...bytes, 0])), { rule: "HELLO-1" });
});

test("[HELLO-2] another version is refused by its number", () => {
  const bytes = encodeHello(GOOD);
  bytes[10] = 2;
  assert.throws(() => decodeHello(bytes), { rule: "HELLO-2", message: /version 2/ });
  // A later version may be of another length.
  assert.throws(() => decodeHello(bytes.subarray(0, 20)), { rule: "HELLO-2" });
});

test("[HELLO-3] a client notices that the bus sees another process", () => {
  // SECURITY: a relay between client and bus has another pid; unnoticed, it could hold, drop and
  // time every message of a victim under its own credentials.
  checkHello(GOOD, own, 7n);
  const relay = { rule: "HELLO-3" };
  assert.throws(() => checkHello({ ...GOOD, peer: { ...own, pid: 11 } }, own, 7n), relay);
  assert.throws(() => checkHello({ ...GOOD, peer: { ...own, uid: 0 } }, own, 7n), relay);
  assert.throws(() => checkHello({ ...GOOD, peer: { ...own, gid: 0 } }, own, 7n), relay);
});

test("[HELLO-3] in another pid namespace pids say nothing, users still do", () => {
  checkHello({ ...GOOD, peer: { ...own, pid: 4_711 } }, own, 8n);
  const other = { ...own, pid: 4_711, uid: 0 };
  assert.throws(() => checkHello({ ...GOOD, peer: other }, own, 8n), { rule: "HELLO-3" });
});

test("[HELLO-5] the prologue holds every byte of the hello", () => {
  const bytes = encodeHello(GOOD);
  const prologue = Buffer.from(prologueOf(bytes));
  assert.equal(prologue.toString("latin1", 0, 31), "Sesame bus protocol, version 1\n");
  assert.deepEqual(prologue.subarray(31), Buffer.from(bytes));
});
