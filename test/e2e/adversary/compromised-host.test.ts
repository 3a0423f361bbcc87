import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  encode,
  Denial,
  Fault,
  MESSAGES,
  type RequestName,
  type Sender,
  type Trust,
} from "@sesame/core-types";
import type { BusClient } from "@sesame/core-ipc/client";
import { readDenial } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import { CompromisedHost, type Captured } from "../../helpers/compromised-host.ts";
import { DirectDaemon } from "../../helpers/direct-daemon.ts";
import { Home, PASSWORD } from "../../helpers/home.ts";
import { freshId } from "../../helpers/raw-client.ts";

const NAME = "prod/database-url";
const VALUE = "postgres://app:hunter2-of-the-house@db";
const profile = "default";
const PRAISE: Trust = {
  authentication: "key-and-pid",
  exposure: "local",
  posture: 100,
  authorizedAt: 0xffff_ffff,
  delegation: 0,
};

let home: Home;
let host: CompromisedHost;
let owner: DirectDaemon;

before(async () => {
  home = await Home.ready([
    { name: "reader-less", clearance: "secrets-only", capabilities: ["status-read"] },
    { name: "lowly" },
    { name: "asker", clearance: "secrets-only", capabilities: ["secret-read"] },
  ]);
  home.must(["daemon", "stop"]);
  host = await CompromisedHost.start(home);
  owner = new DirectDaemon(home, "daemon-secrets");
  await owner.start();
  await host.served();
});

