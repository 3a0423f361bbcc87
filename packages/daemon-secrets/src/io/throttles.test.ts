import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { type Bench, denial, makeBench, PASSWORD, WRONG } from "../testing/fixture.ts";
import { Throttles } from "./throttles.ts";

let bench: Bench;
beforeEach(() => {
  bench = makeBench();
});
afterEach(() => bench.remove());

test("[VAULT-24] wrong passwords make the next wait longer, the right one ends it", async () => {
  // SECURITY: without waits a process of the same user could guess thousands of passwords a day.
  const { vaults, clock } = bench;
  (await vaults.create("work", PASSWORD)).close();
  for (const seconds of [1, 2, 4]) {
    await assert.rejects(vaults.unlock("work", WRONG), denial("factor-rejected"));
    assert.equal(vaults.throttledMs("work"), 1_000 * seconds);
    clock.monotonic += 1_000 * seconds - 1;
    await assert.rejects(vaults.unlock("work", PASSWORD), denial("throttled", "1"));
    clock.monotonic += 1;
  }
  (await vaults.unlock("work", PASSWORD)).close();
  assert.equal(vaults.throttledMs("work"), 0);
  assert.equal(existsSync(bench.path("work.throttle")), false);
  await assert.rejects(vaults.unlock("work", WRONG), { retryAfterMs: 1_000 });
});

test("[VAULT-24] the wall clock has no say", async () => {
  // SECURITY: whoever may set the clock would otherwise have free tries.
  const { vaults, clock } = bench;
  (await vaults.create("work", PASSWORD)).close();
  await assert.rejects(vaults.unlock("work", WRONG), denial("factor-rejected"));
  for (const wall of [0, Number.MAX_SAFE_INTEGER, -1]) {
    clock.wall = wall;
    assert.equal(vaults.throttledMs("work"), 1_000);
    assert.equal(bench.restart().throttledMs("work"), 1_000);
  }
});

test("[VAULT-25] a try counts before it is made, on disk", async () => {
  // SECURITY: killing the daemon before it learns the result would make every try free.
  const { vaults } = bench;
  (await vaults.create("work", PASSWORD)).close();
  const trying = vaults.unlock("work", PASSWORD);
  assert.equal(readFileSync(bench.path("work.throttle"), "utf8"), '{"failures":1}\n');
  await assert.rejects(bench.restart().unlock("work", PASSWORD), denial("throttled"));
  (await trying).close();
});

test("[VAULT-25] no try is made if it cannot be counted", async () => {
  const { vaults } = bench;
  (await vaults.create("work", PASSWORD)).close();
  mkdirSync(bench.path("work.throttle.tmp"));
  await assert.rejects(vaults.unlock("work", PASSWORD), { code: "EISDIR" });
  assert.deepEqual(readdirSync(bench.directory), ["work.db", "work.throttle.tmp", "work.vault"]);
});

test("[VAULT-25] a corrupt throttle file is moved aside", () => {
  writeFileSync(bench.path("work.throttle"), "x");
  writeFileSync(bench.path("home.throttle"), "9".repeat(1_000));
  const { vaults } = bench;
  assert.equal(vaults.throttledMs("work"), 0);
  assert.equal(vaults.throttledMs("home"), 0);
  assert.deepEqual(readdirSync(bench.directory), [
    "home.throttle.corrupt",
    "work.throttle.corrupt",
  ]);
});

test("[VAULT-24] tries, successes, restarts and time against an obvious model", () => {
  const steps = fc.array(
    fc.oneof(
      fc.constant("try" as const),
      fc.constant("succeed" as const),
      fc.constant("restart" as const),
      fc.integer({ min: 0, max: 70_000 }),
    ),
    { maxLength: 40 },
  );
  const waits = [0, 1, 2, 4, 8, 16, 32, 60];
  fc.assert(
    fc.property(steps, (script) => {
      const { clock } = bench;
      rmSync(bench.path("work.throttle"), { force: true });
      let throttles = new Throttles(bench.directory, clock);
      let failures = 0;
      let freeAt = clock.monotonic;
      const wholeMs = (): number => 1_000 * (waits[Math.min(failures, 7)] ?? 60);
      for (const step of script) {
        const left = Math.max(0, freeAt - clock.monotonic);
        assert.equal(throttles.waitMs("work"), left);
        if (step === "restart") {
          throttles = new Throttles(bench.directory, clock);
          freeAt = clock.monotonic + wholeMs();
        } else if (step === "succeed") {
          throttles.succeed("work");
          failures = 0;
          freeAt = clock.monotonic;
        } else if (step !== "try") {
          clock.monotonic += step;
        } else if (left > 0) {
          assert.throws(() => throttles.begin("work"), {
            code: "throttled",
            detail: String(Math.ceil(left / 1_000)),
            retryAfterMs: left,
          });
        } else {
          throttles.begin("work");
          failures += 1;
          freeAt = clock.monotonic + wholeMs();
        }
      }
    }),
    { numRuns: 60 },
  );
});
