import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { identityOf, requireInstallation } from "@sesame/core-ipc/daemon";
import {
  Denial,
  encode,
  encodeSender,
  LEVELS,
  MAX_HEADER_BYTES,
  MESSAGES,
  NO_TRUST,
  TOPIC_TAG,
  VAULT_OWNER,
  writeHeader,
  decode,
  type Level,
  type EventName,
} from "@sesame/core-types";
import { readDenial, readSealedBody } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import { SealedCaller } from "../../../packages/core-ipc/src/seal/sealed-caller.ts";
import { recorded } from "../../helpers/audit-log.ts";
import { eventually } from "../../helpers/eventually.ts";
import { Home } from "../../helpers/home.ts";
import { Puppet } from "../../helpers/puppet.ts";
import { freshId, RawClient } from "../../helpers/raw-client.ts";

const APP = MESSAGES["app.call"];
let home: Home;

before(async () => {
  home = await Home.ready([
    { name: "service" },
    { name: "asker" },
    { name: "thief" },
    { name: "guesser" },
    { name: "liar" },
  ]);
  home.must(["secret", "set", "a/b"], "the true value");
});

after(async () => home[Symbol.asyncDispose]());

test("[ROUTE-4] a forged answer reaches nobody, and costs the connection", async () => {
  // SECURITY: whoever answers first in another's place would decide what the caller believes.
  const asked = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  const service = await home.connect("service");
  await service.serveApp(async () => {
    asked.resolve();
    await mayAnswer.promise;
    return Buffer.from("the true answer");
  });
  const asker = await RawClient.connect(home.paths, "asker");
  const id = asker.send({ type: "request", tag: APP.tag, target: "service" });
  await asked.promise;

  for (const [name, forgedId] of [
    ["thief", id],
    ["guesser", freshId()],
  ] as const)
    for (const type of ["reply", "denial"] as const) {
      await using thief = await Puppet.connect(home, name);
      await thief.send({ type, id: forgedId, tag: APP.tag }, Buffer.from("forged"));
      await thief.closed;
    }
  // One that serves under its own name may be late with an answer, but not answer for others.
  await using serving = await Puppet.connect(home, "thief");
  await serving.ask(MESSAGES["bus.serve"]);
  await serving.send({ type: "reply", id, tag: APP.tag }, Buffer.from("forged"));
  await serving.ask(MESSAGES["status.get"]);

  mayAnswer.resolve();
  const { header, payload } = await asker.answerTo(id);
  assert.equal(Buffer.from(payload).toString(), "the true answer");
  assert.equal(header.sender.name, "service");
  const answers = asker.received.filter(({ header: { id: other } }) =>
    Buffer.from(id).equals(other),
  );
  assert.equal(answers.length, 1);
  asker.close();
  await service.close();
  for (const name of ["thief", "guesser"]) {
    await recorded(
      home,
      `the forged answer of ${name}`,
      ({ action, outcome, actor }) =>
        action === "bus.reply" && outcome === "refused:not-asked" && actor?.name === name,
    );
    await recorded(
      home,
      `the end of ${name}`,
      ({ action, object, actor }) =>
        action === "bus.violation" && object === "ROUTE-4" && actor?.name === name,
    );
  }
});

test("[SEAL-6] a thief that is faster than the owner of the secrets wins nothing", async () => {
  // SECURITY: the answer to `secret get` could be replaced: a caller would use a planted password.
  const installation = requireInstallation(suite, home.paths);
  const owner = home.pidOf("daemon-secrets");
  const operator = await RawClient.connect(home.paths, "operator");
  const { tag, level, params, result } = MESSAGES["secret.get"];
  const { noiseKey } = identityOf(installation, VAULT_OWNER);
  const caller = new SealedCaller(suite, operator.keys, noiseKey);
  const id = freshId();
  const request = caller.seal(
    { session: operator.session, id, tag },
    encode(params, { profile: "default", name: "a/b" }),
  );
  process.kill(owner, "SIGSTOP");
  try {
    operator.send({ type: "request", id, tag, level }, request.payload);
    await using thief = await Puppet.connect(home, "thief");
    await thief.send({ type: "reply", id, tag, level }, Buffer.alloc(300, 1));
    await thief.closed;
    assert.deepEqual(operator.received, []);
  } finally {
    process.kill(owner, "SIGCONT");
  }
  const { header, payload } = await operator.answerTo(id);
  assert.equal(header.sender.name, VAULT_OWNER);
  const body = request.open(payload);
  assert.ok(body !== null, "the answer is the owner's");
  const { value } = decode(result, readSealedBody(body));
  assert.equal(Buffer.from(value).toString(), "the true value");
  operator.close();
});

