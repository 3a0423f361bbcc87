import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  advance,
  allReady,
  initialState,
  nextWakeMs,
  STOP_MS,
  type Effect,
  type Input,
  type State,
} from "./policy.ts";

const A = "daemon-profile";
const B = "daemon-secrets";

/** The policy with a clock that is turned by hand. */
class Bench {
  state: State = initialState([A, B]);
  nowMs = 1_000;

  feed(input: Input): string[] {
    const { state, effects } = advance(this.state, input, this.nowMs);
    this.state = state;
    return effects.map(shown);
  }

  ready(name: string): string[] {
    return this.feed({ type: "ready", name });
  }

  exit(name: string, code: number | null = null): string[] {
    return this.feed({ type: "exit", name, code });
  }

  pass(ms: number): string[] {
    this.nowMs += ms;
    return this.feed({ type: "time" });
  }

  /** Both serve. */
  static running(): Bench {
    const bench = new Bench();
    bench.pass(0);
    bench.ready(A);
    bench.ready(B);
    return bench;
  }
}

function shown(effect: Effect): string {
  switch (effect.type) {
    case "start":
      return `start ${effect.name}`;
    case "signal":
      return `${effect.signal} ${effect.name}`;
    case "end":
      return `end ${effect.end.code} ${effect.end.culprit ?? "-"}`;
  }
}

test("each daemon starts once the one before it is ready", () => {
  const bench = new Bench();
  assert.deepEqual(bench.pass(0), [`start ${A}`]);
  assert.deepEqual(bench.pass(60_000), []);
  assert.equal(nextWakeMs(bench.state), null);
  assert.deepEqual(bench.ready(A), [`start ${B}`]);
  assert.equal(allReady(bench.state), false);
  assert.deepEqual(bench.ready(B), []);
  assert.equal(allReady(bench.state), true);
});

test("restarts wait 0.1 s, doubling to 10 s", () => {
  const bench = new Bench();
  bench.pass(0);
  for (const delayMs of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
    assert.deepEqual(bench.exit(A, 1), []);
    assert.equal(nextWakeMs(bench.state), bench.nowMs + delayMs);
    assert.deepEqual(bench.pass(delayMs - 1), []);
    assert.deepEqual(bench.pass(1), [`start ${A}`]);
  }
});

test("thirty seconds of life make the next failure the first again", () => {
  for (const [livedMs, delayMs] of [
    [29_999, 400],
    [30_000, 100],
  ] as const) {
    const bench = new Bench();
    bench.pass(0);
    bench.exit(A);
    bench.pass(100);
    bench.exit(A);
    bench.pass(200);
    bench.ready(A);
    bench.pass(livedMs);
    bench.exit(A);
    assert.equal(nextWakeMs(bench.state), bench.nowMs + delayMs);
  }
});

test("the bus restarts alone; the other daemon stays as it is", () => {
  const bench = Bench.running();
  assert.deepEqual(bench.exit(A), []);
  assert.equal(allReady(bench.state), false);
  assert.deepEqual(bench.pass(100), [`start ${A}`]);
  assert.deepEqual(bench.ready(A), []);
  assert.equal(allReady(bench.state), true);
});

test("config, denied and integrity are not tried again", () => {
  for (const code of [76, 77, 78]) {
    const bench = Bench.running();
    assert.deepEqual(bench.exit(B, code), [`SIGTERM ${A}`]);
    assert.deepEqual(bench.exit(A, 0), [`end ${code} ${B}`]);
  }
  for (const code of [0, 1, 64, 70, 73, 74, 75, 79, null]) {
    const bench = Bench.running();
    assert.deepEqual(bench.exit(B, code), []);
    assert.deepEqual(bench.pass(100), [`start ${B}`], `code ${code}`);
  }
});

test("the first reason to end is the one that counts", () => {
  const bench = Bench.running();
  bench.feed({ type: "stop" });
  assert.deepEqual(bench.exit(A, 78), [`SIGTERM ${B}`]);
  assert.deepEqual(bench.exit(B, 78), ["end 0 -"]);
});

