import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  dominates,
  encode,
  LEVELS,
  messageByTag,
  MESSAGES,
  TOPIC_TAG,
  VAULT_OWNER,
  type ClientHeader,
  type EnvelopeType,
  type Level,
} from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { readDenial } from "./dispatcher.ts";
import { BUS_CONNECTION, Router, type Effect } from "./router.ts";

// The router against a model that is slow and obvious: it keeps everything that ever happened in
// lists and searches them.

const NAMES = [null, "app", "other", "operator", VAULT_OWNER] as const;
const TOPICS = ["jobs", "jobs/done", "vault.changed"] as const;
const KINDS = ["app.call", "secret.get", "vault.status", "status.get", "audit.append"] as const;
const SLOTS = 7;

type Op =
  | { readonly op: "connect"; readonly slot: number; readonly who: number; readonly level: number }
  | { readonly op: "disconnect"; readonly slot: number }
  | { readonly op: "serve"; readonly slot: number }
  | { readonly op: "subscribe"; readonly slot: number; readonly topic: number }
  | { readonly op: "unsubscribe"; readonly slot: number; readonly topic: number }
  | { readonly op: "request"; readonly slot: number; readonly kind: number; readonly who: number }
  | {
      readonly op: "reply";
      readonly slot: number;
      readonly call: number;
      readonly type: "reply" | "denial";
    }
  | {
      readonly op: "publish";
      readonly slot: number;
      readonly topic: number;
      readonly level: number;
    }
  | { readonly op: "turn"; readonly ms: number };

const slot = fc.nat(SLOTS - 1);
const topic = fc.nat(TOPICS.length - 1);
const who = fc.nat(NAMES.length - 1);
const level = fc.nat(LEVELS.length - 1);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ op: fc.constant("connect" as const), slot, who, level }) },
  fc.record({ op: fc.constant("disconnect" as const), slot }),
  { weight: 3, arbitrary: fc.record({ op: fc.constant("serve" as const), slot }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("subscribe" as const), slot, topic }) },
  fc.record({ op: fc.constant("unsubscribe" as const), slot, topic }),
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("request" as const),
      slot,
      kind: fc.nat(KINDS.length - 1),
      who,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant("reply" as const),
      slot,
      call: fc.nat(12),
      type: fc.constantFrom("reply" as const, "denial" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("publish" as const), slot, topic, level }) },
  fc.record({ op: fc.constant("turn" as const), ms: fc.constantFrom(1, 5_000, 20_000) }),
);

type Live = { readonly id: number; readonly name: string | null; readonly clearance: Level };
type CallRecord = {
  readonly id: string;
  readonly tag: number;
  readonly caller: number;
  readonly owner: number;
  readonly until: number;
  state: "waiting" | "answered" | "gone";
};
type Seen = { readonly to: number; readonly type: EnvelopeType; readonly id: string };

class Model {
  now = 0;
  live: Live[] = [{ id: BUS_CONNECTION, name: "daemon-profile", clearance: "internal" }];
  /** Who said it serves, in order. */
  served: { readonly id: number; readonly name: string | null }[] = [
    { id: BUS_CONNECTION, name: "daemon-profile" },
  ];
  subscriptions: { readonly id: number; readonly topic: string }[] = [];
  calls: CallRecord[] = [];

  find(id: number): Live | undefined {
    return this.live.find((connection) => connection.id === id);
  }

  /** The last that serves under a name; when it goes, nobody does. */
  server(name: string): Live | undefined {
    const last = this.served.filter((entry) => entry.name === name).at(-1);
    return last === undefined ? undefined : this.find(last.id);
  }

  waiting(owner: number, id: string): CallRecord | undefined {
    return this.calls.find((c) => c.owner === owner && c.id === id && c.state === "waiting");
  }
}

const key = (id: Uint8Array): string => Buffer.from(id).toString("hex");

