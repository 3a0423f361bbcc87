import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial, limits, type Identity } from "@sesame/core-types";
import { Runs, type StopReason } from "./runs.ts";

const identity = (id: string): Identity => ({ id }) as Identity;
const session = (byte: number): Uint8Array => new Uint8Array(16).fill(byte);
const AGENT = { identity: identity("agent"), session: session(1) };

class Double {
  stopped: StopReason | null = null;
  hasEnded = false;
  stop(reason: StopReason): void {
    this.stopped ??= reason;
  }
}

function started(runs: Runs<Double>, number: number, by = AGENT, nowMs = 0) {
  const run = runs.open(session(number), by, new Uint8Array(32).fill(number), nowMs);
  const program = new Double();
  runs.started(run, program);
  return { run, program };
}

function code(attempt: () => unknown): string {
  try {
    attempt();
  } catch (cause) {
    if (cause instanceof Denial) return cause.code;
    throw cause;
  }
  return "";
}

test("[RUN-9] a run is its starter's alone, and is not there for others", () => {
  // SECURITY: another agent would read what the secrets were used for, or type into it.
  const runs = new Runs<Double>();
  const { program } = started(runs, 7);
  assert.equal(runs.of(session(7), AGENT, 1).program, program);
  const others = [
    { identity: identity("other"), session: session(1) },
    { identity: identity("agent"), session: session(2) },
  ];
  for (const other of others)
    assert.equal(
      code(() => runs.of(session(7), other, 1)),
      "run-unknown",
    );
  assert.equal(
    code(() => runs.of(session(8), AGENT, 1)),
    "run-unknown",
  );
});

test("[RUN-10] a run that nobody asks about ends", () => {
  const runs = new Runs<Double>();
  const { run, program } = started(runs, 1);
  const last = limits.RUN_LEASE_MS - 1;
  runs.told([run], [true], last);
  runs.tick(last);
  assert.equal(program.stopped, null);
  runs.of(run.id, AGENT, last);
  runs.told([run], [true], 2 * last);
  runs.tick(2 * last);
  assert.equal(program.stopped, null);
  runs.told([run], [true], 3 * last);
  runs.tick(3 * last);
  assert.equal(program.stopped, "caller-gone");
});

test("[RUN-11] what has ended makes room, even if nobody comes for its output", () => {
  // SECURITY: an agent that is killed a few times would take all the room from everybody.
  const runs = new Runs<Double>();
  for (let i = 0; i < limits.MAX_RUNS_OF_ONE; i += 1) started(runs, i).program.hasEnded = true;
  runs.tick(limits.RUN_LEASE_MS - 1);
  assert.equal(runs.all.length, limits.MAX_RUNS_OF_ONE, "its reader may still come");
  runs.tick(limits.RUN_LEASE_MS);
  assert.equal(runs.all.length, 0);
  started(runs, 99);
});

test("[RUN-10] a run ends with its right, and when nobody confirms that right", () => {
  // SECURITY: a bus that withholds the answer would keep a revoked run alive.
  const runs = new Runs<Double>();
  const one = started(runs, 1);
  const other = started(runs, 2);
  runs.told([one.run, other.run], [true, false], 10);
  assert.equal(one.program.stopped, null);
  assert.equal(other.program.stopped, "right-ended");
  runs.told([one.run], [], 20);
  assert.equal(one.program.stopped, "right-ended", "no word is no right");
  const blind = started(runs, 3);
  runs.tick(20 + limits.RUN_BLIND_MS - 1);
  assert.equal(blind.program.stopped, null);
  runs.tick(20 + limits.RUN_BLIND_MS);
  assert.equal(blind.program.stopped, "owner-silent");
});

test("[RUN-10] the time before the first run counts for nobody", () => {
  const runs = new Runs<Double>();
  const late = started(runs, 1, AGENT, 1_000_000);
  runs.tick(1_000_001);
  assert.equal(late.program.stopped, null);
});

test("[RUN-11] runs are bounded, for each identity and for all", () => {
  const runs = new Runs<Double>();
  const party = (name: string) => ({ identity: identity(name), session: session(1) });
  for (let i = 0; i < limits.MAX_RUNS_OF_ONE; i += 1) started(runs, i, party("a"));
  assert.equal(
    code(() => started(runs, 99, party("a"))),
    "busy",
  );
  for (let i = limits.MAX_RUNS_OF_ONE; i < limits.MAX_RUNS; i += 1)
    started(runs, i, party(`b${i}`));
  assert.equal(
    code(() => started(runs, 99, party("c"))),
    "busy",
  );
  const [first] = runs.all;
  assert.ok(first);
  runs.close(first);
  started(runs, 99, party("c"));
  runs.stopAll("launcher-stopped");
  assert.ok(runs.all.every(({ program }) => program?.stopped === "launcher-stopped"));
});

test("[RUN-10] what is being started when the launcher stops ends, too", async () => {
  const runs = new Runs<Double>();
  const { program: before } = started(runs, 1);
  const late = runs.open(session(2), AGENT, new Uint8Array(32), 0);
  runs.stopAll("launcher-stopped");
  const program = new Double();
  runs.started(late, program);
  await late.settled;
  assert.deepEqual([before.stopped, program.stopped], ["launcher-stopped", "launcher-stopped"]);
  assert.throws(() => runs.expectGoing(), { code: "owner-absent" });
  assert.throws(() => runs.open(session(3), AGENT, new Uint8Array(32), 0), {
    code: "owner-absent",
  });
  const failed = new Runs<Double>();
  const run = failed.open(session(1), AGENT, new Uint8Array(32), 0);
  failed.close(run);
  await run.settled;
});
