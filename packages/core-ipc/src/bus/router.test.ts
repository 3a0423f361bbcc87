import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BUS_HOST,
  encode,
  limits,
  MESSAGES,
  TOPIC_TAG,
  VAULT_OWNER,
  type ClientHeader,
  type Level,
  type MessageName,
} from "@sesame/core-types";
import { readDenial } from "./dispatcher.ts";
import { BUS_CONNECTION, Router, type Effect } from "./router.ts";

const EMPTY = new Uint8Array();
const APP = MESSAGES["app.call"].tag;
let ids = 0;

function header(given: Partial<ClientHeader> = {}): ClientHeader {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ++ids);
  return { type: "request", id, tag: 0, level: "internal", target: null, ttlMs: 0, ...given };
}

const kind = (name: MessageName, given: Partial<ClientHeader> = {}): ClientHeader =>
  header({ tag: MESSAGES[name].tag, level: MESSAGES[name].level, ...given });

/** A router with a stranger (1), two apps (2, 3), the operator (4) and the vault owner (5). */
function start() {
  let now = 0;
  let panic = false;
  const rooms = new Map<number, number>();
  const router = new Router({
    monotonicMs: () => now,
    room: (id) => rooms.get(id) ?? Number.POSITIVE_INFINITY,
    panic: () => panic,
  });
  const people: readonly (readonly [number, string | null, Level])[] = [
    [1, null, "open"],
    [2, "app", "internal"],
    [3, "other", "internal"],
    [4, "operator", "secrets-only"],
    [5, VAULT_OWNER, "secrets-only"],
  ];
  for (const [id, name, clearance] of people)
    router.connected(id, {
      name,
      kind: name === null ? null : "service",
      clearance,
      session: new Uint8Array(16),
    });
  const serve = (id: number): void => void router.message(id, kind("bus.serve"), EMPTY);
  serve(5);
  serve(3);
  const subscribe = (id: number, topic: string): Effect[] => {
    const params = encode(MESSAGES["bus.subscribe"].params, { topic });
    return router.message(id, kind("bus.subscribe"), params);
  };
  const begin = (): boolean => (panic = true);
  return { router, rooms, serve, subscribe, begin, turn: (ms: number) => (now += ms) };
}

const deliveries = (effects: readonly Effect[]) =>
  effects.filter((effect) => effect.do === "deliver");
const targets = (effects: readonly Effect[]): number[] => deliveries(effects).map(({ to }) => to);

/** The code of the only denial among the effects. */
function refusal(effects: readonly Effect[], to: number): string {
  const [only, ...more] = deliveries(effects);
  assert.ok(only !== undefined && more.length === 0);
  assert.deepEqual([only.to, only.from, only.header.type], [to, BUS_CONNECTION, "denial"]);
  assert.equal(only.header.level, "open");
  return readDenial(only.payload).code;
}

test("[ROUTE-1] nothing is accepted from a connection below its level", () => {
  // SECURITY: an unregistered process would otherwise ask for secrets.
  const { router } = start();
  for (const [name, { form, level }] of Object.entries(MESSAGES))
    if (form === "request" && level !== "open") {
      const effects = router.message(1, kind(name as MessageName), EMPTY);
      assert.equal(refusal(effects, 1), "clearance-too-low");
      assert.equal(effects[0]?.do, "audit");
    }
});

test("[ENROL-10] a connection that gets a name is routed by its clearance from then on", () => {
  // SECURITY: one that became somebody would keep what the old clearance let through.
  const { router, subscribe } = start();
  const session = new Uint8Array(16);
  const list = kind("agent.list");
  const news = header({ type: "publish", tag: TOPIC_TAG, target: "jobs" });
  assert.equal(refusal(router.message(1, list, EMPTY), 1), "clearance-too-low");
  router.identified(1, { name: "new", kind: "ai", clearance: "internal", session });
  assert.deepEqual(targets(router.message(1, list, EMPTY)), [BUS_CONNECTION]);
  subscribe(1, "jobs");
  assert.deepEqual(targets(router.message(2, news, EMPTY)), [1]);
  router.identified(1, { name: null, kind: null, clearance: "open", session });
  assert.equal(refusal(router.message(1, list, EMPTY), 1), "clearance-too-low");
  assert.deepEqual(targets(router.message(2, news, EMPTY)), []);
});

