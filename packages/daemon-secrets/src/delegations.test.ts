import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { limits, type Params } from "@sesame/core-types";
import { Delegations } from "./delegations.ts";

type Depths = ReadonlyMap<string, number>;
type Told = Params<"trust.delegations">["depths"];

/** A bus host that keeps what it is told; at first it may not answer. */
class Host {
  readonly known = new Map<string, number>();
  messages = 0;
  /** It answers too late: what it was told it has. */
  isLate = false;
  failing = false;

  readonly call = (_: string, { depths }: { depths: Told }): Promise<never> => {
    this.messages++;
    if (this.failing) return Promise.reject(new Error("deadline-passed"));
    for (const { identity, links } of depths)
      if (links === 0) this.known.delete(identity);
      else this.known.set(identity, links);
    if (this.isLate) return Promise.reject(new Error("deadline-passed"));
    return Promise.resolve({} as never);
  };
}

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const here: { bus: Host | null; depths: Depths } = { bus: new Host(), depths: new Map() };
  const delegations = new Delegations({
    depths: () => here.depths,
    bus: () => here.bus as never,
    log: () => undefined,
  });
  t.after(() => delegations.stop());
  const tick = async (): Promise<void> => {
    t.mock.timers.tick(250);
    await new Promise(setImmediate);
  };
  return { here, tick };
}

test("[TRUST-6] the bus host is told everything once, and then what changes", async (t) => {
  const { here, tick } = start(t);
  const host = here.bus;
  assert.ok(host !== null);
  const many = Array.from({ length: limits.MAX_DEPTHS + 1 }, (_, i) => [`${i}`, 1] as const);
  here.depths = new Map(many);
  await tick();
  assert.deepEqual(host.known, here.depths);
  assert.equal(host.messages, 2, "in messages of a bounded size");
  await tick();
  assert.equal(host.messages, 2, "nothing, as long as nothing changes");
  here.depths = new Map([...many.slice(2), ["0", 3]]);
  await tick();
  assert.deepEqual(host.known, here.depths);
  assert.equal(host.messages, 3);
});

test("[TRUST-6] over another connection everything is told again", async (t) => {
  const { here, tick } = start(t);
  here.depths = new Map([["ci", 2]]);
  await tick();
  here.bus = null;
  await tick();
  const next = new Host();
  here.bus = next;
  await tick();
  assert.deepEqual(next.known, here.depths);
});

test("[TRUST-6] what did not get through is told again", async (t) => {
  // SECURITY: one lost message would hide for good that rights went through many hands.
  const { here, tick } = start(t);
  const host = here.bus;
  assert.ok(host !== null);
  host.failing = true;
  here.depths = new Map([["ci", 2]]);
  await tick();
  assert.deepEqual(host.known, new Map());
  host.failing = false;
  await tick();
  assert.deepEqual(host.known, here.depths);
});

test("[TRUST-6] what got through without an answer is taken back when it is over", async (t) => {
  const { here, tick } = start(t);
  const host = here.bus;
  assert.ok(host !== null);
  here.depths = new Map([["bot", 1]]);
  await tick();
  host.isLate = true;
  here.depths = new Map([
    ["bot", 1],
    ["ci", 2],
  ]);
  await tick();
  host.isLate = false;
  here.depths = new Map([["bot", 1]]);
  await tick();
  assert.deepEqual(host.known, here.depths);
});
