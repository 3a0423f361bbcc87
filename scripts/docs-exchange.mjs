// The exchange of docs/PROTOCOL.md, made by the code with fixed keys and fixed randomness.
import { nodeSuite } from "../packages/core-crypto/src/node.ts";
import {
  encode,
  encodeSender,
  MESSAGES,
  toHex,
  writeHeader,
} from "../packages/core-types/src/index.ts";
import { Handshake } from "../packages/core-ipc/src/noise/handshake.ts";
import { SealedCaller } from "../packages/core-ipc/src/seal/sealed-caller.ts";
import { Channel } from "../packages/core-ipc/src/wire/channel.ts";
import { encodeHello, prologueOf } from "../packages/core-ipc/src/wire/hello.ts";
import { welcomeSchema } from "../packages/core-ipc/src/wire/session.ts";

const bytes = (byte, length = 32) => new Uint8Array(new ArrayBuffer(length)).fill(byte);
const pair = (byte) => {
  const secretKey = bytes(byte);
  return { secretKey, publicKey: nodeSuite.x25519PublicKey(secretKey) };
};
/** Every random byte is 0x55, every ephemeral key 32 times 0x33. */
const fixed = {
  ...nodeSuite,
  randomBytes: (length) => bytes(0x55, length),
  generateX25519: () => pair(0x33),
};

const lines = (given) =>
  toHex(given)
    .match(/.{1,64}/g)
    .map((line) => `    ${line}`)
    .join("\n");

export function exchange() {
  const [client, bus, owner] = [pair(0x11), pair(0x22), pair(0x66)];
  const session = bytes(0xaa, 16);
  const uid = { uid: 1000, gid: 1000 };
  const hello = encodeHello({
    server: { pid: 4242, ...uid },
    peer: { pid: 4300, ...uid },
    pidNamespace: 4026531836n,
    session,
  });
  const common = { suite: fixed, prologue: prologueOf(hello) };
  const initiator = new Handshake("initiator", {
    ...common,
    staticKeys: client,
    remoteStatic: bus.publicKey,
  });
  const responder = new Handshake("responder", {
    ...common,
    staticKeys: bus,
    ephemeral: () => pair(0x44),
  });
  const message1 = initiator.write(new Uint8Array());
  responder.read(message1);
  const welcome = encode(welcomeSchema, {
    name: "operator",
    kind: "human",
    clearance: "secrets-only",
    maxEnvelopeBytes: 16777216,
  });
  const message2 = responder.write(welcome);
  initiator.read(message2);
  const [asker, answerer] = [initiator, responder].map(
    (side) => new Channel(side.split(), 16777216, () => 0),
  );

  const header = new Uint8Array(400);
  const id = new Uint8Array(Buffer.from("018f22e279b07cc398c4dc0c0c07398f", "hex"));
  const row = MESSAGES["status.get"];
  const request = { type: "request", id, tag: row.tag, level: "open", target: null, ttlMs: 10000 };
  const asked = header.slice(0, writeHeader(header, request));
  asker.enqueue(asked, encode(row.params, {}));
  const [requestFrame] = asker.flush();
  const sender = encodeSender({
    name: "daemon-profile",
    kind: "daemon",
    clearance: "internal",
    session: bytes(0, 16),
    trust: {
      authentication: "key",
      exposure: "local",
      posture: 100,
      authorizedAt: 1_714_000_000,
    },
  });
  const result = encode(row.result, {
    release: "0.1.0",
    pid: 4242,
    uptimeMs: 1500,
    secretsConnected: true,
    auditWritable: true,
    panic: false,
    you: "operator",
  });
  const length = writeHeader(header, { ...request, type: "reply", ttlMs: 0 }, sender);
  const answered = header.slice(0, length);
  answerer.enqueue(answered, result);
  const [replyFrame] = answerer.flush();

  const { tag } = MESSAGES["secret.get"];
  const caller = new SealedCaller(fixed, client, owner.publicKey);
  const body = encode(MESSAGES["secret.get"].params, { profile: "work", name: "db/password" });
  const sealed = caller.seal({ session, id, tag }, body);

  const steps = [
    [
      "client's static secret key: 32 times 11; bus's: 22; owner's: 66. Public keys, in this order:",
      "",
    ],
    ["", client.publicKey],
    ["", bus.publicKey],
    ["", owner.publicKey],
    ["bus -> client: hello, behind its length 0000003b", hello],
    [
      "client -> bus: handshake message 1, behind its length 00000060 (ephemeral secret: 33)",
      message1,
    ],
    ["bus -> client: handshake message 2 (ephemeral secret: 44), behind its length", message2],
    ["its payload, the welcome", welcome],
    ["handshake hash", initiator.hash],
    ["client's header of status.get", asked],
    ["client -> bus: the whole frame, with its length", requestFrame],
    ["bus's header of the reply", answered],
    ["payload of the reply", result],
    ["bus -> client: the whole frame, with its length", replyFrame],
    [
      "payload of a fresh sealed secret.get with the same session and call id (random bytes: 55)",
      sealed.payload,
    ],
  ];
  const shown = steps.map(([what, given]) =>
    [what, given.length > 0 ? lines(given) : ""].filter((part) => part !== "").join("\n"),
  );
  return `\`\`\`text\n${shown.join("\n")}\n\`\`\``;
}