test("[MESSAGE-2] the level of a kind is the table's, whatever the caller wrote", () => {
  // SECURITY: a call marked `open` would reach owners and slip past the check of its sender.
  const { router } = start();
  const low = kind("secret.get", { level: "open" });
  assert.equal(refusal(router.message(2, low, EMPTY), 2), "clearance-too-low");
  const [delivered] = deliveries(router.message(4, low, EMPTY));
  assert.equal(delivered?.header.level, "secrets-only");
});

test("[ROUTE-2] a request does not reach an owner below its level", () => {
  // SECURITY: whoever serves under the owner's name with a lower clearance would read it.
  const { router } = start();
  const sender = { name: VAULT_OWNER, kind: "daemon", session: new Uint8Array(16) } as const;
  router.connected(6, { ...sender, clearance: "internal" });
  router.message(6, kind("bus.serve"), EMPTY);
  assert.equal(refusal(router.message(4, kind("secret.get"), EMPTY), 4), "owner-absent");
});

test("[ROUTE-3] a request reaches the owner of its kind and nobody else", () => {
  // SECURITY: every other connection would learn passwords and names.
  const { router, subscribe } = start();
  subscribe(2, "secret.get");
  const asked = kind("secret.get", { target: "other" });
  const [only, ...more] = deliveries(router.message(4, asked, EMPTY));
  assert.deepEqual([only?.to, only?.from, more.length], [5, 4, 0]);
  assert.equal(only?.header.target, null);
});

test("[ROUTE-3] an absent owner is said at once", () => {
  const { router } = start();
  router.disconnected(5);
  assert.equal(refusal(router.message(4, kind("secret.get"), EMPTY), 4), "owner-absent");
  for (const target of ["nobody", null, "__proto__"])
    assert.equal(
      refusal(router.message(2, header({ tag: APP, target }), EMPTY), 2),
      "owner-absent",
    );
});

test("[ROUTE-12] only a registered identity serves, under its own name, the latest first", () => {
  // SECURITY: an unregistered process would otherwise take the owner's place.
  const { router, serve } = start();
  assert.equal(refusal(router.message(1, kind("bus.serve"), EMPTY), 1), "clearance-too-low");
  router.connected(7, {
    name: "other",
    kind: "service",
    clearance: "internal",
    session: new Uint8Array(16),
  });
  const call = (): Effect[] => router.message(2, header({ tag: APP, target: "other" }), EMPTY);
  assert.deepEqual(targets(call()), [3]);
  serve(7);
  assert.deepEqual(targets(call()), [7]);
  router.disconnected(7);
  assert.equal(router.serves("other"), false);
});

test("[ROUTE-4] a reply counts from the connection that was asked, for that kind, once", () => {
  // SECURITY: any client that answers first would make the caller believe it.
  const { router } = start();
  const asked = header({ tag: APP, target: "other" });
  router.message(2, asked, EMPTY);
  const reply = { ...asked, type: "reply", target: null } as const;
  const forged = router.message(4, reply, EMPTY);
  assert.deepEqual(
    forged.map((effect) => effect.do),
    ["audit", "close"],
  );
  assert.deepEqual(router.message(3, { ...reply, tag: APP + 1 }, EMPTY), []);
  const [good] = deliveries(router.message(3, reply, new Uint8Array([1])));
  assert.deepEqual([good?.to, good?.from, good?.header.type], [2, 3, "reply"]);
  assert.deepEqual(router.message(3, reply, EMPTY), []);
});

test("[ROUTE-6] a call ends at its deadline, and a late reply is dropped", () => {
  const { router, turn } = start();
  const asked = header({ tag: APP, target: "other", ttlMs: 50 });
  router.message(2, asked, EMPTY);
  turn(49);
  assert.deepEqual(router.tick(), []);
  turn(1);
  assert.equal(refusal(router.tick(), 2), "deadline-passed");
  assert.deepEqual(router.tick(), []);
  assert.deepEqual(router.message(3, { ...asked, type: "reply" }, EMPTY), []);
});

