import assert from "node:assert/strict";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { unpack } from "msgpackr";
import type { X25519KeyPair } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  BUS_HOST,
  decode,
  Denial,
  encode,
  LAUNCHER,
  limits,
  MESSAGES,
  VAULT_OWNER,
  type Identity,
  type Posture,
  type Sender,
} from "@sesame/core-types";
import { eventually } from "../../../../test/helpers/eventually.ts";
import { NoisePeer } from "../../../../test/helpers/noise-peer.ts";
import { Dispatcher, type Handlers } from "../bus/dispatcher.ts";
import { Registry } from "../bus/registry.ts";
import { only } from "../noise/respond.ts";
import { SealedOwner } from "../seal/sealed-owner.ts";
import { handClock, identity } from "../testing/pair.ts";
import { connectBus, type BusClient } from "./bus-client.ts";
import { BusServer, type Incident } from "./bus-server.ts";

const busKeys = suite.generateX25519();
const people = ["operator", "app", "other", VAULT_OWNER, LAUNCHER] as const;
type Person = (typeof people)[number];
const keys = new Map<Person, X25519KeyPair>(people.map((name) => [name, suite.generateX25519()]));
const keysOf = (name: Person): X25519KeyPair => keys.get(name) as X25519KeyPair;
const identities: readonly Identity[] = [
  identity(BUS_HOST, { kind: "daemon", noiseKey: busKeys.publicKey }),
  ...people.map((name) =>
    identity(name, {
      noiseKey: keysOf(name).publicKey,
      ...(name === "operator" ? { kind: "human", capabilities: ["admin"] } : { kind: "service" }),
      ...(name === VAULT_OWNER || name === LAUNCHER ? { kind: "daemon" } : {}),
      clearance: name === "operator" || name === VAULT_OWNER ? "secrets-only" : "internal",
    }),
  ),
].map((one, i) => ({ ...one, id: `00000000-0000-7000-8000-00000000000${i}` }));
const text = (from: Uint8Array): string => new TextDecoder().decode(from);
const utf8 = (from: string): Uint8Array => new TextEncoder().encode(from);

const GOOD: Posture = {
  release: "test",
  landlockAbi: 6,
  filesConfined: true,
  threads: 11,
  threadsConfined: 11,
  filters: 2,
  dumpable: false,
  coreLimit: 0,
  secureMemory: "memfd_secret",
  lockedBytes: 0,
  memlockLimit: 0,
};

const STATUS = {
  release: "test",
  pid: 1,
  uptimeMs: 2,
  secretsConnected: false,
  auditWritable: true,
  panic: false,
};

const idOf = (name: Person): string => identities.find((one) => one.name === name)?.id ?? "";

