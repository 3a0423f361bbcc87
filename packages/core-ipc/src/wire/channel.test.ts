import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeSuite } from "@sesame/core-crypto/node";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { limits } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { handClock, transportPair } from "../testing/pair.ts";
import { Channel } from "./channel.ts";
import { FrameSplitter, readU32, writeU32 } from "./frame.ts";
import type { Transport } from "../noise/handshake.ts";

const EMPTY = new Uint8Array();
const HOUR = 3_600_000;

function channels(
  maxEnvelope = limits.MAX_ENVELOPE_BYTES,
  now = (): number => 0,
): [Channel, Channel] {
  const [one, other] = transportPair(sodiumSuite, nodeSuite);
  return [new Channel(one, maxEnvelope, now), new Channel(other, maxEnvelope, now)];
}

/** Frames as receive() takes them: without their length. */
function frames(written: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  const splitter = new FrameSplitter(limits.MAX_NOISE_BYTES);
  for (const bytes of written) splitter.push(bytes, (frame) => out.push(frame));
  assert.equal(splitter.held, 0);
  return out;
}

function send(channel: Channel, ...envelopes: Uint8Array[]): Uint8Array[] {
  for (const envelope of envelopes) channel.enqueue(envelope.subarray(0, 3), envelope.subarray(3));
  return frames(channel.flush());
}

function receive(channel: Channel, given: readonly Uint8Array[]): Uint8Array[] {
  const got: Uint8Array[] = [];
  for (const frame of given)
    channel.receive(frame, (envelope) => got.push(new Uint8Array(envelope)));
  return got;
}

/** A frame of this plaintext, as a peer that holds the keys could send it. */
function forge(transport: Transport, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + 16);
  transport.send.sealInto(out, EMPTY, plaintext);
  return out;
}

test("[FRAME-3] envelopes of any sizes arrive in order", () => {
  const size = fc.oneof(
    fc.integer({ min: 3, max: 400 }),
    fc.constantFrom(65_513, 65_514, 65_515, 65_519, 65_520, 131_033, 200_000),
  );
  fc.assert(
    fc.property(fc.array(fc.array(size, { maxLength: 6 }), { maxLength: 4 }), (turns) => {
      const [one, other] = channels();
      for (const turn of turns) {
        const sent = turn.map((length, i) => new Uint8Array(length).fill(i + 1));
        const got = receive(other, send(one, ...sent));
        assert.deepEqual(
          got.map(({ length }) => length),
          sent.map(({ length }) => length),
        );
        got.forEach((envelope, i) => assert.ok(envelope.every((byte) => byte === i + 1)));
      }
    }),
    { numRuns: Math.ceil(RUNS / 4) },
  );
});

test("envelopes of one turn travel in one frame", () => {
  const [one, other] = channels();
  const sent = Array.from({ length: 50 }, (_, i) => new Uint8Array(100).fill(i));
  const written = send(one, ...sent);
  assert.equal(written.length, 1);
  assert.deepEqual(receive(other, written), sent);
  assert.deepEqual(one.flush(), []);
});

test("[FRAME-4] the largest envelope passes, a larger one is refused by what it announces", () => {
  // SECURITY: without the bound one client could take the memory of the bus.
  const [one, other] = channels();
  const largest = new Uint8Array(limits.MAX_ENVELOPE_BYTES).fill(5);
  const [got] = receive(other, send(one, largest));
  assert.equal(got?.length, largest.length);
  const [too] = send(one, new Uint8Array(limits.MAX_ENVELOPE_BYTES + 1));
  assert.throws(() => receive(other, [too ?? EMPTY]), { rule: "FRAME-4" });
});

test("[FRAME-4] in a batch, too", () => {
  const [one, other] = channels(100);
  assert.throws(() => receive(other, send(one, new Uint8Array(101))), { rule: "FRAME-4" });
});