test("[ROUTE-6] no call waits longer than ten minutes", () => {
  const { router, turn } = start();
  router.message(2, header({ tag: APP, target: "other", ttlMs: 0xffff_ffff }), EMPTY);
  turn(600_000);
  assert.equal(refusal(router.tick(), 2), "deadline-passed");
});

test("[ROUTE-7] calls vanish with either side", () => {
  const { router } = start();
  const asked = header({ tag: APP, target: "other" });
  router.message(2, asked, EMPTY);
  assert.deepEqual(router.disconnected(2), []);
  assert.deepEqual(router.message(3, { ...asked, type: "reply" }, EMPTY), []);
  router.message(4, header({ tag: APP, target: "other" }), EMPTY);
  assert.equal(refusal(router.disconnected(3), 4), "owner-absent");
  assert.deepEqual(router.disconnected(3), []);
});

test("[ROUTE-8] an event of the catalogue is published by its owner only", () => {
  // SECURITY: a forged `vault.changed` would make others act on a lie.
  const { router, subscribe } = start();
  subscribe(2, "vault.changed");
  const event = kind("vault.changed", { type: "publish" });
  for (const id of [1, 3, 4])
    assert.equal(refusal(router.message(id, event, EMPTY), id), "clearance-too-low");
  assert.deepEqual(targets(router.message(5, event, EMPTY)), [2]);
});

test("[TOPIC-2] an application topic is no name of the catalogue, and its publisher registered", () => {
  // SECURITY: an application could otherwise speak where a daemon is heard.
  const { router, subscribe } = start();
  for (const topic of ["vault.changed", "jobs", "bus.missed"]) subscribe(3, topic);
  const on = (target: string | null): ClientHeader =>
    header({ type: "publish", tag: TOPIC_TAG, target });
  assert.deepEqual(targets(router.message(2, on("jobs"), EMPTY)), [3]);
  for (const target of ["vault.changed", "bus.missed", "a//b", "", null])
    assert.equal(refusal(router.message(2, on(target), EMPTY), 2), "clearance-too-low");
  for (const level of ["open", "internal"] as const)
    assert.equal(
      refusal(router.message(1, { ...on("jobs"), level }, EMPTY), 1),
      "clearance-too-low",
    );
});

test("[TOPIC-1] applications choose `open` or `internal`, no more", () => {
  // SECURITY: what is above internal must be sealed, and application payloads are not.
  const { router, subscribe } = start();
  subscribe(3, "jobs");
  for (const level of ["profile-scoped", "secrets-only"] as const) {
    const publish = header({ type: "publish", tag: TOPIC_TAG, target: "jobs", level });
    assert.equal(refusal(router.message(4, publish, EMPTY), 4), "clearance-too-low");
    const call = header({ tag: APP, target: "other", level });
    assert.equal(refusal(router.message(4, call, EMPTY), 4), "clearance-too-low");
  }
});

test("[ROUTE-9] a publish is not echoed to its sender", () => {
  const { router, subscribe } = start();
  for (const id of [2, 3, 4]) subscribe(id, "jobs");
  const publish = header({ type: "publish", tag: TOPIC_TAG, target: "jobs" });
  assert.deepEqual(targets(router.message(2, publish, EMPTY)), [3, 4]);
});

test("[ROUTE-10] outstanding calls and subscriptions are bounded", () => {
  // SECURITY: one client could otherwise fill the bus with what it waits for.
  const { router, subscribe } = start();
  const call = (): Effect[] => router.message(2, header({ tag: APP, target: "other" }), EMPTY);
  for (let i = 0; i < limits.MAX_OUTSTANDING_CALLS; i++) assert.deepEqual(targets(call()), [3]);
  assert.equal(refusal(call(), 2), "busy");
  for (let i = 0; i < limits.MAX_SUBSCRIPTIONS; i++) subscribe(4, `t/${i}`);
  assert.equal(refusal(subscribe(4, "one-more"), 4), "busy");
});

test("[ROUTE-10] a call that has ended, however it ended, makes room for another", () => {
  const { router, turn } = start();
  const fill = (): ClientHeader[] =>
    Array.from({ length: limits.MAX_OUTSTANDING_CALLS }, () => {
      const asked = header({ tag: APP, target: "other" });
      assert.deepEqual(targets(router.message(2, asked, EMPTY)), [3]);
      return asked;
    });
  for (const asked of fill()) router.message(3, { ...asked, type: "reply" }, EMPTY);
  for (const asked of fill()) router.message(3, { ...asked, type: "denial" }, EMPTY);
  fill();
  turn(600_000);
  router.tick();
  fill();
  router.disconnected(3);
  router.connected(3, {
    name: "other",
    kind: "service",
    clearance: "internal",
    session: new Uint8Array(16),
  });
  router.message(3, kind("bus.serve"), EMPTY);
  fill();
});