test("[ROUTE-8] nobody publishes in another's name or above its clearance", async () => {
  // SECURITY: a forged `profile.changed` or `vault.changed` would steer daemons and applications.
  const victim = await RawClient.connect(home.paths, "asker");
  const { params } = MESSAGES["bus.subscribe"];
  const events: readonly EventName[] = [
    "vault.changed",
    "profile.changed",
    "audit.checkpointed",
    "bus.missed",
  ];
  for (const topic of [...events, "a/b"])
    await victim.ask(MESSAGES["bus.subscribe"], encode(params, { topic }));
  await using liar = await Puppet.connect(home, "liar");
  const forged = [
    ...events.map((event) => ({ tag: MESSAGES[event].tag, target: null })),
    ...events.map((event) => ({ tag: MESSAGES[event].tag, target: "a/b" })),
    // The same words as topics of an application.
    ...events.map((event) => ({ tag: TOPIC_TAG, target: event })),
    { tag: TOPIC_TAG, target: "a/b", level: "profile-scoped" as Level },
    { tag: TOPIC_TAG, target: "a/b", level: "secrets-only" as Level },
    { tag: TOPIC_TAG, target: null },
    { tag: MESSAGES["secret.get"].tag, target: "a/b" },
  ];
  for (const one of forged) {
    const id = await liar.send({ type: "publish", ...one }, Buffer.from("forged"));
    const { header, payload } = await liar.answerTo(id);
    assert.equal(header.type, "denial", JSON.stringify(one));
    assert.equal(readDenial(payload).code, "clearance-too-low");
  }
  await liar.send({ type: "publish", tag: TOPIC_TAG, target: "a/b" }, Buffer.from("honest"));
  const { header } = await victim.until(({ payload }) =>
    Buffer.from(payload).equals(Buffer.from("honest")),
  );
  assert.equal(header.sender.name, "liar");
  const heard = victim.received.filter(({ payload }) => Buffer.from(payload).includes("forged"));
  assert.deepEqual(heard, []);
  victim.close();
  await recorded(
    home,
    "the forged event",
    ({ action, object, actor }) =>
      action === "bus.publish" && object === "vault.changed" && actor?.name === "liar",
  );
});

test("[MESSAGE-2] the level that a caller writes changes nothing", async () => {
  // SECURITY: a message marked `open` would carry a secrets-only request past the clearance check.
  await using liar = await Puppet.connect(home, "liar");
  for (const kind of ["secret.get", "secret.set", "secret.fetch", "vault.unlock"] as const)
    for (const level of LEVELS) {
      const { header, payload } = await liar.ask({ tag: MESSAGES[kind].tag, level });
      assert.equal(header.type, "denial");
      assert.equal(readDenial(payload).code, "clearance-too-low", `${kind} as ${level}`);
    }
});

test("[ENVELOPE-2] a client that writes a sender into its header is thrown out", async () => {
  // SECURITY: a message could carry the name of the operator or of a daemon.
  await using liar = await Puppet.connect(home, "liar");
  const sender = encodeSender({
    name: VAULT_OWNER,
    kind: "daemon",
    clearance: "secrets-only",
    session: new Uint8Array(16),
    trust: NO_TRUST,
  });
  const header = new Uint8Array(2 * MAX_HEADER_BYTES);
  const { tag, level } = MESSAGES["vault.changed"];
  const fields = { type: "publish", id: freshId(), tag, level, target: null, ttlMs: 0 } as const;
  const length = writeHeader(header, fields, sender);
  await liar.sendEnvelope(header.subarray(0, length), new Uint8Array([0x80]));
  await liar.closed;
  await recorded(
    home,
    "the forged header",
    ({ object, outcome, actor }) =>
      object === "ENVELOPE-1" && outcome === "closed" && actor?.name === "liar",
  );
});

test("[HANDSHAKE-3] the bus host's own key opens no connection", async () => {
  // SECURITY: whoever copied daemon-profile's key file could publish and answer as the bus itself.
  const outcome = await Puppet.connect(home, "daemon-profile").then(
    async (puppet) => {
      await puppet[Symbol.asyncDispose]();
      return "welcome";
    },
    (cause: Error) => cause.message,
  );
  assert.match(outcome, /closed/);
  await recorded(home, "the refused key", ({ object }) => object === "HANDSHAKE-3");
});

test("[ROUTE-12] serving gives nobody another's requests", async () => {
  // SECURITY: a program that says it serves would be handed passwords and sealed calls.
  await using liar = await Puppet.connect(home, "liar");
  await liar.ask({ ...MESSAGES["bus.serve"], target: VAULT_OWNER });
  await liar.ask({ ...MESSAGES["bus.serve"], target: "service" });
  const operator = await home.connect("operator");
  assert.equal((await operator.call("vault.status", {})).vaults.length, 1);
  const { value } = await operator.call("secret.get", { profile: "default", name: "a/b" });
  assert.equal(Buffer.from(value).toString(), "the true value");
  await assert.rejects(
    operator.request("service", Buffer.from("?")),
    (cause) => cause instanceof Denial && cause.code === "owner-absent",
  );
  assert.deepEqual(
    (await liar.received()).filter(({ header }) => header.type === "request"),
    [],
  );

  // Nor while the owner is away.
  const owner = home.pidOf("daemon-secrets");
  process.kill(owner, "SIGKILL");
  const away: string[] = [];
  const again = await eventually("the owner's return", async () => {
    const answer = await operator.call("vault.status", {}).catch((cause: unknown) => cause);
    if (answer instanceof Denial) away.push(answer.code);
    return !(answer instanceof Denial) && answer;
  });
  assert.ok(again !== null && typeof again === "object" && "vaults" in again);
  assert.ok(away.length > 0 && away.every((code) => code === "owner-absent"), away.join());
  assert.deepEqual(
    (await liar.received()).filter(({ header }) => header.type === "request"),
    [],
  );
  await operator.close();
});

test("[OWNER-1] nobody but a daemon writes into the audit log", async () => {
  // SECURITY: forged entries would hide what happened or blame somebody else.
  await using liar = await Puppet.connect(home, "liar");
  const { params } = MESSAGES["audit.append"];
  const record = {
    action: "secret.get",
    outcome: "ok",
    profile: "default",
    object: null,
    session: null,
    caller: "operator",
  };
  const { header, payload } = await liar.ask(
    MESSAGES["audit.append"],
    encode(params, { records: [record] }),
  );
  assert.equal(header.type, "denial");
  assert.equal(readDenial(payload).code, "capability-missing");
  const { tag, level } = MESSAGES["vault.anchor"];
  const anchor = await liar.ask({ tag, level });
  assert.equal(anchor.header.type, "denial");
  assert.equal(readDenial(anchor.payload).code, "capability-missing");
});