async function start(t: TestContext, uids = [process.getuid?.() ?? 0]) {
  const directory = mkdtempSync(join(tmpdir(), "sesame-bus-"));
  const socket = join(directory, "bus.sock");
  const clock = handClock();
  const incidents: Incident[] = [];
  const asked: Sender[] = [];
  /** How deep delegations are in the bus host's own ledger, by name. */
  const ledger = new Map<string, number>();
  let heard: () => void = () => undefined;
  const server = new BusServer({
    suite,
    keys: only(busKeys),
    registry: new Registry(identities, Date.now),
    clock,
    log: () => undefined,
    posture: GOOD,
    depths: () => ledger,
    uids,
    incident: (incident) => {
      incidents.push(incident);
      heard();
    },
    answer: (header) => {
      asked.push(header.sender);
      if (header.tag !== MESSAGES["status.get"].tag) throw new Error("not asked here");
      const payload = encode(MESSAGES["status.get"].result, { ...STATUS, you: header.sender.name });
      return Promise.resolve({ type: "reply", payload });
    },
  });
  await server.listen({ path: socket });
  const clients: BusClient[] = [];
  t.after(async () => {
    for (const client of clients) await client.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  const client = async (name?: Person): Promise<BusClient> => {
    const own = name === undefined ? {} : { keys: keysOf(name) };
    const base = { socket, suite, busKey: busKeys.publicKey, identities };
    const made = await connectBus({ ...base, ...own });
    clients.push(made);
    return made;
  };
  const peer = async (name?: Person): Promise<NoisePeer> => {
    const { secretKey } = name === undefined ? suite.generateX25519() : keysOf(name);
    const made = await NoisePeer.connect(socket, secretKey, busKeys.publicKey);
    t.after(() => made.close());
    return made;
  };
  /** Waits for an incident. */
  const incident = async (outcome: RegExp): Promise<Incident> => {
    for (;;) {
      const found = incidents.find((one) =>
        outcome.test(`${one.action} ${one.object} ${one.outcome}`),
      );
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (heard = resolve));
    }
  };
  return { server, socket, clock, client, peer, incident, incidents, asked, ledger };
}

test("[HANDSHAKE-4] a client is what its key says, and unregistered without one", async (t) => {
  // SECURITY: a client that could choose its name would choose the operator's.
  const { client } = await start(t);
  const operator = await client("operator");
  assert.equal(operator.welcome.name, "operator");
  assert.equal((await operator.call("status.get", {})).you, "operator");
  const stranger = await client();
  assert.deepEqual(stranger.welcome, {
    name: null,
    kind: null,
    clearance: "open",
    maxEnvelopeBytes: limits.MAX_OPEN_ENVELOPE_BYTES,
  });
  assert.equal((await stranger.call("status.get", {})).you, null);
  await assert.rejects(stranger.call("profile.list", {}), { code: "clearance-too-low" });
  await assert.rejects(
    stranger.subscribe("jobs", () => undefined),
    { code: "clearance-too-low" },
  );
});

test("[HANDSHAKE-1] a second implementation of the protocol is understood", async (t) => {
  const { peer } = await start(t);
  const app = await peer("app");
  assert.equal(app.hello.length, 59);
  assert.deepEqual(unpack(app.welcome), ["app", "service", "internal", limits.MAX_ENVELOPE_BYTES]);
  const envelope = app.envelope({ tag: 0x0110, payload: new Uint8Array([0x90]) });
  app.send(envelope);
  const got = await app.next();
  assert.deepEqual([got?.type, got?.tag, got?.level], [1, 0x0110, 0]);
  assert.equal(got?.senderName, BUS_HOST);
  assert.deepEqual(unpack(got?.payload ?? new Uint8Array()), [
    "test",
    1,
    2,
    false,
    true,
    false,
    "app",
  ]);
});

test("[HELLO-4] every connection has a session of its own", async (t) => {
  // SECURITY: calls that were sealed for one connection could otherwise be moved to another.
  const { peer } = await start(t);
  const sessions = new Set<string>();
  for (let i = 0; i < 20; i++)
    sessions.add(Buffer.from((await peer()).hello.subarray(43)).toString("hex"));
  assert.equal(sessions.size, 20);
});

test("[HANDSHAKE-3] the bus host's own key is refused to clients", async (t) => {
  // SECURITY: whoever copied it could speak as the bus host to everybody else.
  const { socket, incident } = await start(t);
  const peer = NoisePeer.connect(socket, busKeys.secretKey, busKeys.publicKey);
  await assert.rejects(peer);
  await incident(/bus.violation HANDSHAKE-3/);
});

test("[HANDSHAKE-2] a client that pins another key does not connect", async (t) => {
  const { socket } = await start(t);
  const { publicKey: busKey } = suite.generateX25519();
  await assert.rejects(connectBus({ socket, suite, busKey, identities }), { name: "Fault" });
});

test("[TRANSPORT-3] other users are closed before a byte is said", async (t) => {
  // SECURITY: another user of the machine must not even get the hello.
  const { socket, incident } = await start(t, []);
  const raw = connect({ path: socket });
  let bytes = 0;
  raw.on("data", (chunk) => (bytes += chunk.length));
  raw.on("error", () => undefined);
  await new Promise((resolve) => raw.once("close", resolve));
  assert.equal(bytes, 0);
  await incident(/bus.connect null refused:uid/);
});

test("[TRANSPORT-4] a client refuses a socket that belongs to another user", async (t) => {
  // SECURITY: another user who can place a socket would be taken for the bus.
  if (process.getuid?.() !== 0) return t.skip("needs root to give a file away");
  const directory = mkdtempSync(join(tmpdir(), "sesame-bus-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const socket = join(directory, "bus.sock");
  writeFileSync(socket, "");
  chownSync(socket, 12_345, 12_345);
  const given = connectBus({ socket, suite, busKey: busKeys.publicKey, identities });
  await assert.rejects(given, { name: "Fault", exit: "denied" });
  const served = { socket, suite, busKey: busKeys.publicKey, identities, served: 12_345 };
  await assert.rejects(connectBus(served), { name: "Fault", exit: "unavailable" });
});

test("[TRANSPORT-5] of too many half-open connections the oldest makes way", async (t) => {
  // SECURITY: connections that never authenticate would otherwise use up the bus.
  const { socket, client } = await start(t);
  const open = async (): Promise<ReturnType<typeof connect>> => {
    const raw = connect({ path: socket });
    raw.on("error", () => undefined);
    t.after(() => raw.destroy());
    await new Promise((resolve) => raw.once("data", resolve));
    return raw;
  };
  const oldest = await open();
  for (let i = 1; i < limits.MAX_HALF_OPEN; i++) await open();
  assert.equal(oldest.closed, false);
  await open();
  assert.equal((await client()).welcome.name, null);
  assert.equal(oldest.closed, true, "it was closed before anybody else got in");
});

test("[TRANSPORT-5] a handshake that does not come is not waited for", async (t) => {
  // SECURITY: as above, by patience instead of number.
  const { socket } = await start(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const raw = connect({ path: socket });
  await new Promise((resolve) => raw.once("data", resolve));
  const gone = new Promise((resolve) => raw.once("close", resolve));
  t.mock.timers.tick(limits.HANDSHAKE_TIMEOUT_MS - 1);
  assert.equal(raw.closed, false);
  t.mock.timers.tick(1);
  await gone;
});

test("[LIMIT-1] unregistered connections are counted, registered ones pass them", async (t) => {
  // SECURITY: any process of the user could otherwise shut the daemons out.
  const { client, incident } = await start(t);
  for (let i = 0; i < limits.MAX_OPEN_CONNECTIONS; i++) await client();
  await assert.rejects(client(), { name: "Fault" });
  await incident(/bus.violation LIMIT-1/);
  assert.equal((await client("app")).welcome.name, "app");
});

test("[ROUTE-3] calls, refusals and faults of an application come back to its caller", async (t) => {
  const { client } = await start(t);
  const [app, other] = [await client("app"), await client("other")];
  await assert.rejects(app.request("other", utf8("x")), { code: "owner-absent" });
  await other.serveApp((body, sender) => {
    if (text(body) === "no") throw new Denial("profile-unknown", "work");
    return utf8(`${sender.name} said ${text(body)}`);
  });
  assert.equal(text(await app.request("other", utf8("hello"))), "app said hello");
  const refused = { code: "profile-unknown", detail: "work" };
  await assert.rejects(app.request("other", utf8("no")), refused);
  const large = new Uint8Array(3_000_000).fill(0x61);
  assert.equal((await app.request("other", large)).length, large.length + 9);
});

test("[ROUTE-6] a call ends at its deadline, at its signal, or with the connection", async (t) => {
  const { client, clock, server } = await start(t);
  const [app, other] = [await client("app"), await client("other")];
  const asked: string[] = [];
  const never = Promise.withResolvers<Uint8Array>();
  let arrived: () => void = () => undefined;
  await other.serveApp((body) => {
    asked.push(text(body));
    arrived();
    return never.promise;
  });
  const hang = async (name: string, options = {}): Promise<{ call: Promise<Uint8Array> }> => {
    const seen = new Promise<void>((resolve) => (arrived = resolve));
    const call = app.request("other", utf8(name), options);
    call.catch(() => undefined);
    await seen;
    return { call };
  };
  const late = await hang("late", { timeoutMs: 500 });
  clock.turn(500);
  await assert.rejects(late.call, { code: "deadline-passed" });
  const abort = new AbortController();
  const stopped = await hang("stopped", { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(stopped.call, /enough/);
  await assert.rejects(app.request("other", utf8("x"), { signal: abort.signal }), /enough/);
  const orphan = await hang("orphan");
  await other.close();
  await assert.rejects(orphan.call, { code: "owner-absent" });
  assert.deepEqual(asked, ["late", "stopped", "orphan"]);
  await server.close();
  await app.closed;
  await assert.rejects(app.call("status.get", {}), { name: "Fault", exit: "unavailable" });
});

test("[ROUTE-13] a bus that never answers is not waited for", async (t) => {
  // SECURITY: a bus host that withholds answers would hold every program up for good.
  const { client, socket, clock } = await start(t);
  const app = await client("app");
  await app.serveApp(() => new Promise<Uint8Array>(() => undefined));
  t.mock.timers.enable({ apis: ["setInterval"] });
  const base = { socket, suite, busKey: busKeys.publicKey, identities };
  const caller = await connectBus({ ...base, keys: keysOf("other"), clock });
  t.after(() => caller.close());
  const answer = caller.request("app", utf8("?"), { timeoutMs: 300 });
  let ended = false;
  answer.catch(() => (ended = true));
  clock.turn(300 + limits.DEADLINE_GRACE_MS - 1);
  t.mock.timers.tick(500);
  await caller.call("status.get", {});
  assert.equal(ended, false);
  clock.turn(1);
  t.mock.timers.tick(500);
  await assert.rejects(answer, { code: "deadline-passed" });
});

test("[ROUTE-9] what is published reaches subscribers, and not its sender", async (t) => {
  const { client, server } = await start(t);
  const [app, other] = [await client("app"), await client("other")];
  const heard: string[] = [];
  const done = Promise.withResolvers<void>();
  await app.subscribe("jobs", () => assert.fail("echoed"));
  await other.subscribe("jobs", (payload, { sender, level }) => {
    heard.push(`${sender.name} ${level} ${text(payload)}`);
    if (heard.length === 3) done.resolve();
  });
  app.publish("jobs", utf8("1"));
  app.publish("jobs", utf8("2"), "open");
  app.publish("jobs", utf8("3"));
  await done.promise;
  assert.deepEqual(heard, ["app internal 1", "app open 2", "app internal 3"]);
  await other.unsubscribe("jobs");
  const changed = Promise.withResolvers<unknown>();
  await other.on("profile.changed", changed.resolve);
  server.emit("profile.changed", { profiles: [{ name: "work", active: true, default: true }] });
  assert.deepEqual(await changed.promise, {
    profiles: [{ name: "work", active: true, default: true }],
  });
});

test("[FLOW-1] a subscriber that does not read learns how much it missed", async (t) => {
  const { client, peer } = await start(t);
  const [app, slow] = [await client("app"), await peer("other")];
  slow.send(slow.envelope({ tag: 0x0101, payload: new Uint8Array([0x91, 0xa4, ...utf8("jobs")]) }));
  assert.equal((await slow.next())?.type, 1);
  slow.pause();
  const sent = 20;
  for (let i = 0; i < sent; i++) app.publish("jobs", new Uint8Array(1_000_000));
  // Answered behind the publishes, so all of them have been routed.
  await app.call("status.get", {});
  slow.resume();
  let got = 0;
  let missed = 0;
  while (missed === 0) {
    const envelope = await slow.next();
    assert.ok(envelope !== null);
    if (envelope.tag === MESSAGES["bus.missed"].tag)
      [missed = 0] = unpack(envelope.payload) as number[];
    else got++;
  }
  assert.ok(got >= 1);
  assert.equal(got + missed, sent);
  app.publish("jobs", utf8("after"));
  assert.equal(text((await slow.next())?.payload ?? new Uint8Array()), "after");
});

test("[FLOW-3] a connection that takes nothing for five seconds is closed", async (t) => {
  // SECURITY: queues that are never read would hold the bus's memory for ever.
  const { client, peer, clock, incident } = await start(t);
  const [app, slow] = [await client("app"), await peer("other")];
  slow.send(slow.envelope({ tag: 0x0101, payload: new Uint8Array([0x91, 0xa4, ...utf8("jobs")]) }));
  await slow.next();
  slow.pause();
  for (let i = 0; i < 3; i++) app.publish("jobs", new Uint8Array(1_000_000));
  await app.call("status.get", {});
  clock.turn(1);
  const closed = incident(/bus.connection null closed:stalled/);
  // The bus looks four times a second; each look sees five more seconds without progress.
  const turning = setInterval(() => clock.turn(limits.STALL_TIMEOUT_MS), 50);
  assert.equal((await closed).name, "other");
  clearInterval(turning);
  assert.equal((await app.call("status.get", {})).you, "app");
});

test("[ENVELOPE-1] a violation closes its connection, whatever is queued, and no other", async (t) => {
  // SECURITY: two envelopes from an unregistered process would otherwise end the bus.
  const { client, peer, incident } = await start(t);
  const bystander = await client("app");
  for (const name of [undefined, "other"] as const) {
    const hostile = await peer(name);
    const malformed = hostile.envelope({ tag: 0x0fff });
    malformed[1] = 2;
    hostile.send(hostile.envelope({ tag: 0x0fff }), malformed, hostile.envelope({ tag: 0x0fff }));
    await hostile.ended;
  }
  assert.equal((await incident(/bus.violation ENVELOPE-1/)).outcome, "closed");
  assert.equal((await bystander.call("status.get", {})).you, "app");
});

test("[ROUTE-4] an answer that nobody asked for closes its connection in mid-stream", async (t) => {
  // SECURITY: what follows in the same read would reach keys that are gone, and end the bus.
  const { client, peer, incident } = await start(t);
  const bystander = await client("app");
  const hostile = await peer("other");
  const reply = hostile.envelope({ type: 1, tag: 0x0501 });
  for (let i = 0; i < 5; i++) hostile.send(reply, reply);
  await hostile.ended;
  assert.equal((await incident(/bus.reply app.call refused:not-asked/)).name, "other");
  assert.equal((await bystander.call("status.get", {})).you, "app");
});

test("[ENVELOPE-2] a client cannot write the sender", async (t) => {
  // SECURITY: it would act under any name.
  const { peer, incident } = await start(t);
  const hostile = await peer("app");
  const header = hostile.envelope({ tag: 0x0110 });
  header[0] = 0x9c;
  const trust = [0xc4, 8, 2, 0, 100, 0xff, 0xff, 0xff, 0xff, 0];
  const sender = [0xa8, ...utf8("operator"), 0, 3, 0xc4, 16, ...new Uint8Array(16), ...trust];
  hostile.send(new Uint8Array([...header, ...sender]));
  await hostile.ended;
  await incident(/bus.violation ENVELOPE-1/);
});

test("[TRUST-1] the vector says what the bus saw of each connection, not what its client says", async (t) => {
  // SECURITY: a program that could praise itself would pass whatever asks for a minimum of trust.
  const { client, asked, server, clock } = await start(t);
  clock.turn(5_999);
  const seconds = Math.floor(clock.wallMs() / 1_000);
  for (const name of ["app", undefined] as const) {
    const one = await client(name);
    await one.call("status.get", {});
    const { certain } = server.peerOf(one.session)?.peer ?? { certain: false };
    assert.deepEqual(asked.at(-1)?.trust, {
      authentication: name === undefined ? "none" : certain ? "key-and-pid" : "key",
      exposure: "local",
      posture: 100,
      authorizedAt: name === undefined ? 0 : seconds,
      delegation: 0,
    });
  }
});

test("[TRUST-1] [ENVELOPE-2] the second implementation finds the vector where it stands", async (t) => {
  const { peer, clock } = await start(t);
  const app = await peer("app");
  app.send(app.envelope({ tag: 0x0110, payload: new Uint8Array([0x90]) }));
  const got = await app.next();
  const time = Buffer.alloc(4);
  time.writeUInt32BE(Math.floor(clock.wallMs() / 1_000));
  assert.deepEqual(Buffer.from(got?.trust ?? []), Buffer.from([1, 0, 100, ...time, 0]));
});

test("[TRUST-2] [TRUST-3] the posture is that of the worst daemon that serves", async (t) => {
  // SECURITY: keys that any program can read would be told as well kept.
  const { client, server, asked } = await start(t);
  const app = await client("app");
  const posture = async (percent: number): Promise<void> => {
    await eventually(`a posture of ${percent} %`, async () => {
      await app.call("status.get", {});
      return asked.at(-1)?.trust.posture === percent;
    });
  };
  await posture(100);
  const vault = await client(VAULT_OWNER);
  await vault.serve(() => Promise.reject(new Denial("unknown-kind")));
  await posture(0);
  const wrong: readonly (readonly [Partial<Posture>, number])[] = [
    [{ filesConfined: false }, 50],
    [{ threadsConfined: 10 }, 50],
    [{ filesConfined: false, secureMemory: "mlock" }, 25],
    [{ dumpable: true }, 0],
    [{ coreLimit: 1 }, 0],
    [{ secureMemory: "none" }, 0],
  ];
  for (const [one, percent] of wrong) {
    server.report(vault.session, { ...GOOD, ...one });
    await posture(percent);
    server.report(vault.session, GOOD);
    await posture(100);
  }
  server.report(vault.session, { ...GOOD, secureMemory: "mlock" });
  await posture(50);
  await vault.close();
  await posture(100);
});

test("[TRUST-6] [TRUST-3] the delegation is the deepest that a ledger has, and follows it", async (t) => {
  // SECURITY: what somebody does with rights that went through many hands would pass for its own.
  const { client, server, asked, ledger } = await start(t);
  const [app, other] = [await client("app"), await client("other")];
  const seen = async (one: BusClient): Promise<number | undefined> => {
    await one.call("status.get", {});
    return asked.at(-1)?.trust.delegation;
  };
  const becomes = (deep: number) =>
    eventually(`a delegation ${deep} deep`, async () => (await seen(app)) === deep);
  assert.equal(await seen(app), 0);
  ledger.set(idOf("app"), 1);
  await becomes(1);
  const vault = await client(VAULT_OWNER);
  server.delegated(vault.session, [{ identity: idOf("app"), links: 3 }]);
  assert.equal(await seen(app), 3);
  assert.equal(await seen(other), 0);
  ledger.set(idOf("app"), 4);
  await becomes(4);
  ledger.clear();
  await becomes(3);
  server.delegated(vault.session, [{ identity: idOf("app"), links: 2 }]);
  assert.equal(await seen(await client("app")), 2, "from its first message on");
  server.delegated(vault.session, [{ identity: idOf("app"), links: 0 }]);
  assert.equal(await seen(app), 0);
  server.delegated(vault.session, [{ identity: idOf("app"), links: 1_000 }]);
  assert.equal(await seen(app), 255, "a byte of it");
  await vault.close();
  await becomes(0);
});

test("[TRUST-6] of a daemon that tells without end a bounded part is kept", async (t) => {
  // SECURITY: a daemon that was taken over would fill the memory of the bus.
  const { client, server, asked } = await start(t);
  const [app, vault] = [await client("app"), await client(VAULT_OWNER)];
  const made = Array.from({ length: limits.MAX_DEPTHS_KEPT }, (_, i) => ({
    identity: `made up ${i}`,
    links: 1,
  }));
  server.delegated(vault.session, made);
  server.delegated(vault.session, [{ identity: idOf("app"), links: 2 }]);
  await app.call("status.get", {});
  assert.equal(asked.at(-1)?.trust.delegation, 0);
});

test("[TRUST-3] reading the record again renews the authorization of those that are in it", async (t) => {
  const { client, server, clock, asked } = await start(t);
  const [app, stranger] = [await client("app"), await client()];
  const before = Math.floor(clock.wallMs() / 1_000);
  clock.turn(60_000);
  await app.call("status.get", {});
  assert.equal(asked.at(-1)?.trust.authorizedAt, before);
  server.reregister();
  await app.call("status.get", {});
  assert.equal(asked.at(-1)?.trust.authorizedAt, before + 60);
  await stranger.call("status.get", {});
  assert.equal(asked.at(-1)?.trust.authorizedAt, 0);
});

test("[ENVELOPE-3] the largest envelope of a hostile sender does not cost the receiver its connection", async (t) => {
  // SECURITY: the header grows on its way, so a full envelope would break its receiver's bound.
  const { client, peer } = await start(t);
  const other = await client("other");
  const got = Promise.withResolvers<number>();
  await other.serveApp((body) => {
    got.resolve(body.length);
    return new Uint8Array();
  });
  const hostile = await peer("app");
  const empty = hostile.envelope({ tag: 0x0501, target: "other" }).length;
  const payload = new Uint8Array(limits.MAX_ENVELOPE_BYTES - empty);
  const envelope = hostile.envelope({ tag: 0x0501, target: "other", payload });
  const size = 65_519;
  for (let at = 0; at < envelope.length;) {
    const head = at === 0 ? [1, 1, 0, 0, 0] : [2];
    const piece = envelope.subarray(at, at + size - head.length);
    hostile.write(hostile.sealed(new Uint8Array(Buffer.concat([Buffer.from(head), piece]))));
    at += piece.length;
  }
  assert.equal(await Promise.race([got.promise, other.closed]), payload.length);
  assert.equal((await hostile.next())?.type, 1);
  assert.equal((await other.call("status.get", {})).you, "other");
});

/** The vault owner, with one kind that matters. */
async function owner(client: BusClient, log: string[]): Promise<void> {
  const clock = { wallMs: Date.now, monotonicMs: () => performance.now() };
  const handlers = {
    "secret.get": async (
      { name }: { name: string },
      call: { record: () => Promise<void> },
    ): Promise<unknown> => {
      if (name === "none") throw new Denial("secret-not-found", name);
      await call.record();
      return { value: utf8(`value of ${name}`), version: 3 };
    },
  } as unknown as Handlers<typeof VAULT_OWNER>;
  const dispatcher = new Dispatcher({
    handlers,
    registry: new Registry(identities, Date.now),
    sealed: new SealedOwner(suite, only(keysOf(VAULT_OWNER)), clock),
    audit: (records) =>
      Promise.resolve(
        void log.push(
          ...records.map(({ action, outcome, caller }) => `${action} ${outcome} ${caller}`),
        ),
      ),
    log: () => undefined,
    incident: () => "1",
    memory: suite,
  });
  await client.serve((header, payload) => dispatcher.answer(header, payload));
}

test("[SEAL-1] sealed calls go through the bus, and survive a restart of their owner", async (t) => {
  const { client } = await start(t);
  const log: string[] = [];
  const first = await client(VAULT_OWNER);
  await owner(first, log);
  const operator = await client("operator");
  const get = async (name: string): Promise<string> => {
    const { value } = await operator.call("secret.get", { profile: "work", name });
    return text(value);
  };
  assert.equal(await get("a"), "value of a");
  assert.deepEqual(await Promise.all([get("b"), get("c")]), ["value of b", "value of c"]);
  await assert.rejects(get("none"), { code: "secret-not-found", detail: "none" });
  await first.close();
  await assert.rejects(get("a"), { code: "owner-absent" });
  await owner(await client(VAULT_OWNER), log);
  assert.deepEqual(await Promise.all([get("d"), get("e")]), ["value of d", "value of e"]);
  assert.ok(log.includes("secret.get refused:secret-not-found operator"));
});

test("[SEAL-6] an answer in the owner's place is refused by the caller", async (t) => {
  // SECURITY: whoever serves under the owner's name without its key would choose the values.
  const { client, peer } = await start(t);
  const impostor = await client(VAULT_OWNER);
  await impostor.serve(() => Promise.resolve({ type: "reply", payload: new Uint8Array(90) }));
  const operator = await client("operator");
  const call = operator.call("secret.get", { profile: "work", name: "a" });
  await assert.rejects(call, { name: "Fault", exit: "integrity" });
  assert.notEqual(await peer("app"), null);
});

test("[DENIAL-1] words that are no denial concern their call only", async (t) => {
  const { client } = await start(t);
  const [app, other] = [await client("app"), await client("other")];
  await other.serve(() => Promise.resolve({ type: "denial", payload: new Uint8Array([1]) }));
  await assert.rejects(app.request("other", utf8("x")), { name: "Fault", exit: "integrity" });
  assert.equal((await app.call("status.get", {})).you, "app");
});

test("nothing listens: the fault says so", async () => {
  const socket = join(tmpdir(), "sesame-no-such-bus.sock");
  const call = connectBus({ socket, suite, busKey: busKeys.publicKey, identities });
  await assert.rejects(call, { name: "Fault", exit: "unavailable" });
});

test("[RUN-21] the launcher's word is believed of a connection that is still there", async (t) => {
  // SECURITY: an answer that comes late would be about whoever has the pid then.
  const { server, client } = await start(t);
  const sha256 = new Uint8Array(32).fill(7);
  const processes = [{ pid: process.pid, title: "x", executable: "/bin/x" }];
  const app = await client("app");
  const { session } = app;
  const before = await server.introduce(session);
  assert.equal(before?.sha256, null, "there is no launcher");
  assert.equal(before?.processes[0]?.pid, process.pid);

  const asked: number[] = [];
  let meanwhile = (): Promise<unknown> => Promise.resolve();
  const launcher = await client(LAUNCHER);
  await launcher.serve(async ({ tag, sender }, payload) => {
    const { params, result } = MESSAGES["process.describe"];
    assert.deepEqual([tag, sender.name], [MESSAGES["process.describe"].tag, BUS_HOST]);
    asked.push(decode(params, payload).pid);
    await meanwhile();
    return { type: "reply", payload: encode(result, { processes, sha256 }) };
  });
  const found = await server.introduce(session);
  assert.deepEqual(found?.processes, processes);
  assert.deepEqual(new Uint8Array(found.sha256 ?? []), sha256);
  assert.equal(server.peerOf(session)?.peer.executable, "/bin/x");
  assert.deepEqual(asked, [process.pid]);
  meanwhile = async () => {
    await app.close();
    await eventually("the bus has noticed", () => server.peerOf(session) === null);
  };
  const late = await server.introduce(session);
  assert.equal(late?.sha256, null);
  assert.equal(await server.introduce(session), null);

  meanwhile = () => Promise.resolve();
  const other = await client("other");
  await eventually("asked without a question", () => asked.length === 3);
  assert.equal(server.peerOf(other.session)?.sender.name, "other");
});