function run(ops: readonly Op[]): void {
  const model = new Model();
  const router = new Router({
    monotonicMs: () => model.now,
    room: () => Number.POSITIVE_INFINITY,
  });
  const slots = new Map<number, number>();
  const history: ClientHeader[] = [];
  const answers = new Map<string, number>();
  let nextId = 1;
  let nextCall = 0;

  /** Checks what holds for every effect, whatever led to it. */
  const check = (effects: readonly Effect[], expected: readonly Seen[], by: number): void => {
    const got: Seen[] = [];
    for (const effect of effects) {
      if (effect.do !== "deliver") continue;
      const { to, header } = effect;
      const receiver = model.find(to);
      assert.ok(receiver !== undefined, "delivered to somebody who is gone");
      assert.ok(dominates(receiver.clearance, header.level), "delivered above a clearance");
      if (header.type === "publish") assert.notEqual(to, by, "echoed");
      if (header.type === "reply" || header.type === "denial") {
        const name = `${to} ${key(header.id)}`;
        answers.set(name, (answers.get(name) ?? 0) + 1);
        assert.equal(answers.get(name), 1, "a call was answered twice");
      }
      if (header.type === "denial" && effect.from === BUS_CONNECTION) readDenial(effect.payload);
      got.push({ to, type: header.type, id: key(header.id) });
    }
    const order = (one: Seen, other: Seen): number =>
      one.to - other.to || one.id.localeCompare(other.id);
    assert.deepEqual([...got].sort(order), [...expected].sort(order));
  };

  const fresh = (given: Pick<ClientHeader, "type" | "tag" | "level" | "target">): ClientHeader => {
    const id = new Uint8Array(16);
    new DataView(id.buffer).setUint32(0, ++nextCall);
    return { id, ttlMs: 0, ...given };
  };

  const request = (
    from: Live,
    name: (typeof KINDS)[number] | "bus.subscribe" | "bus.unsubscribe" | "bus.serve",
    target: string | null,
    payload: Uint8Array = new Uint8Array(),
  ): [Effect[], ClientHeader] => {
    const { tag, level: rowLevel } = MESSAGES[name];
    const header = fresh({ type: "request", tag, level: rowLevel, target });
    return [router.message(from.id, header, payload), header];
  };

  for (const step of ops) {
    if (step.op === "turn") {
      model.now += step.ms;
      const overdue = model.calls.filter((c) => c.state === "waiting" && c.until <= model.now);
      const effects = router.tick();
      for (const call of overdue) call.state = "gone";
      check(
        effects,
        overdue.map(({ caller, id }) => ({ to: caller, type: "denial", id })),
        -1,
      );
      continue;
    }
    const current = slots.get(step.slot);
    if (step.op === "connect") {
      if (current !== undefined) continue;
      const name = NAMES[step.who] ?? null;
      const clearance = name === null ? "open" : (LEVELS[step.level] ?? "open");
      const id = nextId++;
      slots.set(step.slot, id);
      model.live.push({ id, name, clearance });
      router.connected(id, {
        name,
        kind: name === null ? null : "service",
        clearance,
        session: new Uint8Array(16),
      });
      continue;
    }
    const from = current === undefined ? undefined : model.find(current);
    if (from === undefined) continue;
    const { id } = from;
    if (step.op === "disconnect") {
      slots.delete(step.slot);
      model.live = model.live.filter((connection) => connection.id !== id);
      model.subscriptions = model.subscriptions.filter((entry) => entry.id !== id);
      const told: Seen[] = [];
      for (const call of model.calls) {
        if (call.state !== "waiting" || (call.owner !== id && call.caller !== id)) continue;
        call.state = "gone";
        if (call.caller !== id) told.push({ to: call.caller, type: "denial", id: call.id });
      }
      check(router.disconnected(id), told, id);
    } else if (step.op === "serve") {
      const [effects, header] = request(from, "bus.serve", null);
      const allowed = from.name !== null && dominates(from.clearance, "internal");
      if (allowed) model.served.push({ id, name: from.name });
      check(effects, [{ to: id, type: allowed ? "reply" : "denial", id: key(header.id) }], id);
    } else if (step.op === "subscribe" || step.op === "unsubscribe") {
      const name = TOPICS[step.topic] ?? "jobs";
      const params = encode(MESSAGES["bus.subscribe"].params, { topic: name });
      const [effects, header] = request(from, `bus.${step.op}`, null, params);
      const allowed = dominates(from.clearance, "internal");
      if (allowed) {
        model.subscriptions = model.subscriptions.filter((e) => e.id !== id || e.topic !== name);
        if (step.op === "subscribe") model.subscriptions.push({ id, topic: name });
      }
      check(effects, [{ to: id, type: allowed ? "reply" : "denial", id: key(header.id) }], id);
    } else if (step.op === "request") {
      const name = KINDS[step.kind] ?? "app.call";
      const row = MESSAGES[name];
      const target = row.owner === "*" ? (NAMES[step.who] ?? null) : null;
      const [effects, header] = request(from, name, target);
      history.push(header);
      const owner = row.owner === "*" ? target : row.owner;
      const server = owner === null ? undefined : model.server(owner);
      const allowed =
        dominates(from.clearance, row.level) &&
        server !== undefined &&
        dominates(server.clearance, row.level);
      if (!allowed) {
        check(effects, [{ to: id, type: "denial", id: key(header.id) }], id);
        continue;
      }
      model.calls.push({
        id: key(header.id),
        tag: row.tag,
        caller: id,
        owner: server.id,
        until: model.now + row.deadlineMs,
        state: "waiting",
      });
      check(effects, [{ to: server.id, type: "request", id: key(header.id) }], id);
    } else if (step.op === "reply") {
      const asked = history.at(-1 - step.call);
      if (asked === undefined) continue;
      const reply = { ...asked, type: step.type, target: null };
      const effects = router.message(
        id,
        reply,
        new Uint8Array([0x93, 0xa4, ...Buffer.from("busy"), 0xa0, 0]),
      );
      const call = model.waiting(id, key(asked.id));
      if (call === undefined) {
        check(effects, [], id);
        const serves = from.name !== null && model.server(from.name)?.id === id;
        const closed = effects.some((effect) => effect.do === "close" && effect.connection === id);
        assert.equal(closed, !serves);
        continue;
      }
      call.state = "answered";
      check(effects, [{ to: call.caller, type: step.type, id: call.id }], id);
    } else {
      const name = TOPICS[step.topic] ?? "jobs";
      const event = name === "vault.changed" && from.name === VAULT_OWNER;
      const chosen = LEVELS[step.level] ?? "open";
      const header = fresh({
        type: "publish",
        tag: event ? MESSAGES[name].tag : TOPIC_TAG,
        level: chosen,
        target: event ? null : name,
      });
      const effective = event ? "internal" : chosen;
      const allowed =
        dominates(from.clearance, effective) &&
        from.name !== null &&
        (event || (name !== "vault.changed" && dominates("internal", effective)));
      const effects = router.message(id, header, new Uint8Array());
      const heard = model.subscriptions
        .filter((entry) => entry.topic === name && entry.id !== id)
        .filter((entry) => dominates(model.find(entry.id)?.clearance ?? "open", effective))
        .map((entry): Seen => ({ to: entry.id, type: "publish", id: key(header.id) }));
      check(effects, allowed ? heard : [{ to: id, type: "denial", id: key(header.id) }], id);
    }
  }

  // Nobody disconnects any more: every call that is open gets its one answer in time.
  model.now += 600_000;
  const open = model.calls.filter((call) => call.state === "waiting");
  for (const call of open) call.state = "gone";
  check(
    router.tick(),
    open.map(({ caller, id }) => ({ to: caller, type: "denial", id })),
    -1,
  );
  for (const { id, caller } of model.calls)
    if (model.find(caller) !== undefined) assert.equal(answers.get(`${caller} ${id}`), 1);
  assert.deepEqual(router.tick(), []);

  // And when all have gone, nothing is left that would react to anybody.
  for (const { id } of model.live.slice(1)) assert.deepEqual(router.disconnected(id), []);
  for (const name of NAMES) if (name !== null) assert.equal(router.serves(name), false);
}

test("[ROUTE-5] the router does what a slow and obvious model does", () => {
  // SECURITY: every rule of routing in one place; a single delivery too many is a leak.
  fc.assert(fc.property(fc.array(op, { minLength: 10, maxLength: 120 }), run), {
    numRuns: RUNS * 5,
  });
});

test("the model's kinds are of the catalogue", () => {
  for (const name of KINDS) assert.equal(messageByTag(MESSAGES[name].tag)?.name, name);
});
