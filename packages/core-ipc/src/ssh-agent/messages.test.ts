import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { agentFingerprint, parseIdentities, parseSignature, signRequest } from "./messages.ts";

const word = (bytes: Uint8Array | string): Buffer => {
  const content = Buffer.from(bytes as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};
const number = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(value);
  return four;
};
const KEY = Buffer.from(suite.ed25519PublicKey(Buffer.alloc(32, 1)));
const BLOB = Buffer.concat([word("ssh-ed25519"), word(KEY)]);
const RSA = Buffer.concat([word("ssh-rsa"), word("e"), word("n".repeat(64))]);
const SK = Buffer.concat([word("sk-ssh-ed25519@openssh.com"), word(KEY), word("ssh:")]);

const listed = (blobs: readonly Buffer[], count = blobs.length): Buffer =>
  Buffer.concat([
    Buffer.from([12]),
    number(count),
    ...blobs.flatMap((blob) => [word(blob), word("a comment")]),
  ]);
const signed = (name: string, signature: Buffer): Buffer =>
  Buffer.concat([Buffer.from([14]), word(Buffer.concat([word(name), word(signature)]))]);

test("[KEYS-12] keys of an answer are read, and only plain Ed25519 has a public key", () => {
  const keys = parseIdentities(listed([BLOB, RSA, SK]));
  assert.deepEqual(
    keys?.map(({ publicKey }) => publicKey && Buffer.from(publicKey).toString("hex")),
    [KEY.toString("hex"), null, null],
  );
  assert.equal(keys?.[0]?.fingerprint, agentFingerprint(KEY));
  assert.match(agentFingerprint(KEY), /^SHA256:[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(parseIdentities(listed([])), []);
});

test("[KEYS-12] a signature is read from a well-formed answer only", () => {
  const signature = Buffer.alloc(64, 7);
  assert.deepEqual(Buffer.from(parseSignature(signed("ssh-ed25519", signature)) ?? []), signature);
  assert.equal(parseSignature(Buffer.from([5])), "refused");
  for (const answer of [
    Buffer.alloc(0),
    Buffer.from([5, 0]),
    Buffer.from([6]),
    signed("ssh-ed25519", signature.subarray(1)),
    signed("ssh-ed25519", Buffer.alloc(65)),
    signed("rsa-sha2-256", signature),
    signed("sk-ssh-ed25519@openssh.com", signature),
    Buffer.concat([signed("ssh-ed25519", signature), Buffer.alloc(1)]),
  ])
    assert.equal(parseSignature(answer), null, answer.toString("hex").slice(0, 20));
});

test("[KEYS-12] no answer, however cut, extended or changed, is taken for more than it is", () => {
  // SECURITY: an agent on a forwarded socket is another machine's; what it says must not reach
  // beyond its message.
  const good = listed([BLOB, RSA]);
  for (let length = 0; length < good.length; length++)
    assert.equal(parseIdentities(good.subarray(0, length)), null);
  assert.equal(parseIdentities(Buffer.concat([good, Buffer.alloc(1)])), null);
  for (const count of [0, 1, 3, 0xff_ff_ff_ff])
    assert.equal(parseIdentities(listed([BLOB, RSA], count)), null);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(5, 12, 14), (bytes, type) => {
      const answer = Buffer.concat([Buffer.from([type]), bytes]);
      for (const { publicKey } of parseIdentities(answer) ?? [])
        assert.ok(publicKey === null || publicKey.length === 32);
      const signature = parseSignature(answer);
      assert.ok(typeof signature !== "object" || signature === null || signature.length === 64);
    }),
  );
});

test("a request is framed as the protocol has it", () => {
  const request = Buffer.from(signRequest(KEY, Buffer.from("data")));
  assert.deepEqual(
    request,
    word(Buffer.concat([Buffer.from([13]), word(BLOB), word("data"), number(0)])),
  );
});
