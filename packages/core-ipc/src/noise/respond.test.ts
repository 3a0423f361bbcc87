import assert from "node:assert/strict";
import { test } from "node:test";
import type { X25519KeyPair } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { limits } from "@sesame/core-types";
import { Handshake } from "./handshake.ts";
import { only, respond, type Statics } from "./respond.ts";

const PROLOGUE = new Uint8Array([7]);
const NOTHING = new Uint8Array();
const many = (count: number): X25519KeyPair[] =>
  Array.from({ length: count }, () => suite.generateX25519());
const of = (all: readonly X25519KeyPair[]): Statics => ({ all: () => all, refresh: () => false });

function initiator(remoteStatic: Uint8Array): Handshake {
  const staticKeys = suite.generateX25519();
  return new Handshake("initiator", { suite, prologue: PROLOGUE, staticKeys, remoteStatic });
}

test("[KEYS-20] whichever of a responder's keys is meant, both ends come to the same session", () => {
  const keys = many(limits.MAX_FORMER_KEYS + 1);
  for (const { publicKey } of keys) {
    const client = initiator(publicKey);
    const read = respond(suite, of(keys), PROLOGUE, client.write(NOTHING));
    assert.ok(read);
    assert.ok(client.read(read.handshake.write(NOTHING)));
    assert.deepEqual(read.handshake.hash, client.hash);
    const [one, other] = [client.split(), read.handshake.split()];
    assert.deepEqual(Buffer.from(other.hash), Buffer.from(one.hash));
  }
});

test("[KEYS-20] a message for a key that is none of them is authentic under none", () => {
  // SECURITY: whoever stole a key that has ended would still be taken for the responder's peer.
  const [stranger, ...keys] = many(3);
  const message = initiator((stranger as X25519KeyPair).publicKey).write(NOTHING);
  assert.equal(respond(suite, of(keys), PROLOGUE, message), null);
  assert.equal(respond(suite, of([]), PROLOGUE, message), null);
  for (const garbage of [NOTHING, suite.randomBytes(31), suite.randomBytes(96)])
    assert.equal(respond(suite, of(keys), PROLOGUE, garbage), null);
});

test("[KEYS-22] when no key fits, others are looked for once", () => {
  const [former, next] = many(2) as [X25519KeyPair, X25519KeyPair];
  let all = [former];
  let looks = 0;
  const statics: Statics = {
    all: () => all,
    refresh: () => {
      looks++;
      const changed = all.length === 1;
      all = [next, former];
      return changed;
    },
  };
  const ask = (key: X25519KeyPair) =>
    respond(suite, statics, PROLOGUE, initiator(key.publicKey).write(NOTHING));
  assert.ok(ask(former));
  assert.equal(looks, 0);
  assert.ok(ask(next));
  assert.equal(looks, 1);
  assert.equal(ask(suite.generateX25519()), null);
  assert.equal(looks, 2);
});

test("[KEYS-20] a message costs one X25519 for each key that it is not for", () => {
  // SECURITY: strangers would have the bus compute much for the little that they send.
  const keys = many(limits.MAX_FORMER_KEYS + 1);
  let agreements = 0;
  const counting: typeof suite = Object.create(suite, {
    x25519: {
      value: (secret: Uint8Array, key: Uint8Array) => {
        agreements++;
        return suite.x25519(secret, key);
      },
    },
  }) as typeof suite;
  const cost = (statics: Statics, message: Uint8Array): number => {
    agreements = 0;
    respond(counting, statics, PROLOGUE, message);
    return agreements;
  };
  const [present] = keys as [X25519KeyPair];
  const genuine = initiator(present.publicKey).write(NOTHING);
  const garbage = initiator(suite.generateX25519().publicKey).write(NOTHING);
  assert.equal(cost(only(present), genuine), cost(of(keys), genuine));
  assert.equal(cost(only(present), garbage), 1);
  assert.equal(cost(of(keys), garbage), keys.length);
});