test("[ROUTE-11] an id that is already waiting is refused", () => {
  // SECURITY: a second call under one id would take the first one's reply.
  const { router } = start();
  const asked = header({ tag: APP, target: "other" });
  router.message(2, asked, EMPTY);
  assert.equal(refusal(router.message(4, asked, EMPTY), 4), "duplicate-call");
});

test("[FLOW-1] a publish that does not fit is dropped for that subscriber, which is told", () => {
  const { router, rooms, subscribe } = start();
  for (const id of [3, 4]) subscribe(id, "jobs");
  const publish = (): Effect[] =>
    router.message(2, header({ type: "publish", tag: TOPIC_TAG, target: "jobs" }), EMPTY);
  rooms.set(3, 10);
  assert.deepEqual(targets(publish()), [4]);
  rooms.delete(3);
  // Until it was told, it hears nothing: it would take a hole for the whole.
  assert.deepEqual(targets(publish()), [4]);
  const [told] = deliveries(router.drained(3));
  assert.equal(told?.header.tag, MESSAGES["bus.missed"].tag);
  assert.deepEqual([...(told?.payload ?? [])], [0x91, 2]);
  assert.deepEqual(router.drained(3), []);
  assert.deepEqual(targets(publish()), [3, 4]);
});

test("[FLOW-2] a call or reply that does not fit is answered busy", () => {
  const { router, rooms } = start();
  rooms.set(3, 10);
  const call = (): ClientHeader => header({ tag: APP, target: "other" });
  assert.equal(refusal(router.message(2, call(), EMPTY), 2), "busy");
  rooms.clear();
  const asked = call();
  router.message(2, asked, EMPTY);
  rooms.set(2, 10);
  assert.equal(refusal(router.message(3, { ...asked, type: "reply" }, EMPTY), 2), "busy");
});

test("[FLOW-4] who asks and does not read is closed, not answered without end", () => {
  // SECURITY: refusals would pile up in the bus's memory as fast as a client can ask.
  const { router, rooms } = start();
  rooms.set(1, -limits.MAX_REFUSAL_BYTES);
  assert.equal(refusal(router.message(1, kind("secret.get"), EMPTY), 1), "clearance-too-low");
  rooms.set(1, -limits.MAX_REFUSAL_BYTES - 1);
  assert.deepEqual(router.message(1, header({ tag: 1 }), EMPTY), [
    { do: "close", connection: 1, rule: "FLOW-4" },
  ]);
});

test("[DENIAL-1] kinds that nobody knows, and malformed parameters, are refused", () => {
  const { router } = start();
  for (const tag of [0, 1, 0xffff, TOPIC_TAG, MESSAGES["profile.changed"].tag])
    assert.equal(refusal(router.message(2, header({ tag }), EMPTY), 2), "unknown-kind");
  const bad = router.message(2, kind("bus.subscribe"), new Uint8Array([1]));
  assert.equal(refusal(bad, 2), "params-invalid");
});

test("the bus host's kinds reach the bus host", () => {
  const { router } = start();
  assert.deepEqual(targets(router.message(1, kind("status.get"), EMPTY)), [BUS_CONNECTION]);
  assert.ok(router.serves(BUS_HOST));
  assert.deepEqual(router.message(99, kind("status.get"), EMPTY), []);
});

test("[PANIC-6] while a panic holds, who is nobody now is told why", () => {
  const { router, begin } = start();
  const list = (): ClientHeader => kind("profile.list");
  assert.equal(refusal(router.message(1, list(), EMPTY), 1), "clearance-too-low");
  begin();
  assert.equal(refusal(router.message(1, list(), EMPTY), 1), "panic");
  // Who is somebody hears from the owner.
  assert.equal(refusal(router.message(2, kind("secret.get"), EMPTY), 2), "clearance-too-low");
});
