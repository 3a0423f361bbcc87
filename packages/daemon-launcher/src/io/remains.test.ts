import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { endRemains } from "./remains.ts";

test("[RUN-17] what carries a mark is killed, in whatever group or session it is", async () => {
  const mark = `${randomUUID()}/run`;
  const marked = (value: string) =>
    spawn("sleep", ["1000"], { detached: true, env: { PATH: "/usr/bin:/bin", SESAME_RUN: value } });
  const mine = marked(mark);
  const other = marked(randomUUID());
  await Promise.all([once(mine, "spawn"), once(other, "spawn")]);
  const ended = once(mine, "exit");
  endRemains(mark);
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(other.exitCode, null);
  assert.equal(other.signalCode, null);
  other.kill("SIGKILL");
  await once(other, "exit");
});
