import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Output } from "../run/output.ts";
import { RunningProgram } from "./running-program.ts";

/** Starts `sleep`; what is left of the environment that was made for it. */
async function sleeping(): Promise<{ program: RunningProgram; left: WeakRef<object> }> {
  const variables = { API_TOKEN: "a secret" };
  const opened = openSync("/usr/bin/sleep", constants.O_RDONLY);
  const directory = openSync("/", constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const program = await RunningProgram.start({
      command: { path: "/usr/bin/sleep", args: ["1000"], directory: "/", plain: false },
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
