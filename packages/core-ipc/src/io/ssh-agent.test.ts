import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { agentKeys } from "./ssh-agent.ts";
import { signWith } from "./signer.ts";

const SEED = Buffer.alloc(32, 3);
const KEYS = { signingSeed: null, signingKey: suite.ed25519PublicKey(SEED) };
const STATEMENT = Buffer.from("sesame enrolment v1\nwhatever follows");

const word = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const response = (signature: Uint8Array): Buffer =>
  word(
    Buffer.concat([
      Buffer.from([14]),
      word(Buffer.concat([word(Buffer.from("ssh-ed25519")), word(signature)])),
    ]),
  );

/** Something that answers every request alike, at the socket that is returned. */
async function answering(t: TestContext, answer: Buffer | null): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "sesame-agent-"));
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => (answer === null ? socket.destroy() : socket.end(answer)));
  });
  const path = join(directory, "agent.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  return path;
}

test("[KEYS-13] a signature of the key over the statement is taken, and no other", async (t) => {
  // SECURITY: what answers may be another machine's agent, or none; a wrong signature would be
  // found where nobody can say why.
  const right = suite.ed25519Sign(SEED, STATEMENT);
  const socket = await answering(t, response(right));
  assert.deepEqual(Buffer.from(await signWith(suite, KEYS, STATEMENT, socket)), Buffer.from(right));
  for (const wrong of [
    suite.ed25519Sign(SEED, Buffer.from("sesame enrolment v1\nsomething else")),
    suite.ed25519Sign(Buffer.alloc(32, 4), STATEMENT),
    new Uint8Array(64),
  ])
    await assert.rejects(signWith(suite, KEYS, STATEMENT, await answering(t, response(wrong))), {
      name: "Fault",
      exit: "denied",
    });
});

test("[KEYS-13] an agent that refuses, is silent or talks nonsense is named as such", async (t) => {
  const sign = (socket: string | undefined): Promise<unknown> =>
    signWith(suite, KEYS, STATEMENT, socket);
  await assert.rejects(sign(await answering(t, word(Buffer.from([5])))), { exit: "denied" });
  for (const answer of [
    null,
    Buffer.from([0, 0, 0, 9, 14]),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 14]),
    word(Buffer.from([6])),
    Buffer.concat([word(Buffer.from([5])), Buffer.from("more")]),
  ])
    await assert.rejects(sign(await answering(t, answer)), { exit: "unavailable" });
  for (const none of [undefined, "", "/nonexistent/agent"])
    await assert.rejects(sign(none), { name: "Fault", exit: "unavailable" });
  await assert.rejects(agentKeys(undefined), { exit: "unavailable" });
});

test("keys in a file sign without an agent", async () => {
  const keys = { signingSeed: SEED, signingKey: KEYS.signingKey };
  const signature = await signWith(suite, keys, STATEMENT, undefined);
  assert.ok(suite.ed25519Verify(KEYS.signingKey, STATEMENT, signature));
});

test("[KEYS-11] nothing is signed that does not begin with what it is", async () => {
  // SECURITY: whoever has other bytes signed gets a login, a grant or an enrolment out of one key.
  const keys = { signingSeed: SEED, signingKey: KEYS.signingKey };
  for (const start of ["", "sesam", "Sesame grant", "SSHSIG", "\0\0\0\u0020", "DSSEv2 "])
    await assert.rejects(signWith(suite, keys, Buffer.from(start), undefined), RangeError);
  await signWith(suite, keys, Buffer.from("DSSEv1 1 a 1 b"), undefined);
});
