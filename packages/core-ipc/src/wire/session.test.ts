import assert from "node:assert/strict";
import { test } from "node:test";
import type { Suite, X25519KeyPair } from "@sesame/core-crypto";
import { nodeSuite } from "@sesame/core-crypto/node";
import { nobleSuite } from "@sesame/core-crypto/noble";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { limits } from "@sesame/core-types";
import { Handshake } from "../noise/handshake.ts";
import { only } from "../noise/respond.ts";
import { framed } from "./frame.ts";
import { encodeHello, prologueOf } from "./hello.ts";
import { ClientSession, ServerSession, type Welcome } from "./session.ts";

const suites = [nodeSuite, sodiumSuite, nobleSuite];
const own = { pid: 10, uid: 1000, gid: 100 };
const hello = {
  server: { pid: 1, uid: 1000, gid: 100 },
  peer: own,
  pidNamespace: 7n,
  session: new Uint8Array(16).fill(0xab),
};
const WELCOME: Welcome = {
  name: "operator",
  kind: "human",
  clearance: "secrets-only",
  maxEnvelopeBytes: limits.MAX_ENVELOPE_BYTES,
};
const busKeys = nodeSuite.generateX25519();
const clientKeys = nodeSuite.generateX25519();
const never = (): void => assert.fail("nothing was to come");

function server(suite: Suite, admit: (key: Uint8Array) => Welcome | null): ServerSession {
  return new ServerSession({ suite, statics: only(busKeys), hello, monotonicMs: () => 0, admit });
}

function client(suite: Suite, staticKeys: X25519KeyPair = clientKeys, busKey = busKeys.publicKey) {
  return new ClientSession({
    suite,
    staticKeys,
    busKey,
    own,
    pidNamespace: 7n,
    monotonicMs: () => 0,
  });
}

for (const one of suites)
  for (const other of suites)
    test(`[HANDSHAKE-4] a session comes about, ${one.name} with ${other.name}`, () => {
      const proved: Uint8Array[] = [];
      const bus = server(one, (key) => {
        proved.push(key);
        return WELCOME;
      });
      const peer = client(other);
      let toBus = new Uint8Array();
      let toPeer = new Uint8Array(bus.greeting());
      const got: Uint8Array[] = [];
      // Byte by byte: a session makes no assumption about chunks.
      for (const byte of toPeer)
        peer.receive(new Uint8Array([byte]), (bytes) => (toBus = new Uint8Array(bytes)), never);
      for (const byte of toBus)
        bus.receive(new Uint8Array([byte]), (bytes) => (toPeer = new Uint8Array(bytes)), never);
      assert.deepEqual(proved, [clientKeys.publicKey]);
      assert.notEqual(bus.channel, null);
      assert.equal(peer.welcome, null);
      bus.channel?.enqueue(new Uint8Array([1, 2]), new Uint8Array([3]));
      const first = bus.channel?.flush() ?? [];
      peer.receive(Buffer.concat([toPeer, ...first]), never, (envelope) => got.push(envelope));
      assert.deepEqual(peer.welcome, WELCOME);
      assert.deepEqual(peer.session, hello.session);
      assert.deepEqual(bus.sessionId, hello.session);
      assert.deepEqual(
        got.map((envelope) => [...envelope]),
        [[1, 2, 3]],
      );
      peer.channel?.enqueue(new Uint8Array([4]), new Uint8Array([5]));
      for (const bytes of peer.channel?.flush() ?? [])
        bus.receive(bytes, never, (envelope) => got.push(envelope));
      assert.deepEqual([...(got[1] ?? [])], [4, 5]);
    });

test("[HANDSHAKE-3] a key that is refused gets no answer", () => {
  // SECURITY: a revoked key must not even become an unregistered connection.
  const bus = server(nodeSuite, () => null);
  const peer = client(nodeSuite);
  let message = new Uint8Array();
  peer.receive(bus.greeting(), (bytes) => (message = new Uint8Array(bytes)), never);
  assert.throws(() => bus.receive(message, never, never), { rule: "HANDSHAKE-3" });
  assert.equal(bus.channel, null);
});

test("[HANDSHAKE-1] a handshake message that is damaged or carries content is refused", () => {
  const bus = server(nodeSuite, () => WELCOME);
  assert.throws(() => bus.receive(framed(new Uint8Array(96)), never, never), {
    rule: "HANDSHAKE-1",
  });
  const eager = new Handshake("initiator", {
    suite: nodeSuite,
    staticKeys: clientKeys,
    remoteStatic: busKeys.publicKey,
    prologue: prologueOf(encodeHello(hello)),
  });
  const again = server(nodeSuite, () => WELCOME);
  const message = framed(eager.write(new Uint8Array([1])));
  assert.throws(() => again.receive(message, never, never), { rule: "HANDSHAKE-1" });
});

test("[HANDSHAKE-2] a bus without the installation's bus key is refused", () => {
  // SECURITY: a false bus would otherwise collect what clients say.
  const other = nodeSuite.generateX25519();
  const peer = client(nodeSuite, clientKeys, other.publicKey);
  const bus = server(nodeSuite, () => WELCOME);
  let message = new Uint8Array();
  peer.receive(bus.greeting(), (bytes) => (message = new Uint8Array(bytes)), never);
  assert.throws(() => bus.receive(message, never, never), { rule: "HANDSHAKE-1" });
  assert.throws(() => peer.receive(framed(new Uint8Array(80)), never, never), {
    rule: "HANDSHAKE-2",
  });
});

test("[HELLO-3] a relayed handshake ends at the hello", () => {
  // SECURITY: see hello.test.ts; here the whole session refuses before it sends a byte.
  const bus = new ServerSession({
    suite: nodeSuite,
    statics: only(busKeys),
    hello: { ...hello, peer: { ...own, pid: 99 } },
    monotonicMs: () => 0,
    admit: () => WELCOME,
  });
  const peer = client(nodeSuite);
  assert.throws(() => peer.receive(bus.greeting(), never, never), { rule: "HELLO-3" });
});

test("[HELLO-5] a hello that was altered on the way does not lead to a session", () => {
  // SECURITY: a relay that writes the victim's pid into the hello must fail at the bus.
  const bus = server(nodeSuite, () => WELCOME);
  const greeting = bus.greeting();
  for (const at of [11, 14, 20, 26, 30, 34, 40, 43, 58]) {
    const altered = greeting.slice();
    altered[4 + at] = (altered[4 + at] ?? 0) ^ 1;
    let message = new Uint8Array();
    const peer = client(nodeSuite);
    try {
      peer.receive(altered, (bytes) => (message = new Uint8Array(bytes)), never);
    } catch {
      continue; // it concerned the peer's own credentials
    }
    const again = server(nodeSuite, () => WELCOME);
    assert.throws(() => again.receive(message, never, never), { rule: "HANDSHAKE-1" });
  }
});

test("[FRAME-1] a server takes no large frame before it knows the client", () => {
  // SECURITY: a stranger could otherwise make the bus hold 64 KiB per connection.
  const bus = server(nodeSuite, () => WELCOME);
  assert.throws(() => bus.receive(new Uint8Array([0, 0, 2, 1]), never, never), {
    rule: "FRAME-1",
  });
});
