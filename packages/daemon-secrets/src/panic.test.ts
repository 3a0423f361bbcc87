import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial, Fault } from "@sesame/core-types";
import { Panic, type PanicOptions } from "./panic.ts";

type Bench = {
  readonly panic: Panic;
  /** What happened, in its order. */
  readonly steps: string[];
  readonly tell: (held: boolean) => Promise<void>;
  /** A step that fails. */
  fails: string | null;
};

function bench(held = false): Bench {
  const steps: string[] = [];
  const step = (name: string): void => {
    steps.push(name);
    if (made.fails === name) throw new Fault("io", name, "");
  };
  const mark = {
    held,
    hold: () => {
      mark.held = true;
      step("hold");
    },
    lift: () => {
      step("lift");
      mark.held = false;
    },
  };
  const options: PanicOptions = {
    mark,
    wallMs: () => 0,
    lockAll: () => {
      steps.push("lock");
      return ["work"];
    },
    tell: async (isHeld) => step(`tell ${isHeld}`),
    log: () => undefined,
  };
  const made: Bench = { panic: new Panic(options), steps, tell: options.tell, fails: null };
  return made;
}

const isDenial =
  (code: string) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

test("[PANIC-2] it locks before it writes, and holds whatever fails", async () => {
  const { panic, steps } = bench();
  assert.deepEqual(panic.begin(), ["work"]);
  assert.deepEqual(steps, ["lock", "hold"]);
  assert.deepEqual(panic.begin(), ["work"]);

  const full = bench();
  full.fails = "hold";
  assert.throws(() => full.panic.begin(), isDenial("storage-failed"));
  assert.ok(full.panic.held && full.steps[0] === "lock");

  const alone = bench();
  alone.fails = "tell true";
  alone.panic.begin();
  await alone.panic.spread();
  assert.ok(alone.panic.held);
});

test("[PANIC-4] it ends after the proof, at the bus host first", async () => {
  const { panic, steps } = bench(true);
  await panic.end(async () => {
    steps.push("prove");
  });
  assert.deepEqual(steps, ["prove", "tell false", "lift"]);
  assert.equal(panic.held, false);
});

test("[PANIC-4] a step that fails leaves it in force", async () => {
  // SECURITY: a wrong password, a full disk or a silent bus would otherwise end the panic.
  const wrong = bench(true);
  const refused = wrong.panic.end(() => Promise.reject(new Denial("factor-rejected")));
  await assert.rejects(refused, isDenial("factor-rejected"));
  assert.ok(wrong.panic.held);
  assert.deepEqual(wrong.steps, []);
  for (const fails of ["tell false", "lift"]) {
    const one = bench(true);
    one.fails = fails;
    await assert.rejects(one.panic.end(() => Promise.resolve()));
    assert.ok(one.panic.held, fails);
  }
});

test("[PANIC-4] lifting one does not end the one that began meanwhile", async () => {
  // SECURITY: who waits for the operator to lift one panic could otherwise end the next with it.
  const { panic, steps } = bench(true);
  const lifting = panic.end(async () => {
    panic.begin();
  });
  await assert.rejects(lifting, isDenial("panic"));
  assert.ok(panic.held);
  assert.ok(!steps.includes("tell false"));
});

test("[PANIC-5] meeting the bus host spreads a panic either way, and never ends one", async () => {
  // SECURITY: a lying bus host says that there is no panic; that must not make it so.
  const calm = bench();
  await calm.panic.meet(false, calm.tell);
  assert.ok(!calm.panic.held);
  await calm.panic.meet(true, calm.tell);
  assert.ok(calm.panic.held);
  assert.deepEqual(calm.steps, ["lock", "hold"]);

  const held = bench(true);
  await held.panic.meet(false, held.tell);
  assert.ok(held.panic.held);
  assert.deepEqual(held.steps, ["tell true"]);
});