after(async () => {
  await owner.kill();
  await host[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

beforeEach(async () => {
  host.sender = (truth) => truth;
  host.reply = (payload) => payload;
  const operator = await home.connect();
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
  await operator.call("secret.set", { profile, name: NAME, value: Buffer.from(VALUE) });
  await operator.close();
});

async function read(client: BusClient): Promise<string> {
  const { value } = await client.call("secret.get", { profile, name: NAME });
  return Buffer.from(value).toString();
}

function last(kind: RequestName): Captured {
  const found = host.captured.findLast(({ header }) => header.tag === MESSAGES[kind].tag);
  assert.ok(found !== undefined);
  return found;
}

/** Sends it to the owner; the answer is to be a refusal in clear, recorded with this reason. */
async function refused(captured: Captured, reason: RegExp): Promise<void> {
  const { type, payload } = await host.inject(captured);
  assert.equal(type, "denial");
  assert.equal(readDenial(payload).code, "seal-invalid");
  assert.match(host.records.at(-1)?.outcome ?? "", reason);
}

test("a bus host that reads everything learns no value, name or password", async () => {
  // SECURITY: taking over the one process that relays everything would give away every secret.
  const operator = await home.connect();
  await operator.call("vault.lock", { profile });
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
  await operator.call("secret.set", { profile, name: NAME, value: Buffer.from(VALUE) });
  assert.equal(await read(operator), VALUE);
  const { secrets } = await operator.call("secret.fetch", { profile, names: [NAME] });
  assert.equal(secrets.length, 1);
  const listed = await operator.call("secret.list", { profile });
  assert.deepEqual(
    listed.secrets.map(({ name }) => name),
    [NAME],
  );
  await assert.rejects(operator.call("secret.get", { profile, name: "no/such-name" }), Denial);
  await operator.call("secret.delete", { profile, name: NAME });
  await operator.close();

  const bytes = Buffer.concat(host.seen);
  assert.ok(bytes.includes("secret.delete"), "the host does see what the log is to say");
  for (const secret of [NAME, "database-url", VALUE, "hunter2", PASSWORD, "such-name"])
    for (const encoding of ["utf8", "utf16le"] as const)
      assert.ok(!bytes.includes(Buffer.from(secret, encoding)), secret);
});

test("[SEAL-1] a call that the host kept is accepted neither again nor changed", async () => {
  // SECURITY: the host could repeat a deletion or an unlock, or make a deletion out of a read.
  const operator = await home.connect();
  const value = Buffer.from("version two");
  // The first call of a connection opens the end-to-end session, the second one continues it.
  const first = await operator.call("secret.set", { profile, name: NAME, value });
  const fresh = last("secret.set");
  const second = await operator.call("secret.set", { profile, name: NAME, value });
  const continued = last("secret.set");
  assert.equal(second.version, first.version + 1);
  assert.notEqual(fresh.payload[0], continued.payload[0]);

  const other = { ...fresh.sender, session: Buffer.alloc(16, 7) } satisfies Sender;
  const { tag, level } = MESSAGES["secret.delete"];
  for (const captured of [fresh, continued]) {
    const { header, sender, payload } = captured;
    await refused(captured, /^refused:seal-replayed$/);
    const moved: Captured[] = [
      { ...captured, header: { ...header, id: freshId() } },
      { ...captured, header: { ...header, tag, level } },
      { ...captured, sender: other },
    ];
    for (const one of moved) await refused(one, /^refused:seal-not-authentic$/);
    for (const at of [0, 1, 5, 40, payload.length - 1]) {
      const flipped = Uint8Array.from(payload);
      flipped[at] = (flipped[at] ?? 0) ^ 0x40;
      await refused({ header, sender, payload: flipped }, /^refused:seal-/);
    }
    const cut = payload.subarray(0, payload.length - 1);
    await refused({ header, sender, payload: cut }, /^refused:seal-/);
  }
  const third = await operator.call("secret.set", { profile, name: NAME, value });
  assert.equal(third.version, second.version + 1, "none of it was carried out");
  await operator.close();
});

test("[SEAL-10] a call from before the owner's restart is not accepted after it", async () => {
  // SECURITY: the host could crash the owner, so that it forgets which calls it has seen.
  const operator = await home.connect();
  await operator.call("secret.delete", { profile, name: NAME });
  const captured = last("secret.delete");
  await operator.close();
  await owner.kill();
  await owner.start();
  await host.served();
  await refused(captured, /^refused:seal-stale$/);
});

test("[SEAL-6] a caller refuses what the owner did not answer to this very call", async () => {
  // SECURITY: the host could plant a secret's value, or hide that a call was refused.
  const operator = await home.connect();
  await operator.call("secret.set", { profile, name: "other", value: Buffer.from("other") });
  let kept: Uint8Array | null = null;
  host.reply = (payload) => {
    kept = payload;
    return payload;
  };
  assert.equal(await read(operator), VALUE);
  const earlier = kept as Uint8Array | null;
  assert.ok(earlier !== null);

  const forgeries: ((payload: Uint8Array) => Uint8Array)[] = [
    () => earlier,
    () => new Uint8Array(0),
    () => Buffer.alloc(200, 3),
    () => encode(MESSAGES["secret.get"].result, { value: Buffer.from("planted"), version: 9 }),
    (payload) => payload.subarray(0, payload.length - 1),
    (payload) =>
      Uint8Array.from(payload, (byte, i) => (i === payload.length - 20 ? byte ^ 1 : byte)),
  ];
  const forged = (cause: unknown): boolean => cause instanceof Fault && cause.exit === "integrity";
  for (const forge of forgeries) {
    const other = await home.connect();
    host.reply = forge;
    // As the answer to the call that opens the session, and to one that continues it.
    await assert.rejects(read(other), forged);
    host.reply = (payload) => payload;
    assert.equal(await read(other), VALUE);
    host.reply = forge;
    await assert.rejects(read(other), forged);
    await other.close();
  }
  await operator.close();
});

test("[SEAL-6] two answers that the host exchanges are both refused", async () => {
  // SECURITY: the host could give a caller the value of another secret than it asked for.
  const operator = await home.connect();
  await operator.call("secret.set", { profile, name: "other", value: Buffer.from("other") });
  const replies: Uint8Array[] = [];
  host.reply = (payload) => {
    replies.push(payload);
    return replies.length === 2 ? (replies[0] as Uint8Array) : payload;
  };
  assert.equal(await read(operator), VALUE);
  const exchanged = operator.call("secret.get", { profile, name: "other" });
  await assert.rejects(exchanged, (cause) => cause instanceof Fault && cause.exit === "integrity");
  await operator.close();
});

test("[SEAL-7] [TRUST-4] a lie about who is calling gives nobody a right", async () => {
  // SECURITY: a lying host could have the owner serve any client, or itself, as the operator.
  const operator = await home.connect();
  assert.equal(await read(operator), VALUE);
  const { sender: truth } = last("secret.get");
  await operator.close();
  assert.equal(truth.name, "operator");
  const lies: ((sender: Sender) => Sender)[] = [
    ({ session }) => ({ ...truth, session }),
    (sender) => ({ ...sender, trust: PRAISE }),
    ({ session }) => ({ ...truth, name: "daemon-profile", kind: "daemon", session }),
    (sender) => ({ ...sender, kind: "human", clearance: "secrets-only" }),
  ];
  for (const [as, reading, locking] of [
    ["reader-less", "capability-missing", "capability-missing"],
    ["lowly", "clearance-too-low", "capability-missing"],
    [null, "clearance-too-low", "clearance-too-low"],
  ] as const)
    for (const lie of lies) {
      host.sender = lie;
      const client = await home.connect(as);
      await assert.rejects(read(client), { code: reading });
      await assert.rejects(client.call("secret.fetch", { profile, names: null }), {
        code: reading,
      });
      await assert.rejects(client.call("vault.lock", { profile }), { code: locking });
      assert.equal(host.records.at(-1)?.caller, as, "recorded is who proved it, not who was named");
      await client.close();
    }
});

test("[APPROVE-3] a lying bus host approves nothing, and moves no approval", async () => {
  // SECURITY: a compromised bus host would open every secret that was to be asked for.
  const operator = await home.connect();
  await operator.call("secret.protect", { profile, name: NAME, ask: true });
  const { sender: truth } = last("secret.protect");
  const asker = await home.connect("asker");
  const id = await read(asker).then(assert.fail, ({ code, detail }: Denial) => {
    assert.equal(code, "approval-needed");
    return detail;
  });
  const yes = { id, answer: "once", forMs: 0 } as const;
  host.sender = ({ session }) => ({ ...truth, session });
  await assert.rejects(asker.call("approval.answer", yes), { code: "capability-missing" });
  host.sender = (sender) => sender;
  const { params, tag } = MESSAGES["approval.answer"];
  const forged = { ...last("approval.answer"), payload: encode(params, yes) };
  assert.equal(forged.header.tag, tag);
  const header = { ...forged.header, id: freshId() };
  await refused({ ...forged, header, sender: truth }, /^refused:seal-/);
  await assert.rejects(read(asker), { code: "approval-needed" });
  await operator.call("approval.answer", yes);
  await refused(last("approval.answer"), /^refused:seal-replay/);
  assert.equal(await read(asker), VALUE);
  await refused(last("approval.answer"), /^refused:seal-replay/);
  await assert.rejects(read(asker), { code: "approval-needed" });
  await operator.call("secret.protect", { profile, name: NAME, ask: false });
  await operator.close();
  await asker.close();
});

test("[POLICY-14] a bus host that claims another policy stops calls, and allows none", async () => {
  // SECURITY: its word about versions would bring back what a rule forbids.
  const operator = await home.connect();
  host.policy = 1;
  await operator.call("vault.lock", { profile });
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
  await assert.rejects(
    read(operator),
    (cause) => cause instanceof Denial && cause.code === "policy-missing",
  );
  host.policy = 0;
  await operator.close();
  await owner.kill();
  await owner.start();
  await host.served();
});
