// Hurls malformed bytes at the bus, before and after the handshake, one connection after another,
// and counts the connections that the bus closed for it.
import { connect } from "node:net";
import { randomBytes, randomInt } from "node:crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { identityOf, pathsFrom, requireInstallation } from "@sesame/core-ipc/daemon";
import { BUS_HOST, limits } from "@sesame/core-types";
import { Handshake } from "../../../packages/core-ipc/src/noise/handshake.ts";
import { framed, FrameSplitter, writeU32 } from "../../../packages/core-ipc/src/wire/frame.ts";
import { prologueOf } from "../../../packages/core-ipc/src/wire/hello.ts";
import { RawClient } from "../../helpers/raw-client.ts";

const paths = pathsFrom(process.env);
const busKey = identityOf(requireInstallation(suite, paths), BUS_HOST).noiseKey;
const [rounds = "1"] = process.argv.slice(2);

function announcing(length: number, content: Uint8Array = new Uint8Array(0)): Uint8Array {
  const out = new Uint8Array(4 + content.length);
  writeU32(out, 0, length);
  out.set(content, 4);
  return out;
}

/** A genuine first handshake message, as it would be answered with a welcome. */
function firstMessage(hello: Uint8Array): Uint8Array {
  const staticKeys = suite.generateX25519();
  const prologue = prologueOf(hello);
  return new Handshake("initiator", {
    suite,
    staticKeys,
    remoteStatic: busKey,
    prologue,
  }).write(new Uint8Array(0));
}

function flipped(bytes: Uint8Array): Uint8Array {
  const at = randomInt(bytes.length);
  return Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ (1 << randomInt(8)) : byte));
}

const BEFORE: readonly ((hello: Uint8Array) => Uint8Array)[] = [
  () => announcing(16 * 1024 * 1024),
  () => announcing(0xffff_ffff),
  () => announcing(0),
  () => announcing(limits.MAX_HANDSHAKE_BYTES + 1),
  () => framed(randomBytes(96)),
  () => framed(randomBytes(1)),
  (hello) => framed(flipped(firstMessage(hello))),
  (hello) => framed(firstMessage(hello).subarray(0, -1)),
  (hello) => framed(firstMessage(flipped(hello))),
];

/** Sends what `make` makes of the bus's hello; resolves once the bus has closed the connection. */
function hurlBefore(make: (hello: Uint8Array) => Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ path: paths.socket });
  const splitter = new FrameSplitter(limits.MAX_HANDSHAKE_BYTES);
  let frames = 0;
  socket.on("data", (chunk) =>
    splitter.push(chunk, (frame) => {
      if (frames++ > 0) throw new Error("the bus welcomed a malformed handshake");
      socket.write(make(frame));
    }),
  );
  socket.on("error", () => undefined);
  socket.on("close", () => resolve());
  return promise;
}

const AFTER: readonly ((client: RawClient) => void)[] = [
  (client) => client.socket.write(announcing(16 * 1024 * 1024)),
  (client) => client.socket.write(announcing(0)),
  (client) => client.sendFrame(randomBytes(200)),
  (client) => client.sendFrame(randomBytes(limits.MAX_NOISE_BYTES)),
  (client) => client.sendFrame(randomBytes(limits.TAG_BYTES)),
  // Authentic frames whose content is no envelope.
  (client) => client.sendEnvelope(randomBytes(40), new Uint8Array(0)),
  (client) => client.sendEnvelope(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]), randomBytes(9)),
  (client) => client.sendEnvelope(new Uint8Array([0x97, 1]), new Uint8Array(0)),
  // More than an unregistered client may announce.
  (client) =>
    client.sendEnvelope(new Uint8Array(limits.MAX_OPEN_ENVELOPE_BYTES + 1), randomBytes(1)),
];

async function hurlAfter(send: (client: RawClient) => void): Promise<void> {
  const client = await RawClient.connect(paths, null);
  send(client);
  await client.closed;
}

process.send?.({ ready: true });
process.on("message", () => void hurl());

async function hurl(): Promise<void> {
  let closed = 0;
  for (let i = 0; i < Number(rounds); i++) {
    await Promise.all([...BEFORE.map(hurlBefore), ...AFTER.map(hurlAfter)]);
    closed += BEFORE.length + AFTER.length;
  }
  process.send?.({ closed });
}