test("daemons stop one after the other, the bus first; asking twice changes nothing", () => {
  const bench = Bench.running();
  assert.deepEqual(bench.feed({ type: "stop" }), [`SIGTERM ${A}`]);
  assert.deepEqual(bench.feed({ type: "stop" }), []);
  assert.deepEqual(bench.exit(A, 0), [`SIGTERM ${B}`]);
  assert.deepEqual(bench.exit(B, 0), ["end 0 -"]);
  assert.deepEqual(bench.feed({ type: "stop" }), []);
  assert.equal(nextWakeMs(bench.state), null);
});

test("a daemon that does not stop is killed after its time, once", () => {
  const bench = Bench.running();
  bench.feed({ type: "stop" });
  assert.deepEqual(bench.pass(STOP_MS - 1), []);
  assert.deepEqual(bench.pass(1), [`SIGKILL ${A}`]);
  assert.deepEqual(bench.pass(60_000), []);
  assert.deepEqual(bench.exit(A), [`SIGTERM ${B}`]);
  assert.equal(nextWakeMs(bench.state), bench.nowMs + STOP_MS);
});

test("daemons that end out of turn while stopping are not waited for", () => {
  const bench = Bench.running();
  bench.feed({ type: "stop" });
  assert.deepEqual(bench.exit(B, 0), []);
  assert.deepEqual(bench.exit(A, 0), ["end 0 -"]);
});

test("stopping works at every moment of the start", () => {
  const none = new Bench();
  assert.deepEqual(none.feed({ type: "stop" }), ["end 0 -"]);
  assert.deepEqual(none.pass(1_000), []);

  const one = new Bench();
  one.pass(0);
  assert.deepEqual(one.feed({ type: "stop" }), [`SIGTERM ${A}`]);
  assert.deepEqual(one.ready(A), []);
  assert.deepEqual(one.exit(A), ["end 0 -"]);

  const waiting = new Bench();
  waiting.pass(0);
  waiting.exit(A);
  assert.deepEqual(waiting.feed({ type: "stop" }), ["end 0 -"]);
});

test("whatever happens: one process per daemon, none after a stop, and an end", () => {
  const name = fc.constantFrom(A, B);
  const input = fc.oneof(
    fc.record({ type: fc.constant("time" as const) }),
    fc.record({ type: fc.constant("ready" as const), name }),
    fc.record({
      type: fc.constant("exit" as const),
      name,
      code: fc.constantFrom(null, 0, 1, 73, 76, 77, 78),
    }),
    fc.record({ type: fc.constant("stop" as const) }),
  );
  const events = fc.array(fc.tuple(input, fc.nat(20_000)), { maxLength: 60 });
  fc.assert(
    fc.property(events, (list) => {
      const bench = new Bench();
      const alive = new Set<string>();
      let ending = false;
      let ends = 0;
      const feed = (event: Input): void => {
        // Only what has a process can be ready or exit.
        if ((event.type === "ready" || event.type === "exit") && !alive.has(event.name)) return;
        if (event.type === "exit") alive.delete(event.name);
        ending ||= event.type === "stop";
        for (const effect of bench.feed(event)) {
          const [verb, who = ""] = effect.split(" ");
          if (verb === "start") {
            assert.ok(!ending && !alive.has(who));
            alive.add(who);
          } else if (verb === "end") {
            assert.equal(alive.size, 0);
            ends++;
          } else {
            assert.ok(alive.has(who));
            assert.ok(who === A || !alive.has(A), "the bus stops first");
          }
        }
      };
      for (const [event, ms] of list) {
        bench.nowMs += ms;
        feed(event);
      }
      feed({ type: "stop" });
      feed({ type: "exit", name: A, code: 0 });
      feed({ type: "exit", name: B, code: 0 });
      assert.equal(ends, 1);
    }),
  );
});