test("[FRAME-2] frames that are damaged, cut, repeated, left out or swapped are refused", () => {
  // SECURITY: whoever sits on the socket could otherwise replay or drop single messages.
  const refused = { rule: "FRAME-2" };
  const fresh = (): [Channel, Uint8Array, Uint8Array] => {
    const [one, other] = channels();
    const [a] = send(one, new Uint8Array([1, 2, 3]));
    const [b] = send(one, new Uint8Array([4, 5, 6]));
    return [other, a ?? EMPTY, b ?? EMPTY];
  };
  const [, sample] = fresh();
  for (let bit = 0; bit < 8 * sample.length; bit++) {
    const [other, a] = fresh();
    a[bit >> 3] = (a[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => receive(other, [a]), refused);
  }
  for (let length = 0; length < sample.length; length++) {
    const [other, a] = fresh();
    assert.throws(() => receive(other, [a.subarray(0, length)]), refused);
  }
  const [repeated, a] = fresh();
  assert.throws(() => receive(repeated, [a, a]), refused);
  const [swapped, , b] = fresh();
  assert.throws(() => receive(swapped, [b]), refused);
  const [one] = channels();
  const reflected = send(one, new Uint8Array(9));
  assert.throws(() => receive(one, reflected), refused);
});

const u32 = (value: number): number[] => {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return [...bytes];
};

const MALFORMED: readonly (readonly [string, readonly (readonly number[])[]])[] = [
  ["an unknown type", [[4, 0, 0, 0, 1, 0]]],
  ["a batch of nothing", [[0]]],
  ["an empty envelope", [[0, ...u32(0)]]],
  ["a length that is cut off", [[0, 0, 0, 0]]],
  ["an envelope that is cut off", [[0, ...u32(2), 1]]],
  ["bytes after the last envelope", [[0, ...u32(1), 1, 9]]],
  ["a first fragment of nothing", [[1, ...u32(9)]]],
  ["a first fragment without a length", [[1, 0, 0]]],
  ["a fragment beyond its envelope", [[1, ...u32(1), 1, 2]]],
  ["a fragment without a first", [[2, 1]]],
  ["a small fragment that does not complete its envelope", [[1, ...u32(9), 1]]],
  ["a rekey with content", [[3, 0]]],
];

for (const [what, plaintexts] of MALFORMED)
  test(`[FRAME-3] refused: ${what}`, () => {
    const [one, other] = transportPair();
    const channel = new Channel(other, limits.MAX_ENVELOPE_BYTES, () => 0);
    const sealed = plaintexts.map((plaintext) => forge(one, new Uint8Array(plaintext)));
    assert.throws(() => receive(channel, sealed), { rule: "FRAME-3" });
  });

const full = (type: number, ...head: number[]): Uint8Array => {
  const plaintext = new Uint8Array(limits.MAX_FRAME_PLAINTEXT);
  plaintext[0] = type;
  plaintext.set(head, 1);
  return plaintext;
};

for (const [what, second] of [
  ["a batch", [0, ...u32(1), 1]],
  ["another first fragment", [1, ...u32(1), 1]],
  ["an empty fragment", [2]],
] as const)
  test(`[FRAME-3] refused in the middle of an envelope: ${what}`, () => {
    const [one, other] = transportPair();
    const channel = new Channel(other, limits.MAX_ENVELOPE_BYTES, () => 0);
    const sealed = [full(1, ...u32(100_000)), new Uint8Array(second)].map((p) => forge(one, p));
    assert.throws(() => receive(channel, sealed), { rule: "FRAME-3" });
  });

test("[FRAME-4] memory follows what arrived, not what was announced", () => {
  // SECURITY: small fragments of a large envelope would each cost a hundred times their size.
  const [one, other] = transportPair();
  const channel = new Channel(other, limits.MAX_ENVELOPE_BYTES, () => 0);
  const before = process.memoryUsage().arrayBuffers;
  receive(channel, [forge(one, full(1, ...u32(limits.MAX_ENVELOPE_BYTES)))]);
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 * 1024 * 1024);
  const small = forge(one, new Uint8Array([2, 1]));
  assert.throws(() => receive(channel, [small]), { rule: "FRAME-3" });
});

test("[FRAME-5] a direction is rekeyed after 65 536 messages, and goes on", () => {
  const [one, other] = channels();
  let got = 0;
  let written = 0;
  for (let i = 0; i < limits.REKEY_AFTER_MESSAGES + 10; i++) {
    one.enqueue(new Uint8Array([1, 2, 3]), EMPTY);
    for (const frame of one.flush()) {
      written++;
      other.receive(frame.subarray(4), () => got++);
    }
  }
  assert.equal(got, limits.REKEY_AFTER_MESSAGES + 10);
  assert.equal(written, got + 1);
});

test("[FRAME-5] a peer that does not rekey is refused", () => {
  // SECURITY: without an end to a key's use, its compromise would open the whole session.
  const [one, other] = transportPair(sodiumSuite);
  const channel = new Channel(other, 100, () => 0);
  const plaintext = new Uint8Array([0, ...u32(1), 1]);
  for (let i = 0; i <= limits.REKEY_AFTER_MESSAGES; i++)
    channel.receive(forge(one, plaintext), () => undefined);
  assert.throws(() => receive(channel, [forge(one, plaintext)]), { rule: "FRAME-5" });
});

test("[FRAME-5] after an hour, and in the middle of a large envelope, too", () => {
  const clock = handClock();
  const [sender, receiver] = channels(limits.MAX_ENVELOPE_BYTES, clock.monotonicMs);
  clock.turn(HOUR);
  const large = new Uint8Array(200_000).fill(6);
  const written = send(sender, large, new Uint8Array(7));
  // Four fragments, one batch, and the rekey behind the first fragment.
  assert.equal(written.length, 6);
  assert.equal(written[1]?.length, 17);
  const got = receive(receiver, written);
  assert.deepEqual(
    got.map(({ length }) => length),
    [200_000, 7],
  );
});

test("[FRAME-6] after its end a channel neither takes nor gives", () => {
  // SECURITY: frames behind a violation would reach keys that are gone, and end the process.
  const [one, other] = channels();
  const sent = send(one, new Uint8Array([1, 2, 3]), new Uint8Array([4, 5, 6]));
  const got: Uint8Array[] = [];
  for (const frame of [...sent, ...sent])
    other.receive(frame, (envelope) => {
      got.push(envelope);
      other.destroy();
    });
  assert.equal(got.length, 1);
  other.enqueue(new Uint8Array(3), EMPTY);
  assert.equal(other.pendingBytes, 0);
  assert.deepEqual(other.flush(), []);
  other.destroy();
});

test("pending bytes are what flush returns, to within a frame's overhead", () => {
  const [one] = channels();
  for (const length of [10, 70_000, 10]) one.enqueue(new Uint8Array(length), EMPTY);
  const pending = one.pendingBytes;
  const written = one.flush().reduce((sum, bytes) => sum + bytes.length, 0);
  assert.ok(written >= pending && written - pending < 64);
  assert.equal(one.pendingBytes, 0);
});

test("a frame's length is that of its sealed message", () => {
  const [one] = channels();
  one.enqueue(new Uint8Array(10), EMPTY);
  const [bytes] = one.flush();
  assert.equal(readU32(bytes ?? EMPTY, 0), 1 + 4 + 10 + 16);
});
