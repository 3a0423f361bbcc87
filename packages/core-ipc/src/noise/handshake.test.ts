import assert from "node:assert/strict";
import { test } from "node:test";
import type { Suite } from "@sesame/core-crypto";
import { nodeSuite } from "@sesame/core-crypto/node";
import { nobleSuite } from "@sesame/core-crypto/noble";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { absent, published } from "../../../../test/helpers/vectors.ts";
import { Handshake, type Transport } from "./handshake.ts";

type Vector = {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly init_remote_static: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
};

const none: { readonly vectors: readonly Vector[] } = { vectors: [] };
const { vectors } = published("noise-ik.json", none);
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (from: Uint8Array): string => Buffer.from(from).toString("hex");

const suites = [nodeSuite, sodiumSuite, nobleSuite];

for (const one of suites)
  for (const other of suites)
    test(
      `[HANDSHAKE-1] published vectors, ${one.name} against ${other.name}`,
      { skip: absent(vectors) },
      () => {
        assert.ok(vectors.length > 0);
        for (const vector of vectors) {
          const prologue = bytes(vector.init_prologue);
          const pair = (suite: Suite, secret: string) => {
            const secretKey = bytes(secret);
            return { secretKey, publicKey: suite.x25519PublicKey(secretKey) };
          };
          const initiator = new Handshake("initiator", {
            suite: one,
            prologue,
            staticKeys: pair(one, vector.init_static),
            remoteStatic: bytes(vector.init_remote_static),
            ephemeral: () => pair(one, vector.init_ephemeral),
          });
          const responder = new Handshake("responder", {
            suite: other,
            prologue,
            staticKeys: pair(other, vector.resp_static),
            ephemeral: () => pair(other, vector.resp_ephemeral),
          });
          const [first, second, ...transport] = vector.messages;
          assert.ok(first !== undefined && second !== undefined);
          const message1 = initiator.write(bytes(first.payload));
          assert.equal(hex(message1), first.ciphertext);
          assert.equal(hex(responder.read(message1) ?? new Uint8Array()), first.payload);
          const message2 = responder.write(bytes(second.payload));
          assert.equal(hex(message2), second.ciphertext);
          assert.equal(hex(initiator.read(message2) ?? new Uint8Array()), second.payload);
          const sides: [Transport, Transport] = [initiator.split(), responder.split()];
          if (vector.handshake_hash !== undefined)
            assert.equal(hex(sides[0].hash), vector.handshake_hash);
          transport.forEach(({ payload, ciphertext }, i) => {
            const [from, to] = i % 2 === 0 ? sides : [sides[1], sides[0]];
            const sealed = new Uint8Array(payload.length / 2 + 16);
            from.send.sealInto(sealed, new Uint8Array(), bytes(payload));
            assert.equal(hex(sealed), ciphertext);
            const opened = new Uint8Array(payload.length / 2);
            assert.equal(to.receive.openInto(opened, new Uint8Array(), sealed), true);
            assert.equal(hex(opened), payload);
          });
        }
      },
    );
