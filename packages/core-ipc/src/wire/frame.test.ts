import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { limits } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { framed, FrameSplitter, readU32, writeU32 } from "./frame.ts";

function split(splitter: FrameSplitter, chunk: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  splitter.push(chunk, (frame) => frames.push(frame.slice()));
  return frames;
}

test("[FRAME-1] frames come out whole wherever the stream was cut", () => {
  const sent = [new Uint8Array([1]), new Uint8Array(300).fill(2), new Uint8Array([3, 4])];
  const stream = new Uint8Array(Buffer.concat(sent.map((frame) => framed(frame))));
  for (let at = 0; at <= stream.length; at++) {
    const splitter = new FrameSplitter(512);
    const got = [
      ...split(splitter, stream.subarray(0, at)),
      ...split(splitter, stream.subarray(at)),
    ];
    assert.deepEqual(got, sent);
    assert.equal(splitter.held, 0);
  }
});

test("[FRAME-1] any cutting of any frames gives the frames", () => {
  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.nat(40), { maxLength: 40 }), (sent, cuts) => {
      const stream = new Uint8Array(Buffer.concat(sent.map((frame) => framed(frame))));
      const splitter = new FrameSplitter(64);
      const got: Uint8Array[] = [];
      let at = 0;
      for (const length of cuts) {
        got.push(...split(splitter, stream.subarray(at, at + length)));
        at = Math.min(at + length, stream.length);
        assert.ok(splitter.held < 64 + 4);
      }
      got.push(...split(splitter, stream.subarray(at)));
      assert.deepEqual(got, sent);
    }),
    { numRuns: RUNS },
  );
});

test("[FRAME-1] a length is refused as soon as its four bytes are there, and nothing is kept", () => {
  // SECURITY: a peer that announces much and sends little would hold the bus's memory.
  for (const length of [0, 513, 0xffff, 0x7fff_ffff, 0xffff_ffff]) {
    const head = new Uint8Array(4);
    writeU32(head, 0, length);
    assert.equal(readU32(head, 0), length);
    for (const cut of [0, 1, 2, 3]) {
      const splitter = new FrameSplitter(512);
      assert.deepEqual(split(splitter, head.subarray(0, cut)), []);
      assert.throws(() => split(splitter, head.subarray(cut)), { rule: "FRAME-1" });
      assert.equal(splitter.held, 0);
    }
  }
});

test("[FRAME-1] before the handshake has ended frames are small", () => {
  assert.ok(limits.MAX_HANDSHAKE_BYTES < 1024);
  const splitter = new FrameSplitter(limits.MAX_HANDSHAKE_BYTES);
  const largest = new Uint8Array(limits.MAX_HANDSHAKE_BYTES);
  assert.equal(split(splitter, framed(largest)).length, 1);
  assert.throws(() => split(splitter, framed(new Uint8Array(largest.length + 1)).subarray(0, 4)));
  splitter.maxBytes = limits.MAX_NOISE_BYTES;
});

test("a bound that is raised while frames are handed out holds for the next one", () => {
  const splitter = new FrameSplitter(1);
  const got: number[] = [];
  splitter.push(Buffer.concat([framed(new Uint8Array(1)), framed(new Uint8Array(9))]), (frame) => {
    splitter.maxBytes = 9;
    got.push(frame.length);
  });
  assert.deepEqual(got, [1, 9]);
});
