import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { limits } from "@sesame/core-types";
import { Output } from "../run/output.ts";
import { RunningProgram } from "./running-program.ts";

/** Starts `sleep`; what is left of the environment that was made for it. */
async function sleeping(
  args: readonly string[] = ["1000"],
): Promise<{ program: RunningProgram; left: WeakRef<object> }> {
  const variables = { API_TOKEN: "a secret" };
  const opened = openSync("/usr/bin/sleep", constants.O_RDONLY);
  const directory = openSync("/", constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const program = await RunningProgram.start({
      command: { path: "/usr/bin/sleep", args: [...args], directory: "/", plain: false },
      program: opened,
      directory,
      variables,
      files: [],
      mark: randomUUID(),
      output: new Output(null),
      errors: new Output(null),
      ended: () => undefined,
    });
    return { program, left: new WeakRef(variables) };
  } finally {
    closeSync(opened);
    closeSync(directory);
  }
}

test("[RUN-12] nothing holds the environment once the program has it", async () => {
  // SECURITY: every secret in use would lie in the launcher's memory for as long as its run goes on.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { program, left } = await sleeping();
  await setImmediate();
  collect();
  const isGone = left.deref() === undefined;
  program.stop("launcher-stopped");
  await program.over;
  assert.ok(isGone);
  assert.ok(program.hasEnded);
});

test("[RUN-26] of what a program does not read one piece waits, and one call for it", async (t) => {
  // SECURITY: an agent would fill the launcher's memory, and take it from everybody's runs.
  const { program } = await sleeping();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const busy = { code: "busy" };
  // More than a pipe holds.
  const taken = program.write(new Uint8Array(16 * 1024 * 1024), false);
  const waits = program.write(new Uint8Array(1), false);
  await assert.rejects(program.write(new Uint8Array(1), false), busy);
  const refused = assert.rejects(waits, busy);
  t.mock.timers.tick(limits.MAX_RUN_WAIT_MS);
  await Promise.all([taken, refused]);
  t.mock.timers.reset();
  program.stop("launcher-stopped");
  await program.over;
  await program.write(new Uint8Array(1), true);
});

test("[RUN-27] arguments that no program can get are refused, and are no fault", async () => {
  for (const args of [["a\0b"], Array.from({ length: 300 }, () => "x".repeat(16_000))])
    await assert.rejects(sleeping(args), { code: "program-refused" });
});
