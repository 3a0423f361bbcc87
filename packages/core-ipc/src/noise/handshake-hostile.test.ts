import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { nobleSuite } from "@sesame/core-crypto/noble";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { limits } from "@sesame/core-types";
import { Handshake } from "./handshake.ts";

const EMPTY = new Uint8Array();
const PROLOGUE = new Uint8Array([9, 9]);
const bus = suite.generateX25519();
const client = suite.generateX25519();

function initiator(given: { prologue?: Uint8Array; remoteStatic?: Uint8Array } = {}): Handshake {
  const prologue = given.prologue ?? PROLOGUE;
  const remoteStatic = given.remoteStatic ?? bus.publicKey;
  return new Handshake("initiator", { suite, prologue, staticKeys: client, remoteStatic });
}

function responder(prologue = PROLOGUE): Handshake {
  return new Handshake("responder", { suite, prologue, staticKeys: bus });
}

test("[HANDSHAKE-1] message 1 with any bit flipped is refused", () => {
  // SECURITY: an accepted change would let a relay alter who is connecting.
  const message = initiator().write(new Uint8Array([5]));
  for (let bit = 0; bit < 8 * message.length; bit++) {
    const damaged = message.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    // The top bit of an X25519 key carries nothing, but the transcript covers it. RFC 7748 §5
    assert.equal(responder().read(damaged), null, `bit ${bit}`);
  }
});

test("[HANDSHAKE-2] message 2 with any bit flipped is refused", () => {
  // SECURITY: an accepted change would let a relay alter what the client believes it may do.
  const server = responder();
  const ephemeral = suite.generateX25519();
  const fixed = (): Handshake =>
    new Handshake("initiator", {
      suite,
      prologue: PROLOGUE,
      staticKeys: client,
      remoteStatic: bus.publicKey,
      ephemeral: () => ({ ...ephemeral, secretKey: ephemeral.secretKey.slice() }),
    });
  server.read(fixed().write(EMPTY));
  const message = server.write(new Uint8Array([5]));
  const reader = (): Handshake => {
    const handshake = fixed();
    handshake.write(EMPTY);
    return handshake;
  };
  assert.deepEqual(reader().read(message), new Uint8Array([5]));
  for (let bit = 0; bit < 8 * message.length; bit++) {
    const damaged = message.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(reader().read(damaged), null, `bit ${bit}`);
  }
});

test("[HANDSHAKE-1] message 1 cut off anywhere, or too long, is refused", () => {
  const message = initiator().write(EMPTY);
  for (let length = 0; length < message.length; length++)
    assert.equal(responder().read(message.subarray(0, length)), null);
  assert.equal(responder().read(new Uint8Array(limits.MAX_NOISE_BYTES + 1)), null);
});

test("[HELLO-5] another prologue is refused", () => {
  // SECURITY: the prologue is what ties the keys to the two processes that the kernel saw.
  const message = initiator({ prologue: new Uint8Array([9, 8]) }).write(EMPTY);
  assert.equal(responder().read(message), null);
});

test("[HANDSHAKE-2] a message for another responder is refused by this one", () => {
  // SECURITY: a false bus would otherwise pass as the one that the installation names.
  const other = suite.generateX25519().publicKey;
  assert.equal(responder().read(initiator({ remoteStatic: other }).write(EMPTY)), null);
});

const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));

for (const provider of [suite, sodiumSuite, nobleSuite])
  test(`[HANDSHAKE-5] ephemeral keys of low order are refused (${provider.name})`, () => {
    // SECURITY: they make the shared secret a constant that anybody knows.
    for (const point of LOW_ORDER) {
      const server = new Handshake("responder", {
        suite: provider,
        prologue: PROLOGUE,
        staticKeys: bus,
      });
      const message = new Uint8Array(96);
      message.set(point);
      assert.equal(server.read(message), null);
      const first = initiator();
      first.write(EMPTY);
      const answer = new Uint8Array(48);
      answer.set(point);
      assert.equal(first.read(answer), null);
      assert.throws(() => initiator({ remoteStatic: point }).write(EMPTY));
    }
  });

test("[HANDSHAKE-6] each side speaks in its turn, and splits once", () => {
  const out = { name: "RangeError" };
  assert.throws(() => responder().write(EMPTY), out);
  assert.throws(() => initiator().read(new Uint8Array(96)), out);
  assert.throws(() => initiator().split(), out);
  const first = initiator();
  const message = first.write(EMPTY);
  assert.throws(() => first.write(EMPTY), out);
  const server = responder();
  server.read(message);
  assert.throws(() => server.read(message), out);
  const answer = server.write(EMPTY);
  first.read(answer);
  assert.deepEqual(first.split().hash, server.split().hash);
  // SECURITY: a second split would derive keys from a chaining key that was wiped to zeros.
  assert.throws(() => first.split(), out);
  assert.throws(() => server.split(), out);
  assert.throws(() => first.read(answer), out);
});

test("[HANDSHAKE-6] a handshake that failed stays failed", () => {
  const server = responder();
  assert.equal(server.read(new Uint8Array(96)), null);
  assert.throws(() => server.read(initiator().write(EMPTY)), { name: "RangeError" });
  assert.throws(() => server.split(), { name: "RangeError" });
});

test("an initiator needs the responder's key", () => {
  assert.throws(
    () => new Handshake("initiator", { suite, prologue: PROLOGUE, staticKeys: client }),
    { name: "RangeError" },
  );
});

test("[HANDSHAKE-6] a want of memory is no word about the peer, and ends the handshake", () => {
  // SECURITY: whoever uses up locked memory would have honest callers put on record as forgers.
  const message = initiator().write(EMPTY);
  for (const missing of ["x25519", "chacha20poly1305"] as const)
    for (const good of [0, 1]) {
      let left = good;
      const needs = (real: (one: Uint8Array, two: Uint8Array) => unknown) => {
        return (one: Uint8Array, two: Uint8Array): unknown => {
          if (left-- > 0) return real(one, two);
          throw Object.assign(new Error("exhausted"), { code: "ERR_SESAME_LOCKED_MEMORY" });
        };
      };
      const short = { ...suite, [missing]: needs(suite[missing] as never) } as typeof suite;
      const options = { suite: short, prologue: PROLOGUE, staticKeys: bus };
      const server = new Handshake("responder", options);
      assert.throws(() => server.read(message), { code: "ERR_SESAME_LOCKED_MEMORY" });
      assert.throws(() => server.write(EMPTY), { name: "RangeError" });
    }
});
