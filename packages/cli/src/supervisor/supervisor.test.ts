import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { isMarkedReady } from "./mark.ts";
import { isAlive, sessionOf, until, World } from "./supervisor.test-helper.ts";

const LIMIT = { timeout: 20_000 };
const STORY = [
  "daemon-profile start",
  "daemon-profile ready",
  "daemon-secrets start",
  "daemon-secrets ready",
];

async function ready(world: World, { pid = 0 }: ChildProcess): Promise<void> {
  await until(() => world.story().length > 0 && isMarkedReady(world.paths, pid));
}

test("daemons start and stop in order, in sessions of their own", LIMIT, async (t) => {
  const world = new World(t);
  const supervisor = world.run(t, world.supervisor("serve", "serve"));
  await ready(world, supervisor);
  assert.deepEqual(world.story(), STORY);
  for (const name of ["daemon-profile", "daemon-secrets"]) {
    const [pid = 0] = world.pids(name, "ready");
    assert.equal(sessionOf(pid), pid);
  }
  supervisor.kill("SIGTERM");
  supervisor.kill("SIGINT");
  const [code] = (await once(supervisor, "exit")) as [number | null];
  assert.equal(code, 0);
  assert.deepEqual(world.story(), [...STORY, "daemon-profile term", "daemon-secrets term"]);
});

test("a bus killed by -9 is restarted alone", LIMIT, async (t) => {
  const world = new World(t);
  const supervisor = world.run(t, world.supervisor("serve", "serve"));
  await ready(world, supervisor);
  const [first = 0] = world.pids("daemon-profile", "ready");
  process.kill(first, "SIGKILL");
  await until(() => world.pids("daemon-profile", "ready").length === 2);
  await ready(world, supervisor);
  assert.equal(isAlive(first), false);
  const [secrets = 0] = world.pids("daemon-secrets", "ready");
  assert.equal(isAlive(secrets), true);
  assert.deepEqual(world.pids("daemon-secrets", "start"), [secrets]);
});

test("a second supervisor is refused and names the first", LIMIT, async (t) => {
  // SECURITY: a second bus host would take the socket's clients away from the first.
  const world = new World(t);
  const first = world.run(t, world.supervisor("serve", "serve"));
  await ready(world, first);
  const second = world.run(t, world.supervisor("serve", "serve"));
  assert.ok(second.stderr);
  const refusal = JSON.parse(await text(second.stderr)) as Record<string, unknown>;
  assert.deepEqual(refusal, {
    exit: "exists",
    message: `already running (pid ${first.pid})`,
    hint: "`sesame daemon stop` stops it",
  });
  assert.deepEqual(world.story(), STORY);
  assert.equal(isMarkedReady(world.paths, first.pid ?? 0), true);
});

test("a daemon that is not set up ends all, with its exit code", LIMIT, async (t) => {
  const world = new World(t);
  const supervisor = world.run(t, world.supervisor("serve", "unset", true));
  assert.ok(supervisor.stderr);
  const [output, [code]] = await Promise.all([text(supervisor.stderr), once(supervisor, "exit")]);
  assert.equal(code, 78);
  assert.match(output, /not set up/);
  const last = ["daemon-secrets start", "daemon-secrets exit", "daemon-profile term"];
  assert.deepEqual(world.story(), [...STORY.slice(0, 2), ...last]);
});

test("a program that is not there is told, not tried again", LIMIT, async (t) => {
  const world = new World(t);
  const [script = "", options = ""] = world.supervisor("serve", "serve");
  const changed = options.replace(process.execPath, "/no/such/program");
  const supervisor = world.run(t, [script, changed]);
  const [code] = (await once(supervisor, "exit")) as [number | null];
  assert.equal(code, 78);
  assert.match(readFileSync(world.paths.log, "utf8"), /"problem":"ENOENT"/);
});

test("daemons see the table's environment and their two pipes", LIMIT, async (t) => {
  // SECURITY: NODE_OPTIONS of one poisoned shell would load its code into the vault's daemon.
  const world = new World(t);
  const env = { HOME: world.folder, LANG: "C", NODE_OPTIONS: "--no-warnings", TOKEN: "secret" };
  const supervisor = world.run(t, world.supervisor("env", "serve"), { env });
  await ready(world, supervisor);
  const expected = "HOME,LANG,SESAME_PARENT_FD,SESAME_READY_FD";
  assert.ok(world.story().includes(`daemon-profile ${expected}`), world.story().join("\n"));
});
