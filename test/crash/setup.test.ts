import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Home, PASSWORD } from "../helpers/home.ts";
import { killAll } from "../helpers/processes.ts";
import { Random, SEED } from "../helpers/random.ts";

// Which kill comes when is chosen anew in every run, with a seed that the title shows. A killed
// process loses what it had not written; a real power cut also loses what was not synced, which
// the tests of the vault and of the log simulate.

const RUNS = process.env["SLOW"] === "1" ? 200 : 30;
const SECRET = new TextEncoder().encode("kept");

/** Starts a command with a password on stdin; resolves when it is gone. */
async function startAndKill(
  home: Home,
  args: readonly string[],
  afterMs: number,
  everything: boolean,
): Promise<void> {
  const command = home.start(args);
  command.stdin?.on("error", () => undefined).end(`${PASSWORD}\n`);
  command.stdout?.resume();
  command.stderr?.resume();
  const gone = once(command, "exit");
  await Promise.race([gone, delay(afterMs)]);
  if (everything) await killAll(home);
  else command.kill("SIGKILL");
  await gone;
}

async function expectUsable(home: Home, profile: string): Promise<void> {
  const bus = await home.connect();
  await bus.call("secret.set", { profile, name: "a/b", value: SECRET });
  const { value } = await bus.call("secret.get", { profile, name: "a/b" });
  assert.deepEqual(Buffer.from(value), Buffer.from(SECRET));
  await bus.close();
}

test(`init that was killed completes when it is run again, ${RUNS} times (SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const killed = async (): Promise<void> => {
    await using home = new Home();
    try {
      const everything = random.below(2) === 0;
      await startAndKill(home, ["init"], random.below(700), everything);
      home.must(["init"], `${PASSWORD}\n`);
      const { changed } = home.json(["init"]) as { changed: boolean };
      assert.equal(changed, false);
      // Where the vault was made by the command that died, its password is asked for.
      home.must(["unlock"], `${PASSWORD}\n`);
      await expectUsable(home, "default");
      assert.equal((home.json(["audit", "verify"]) as { ok: boolean }).ok, true);
    } finally {
      await killAll(home);
    }
  };
  for (let run = 0; run < RUNS; run++) await killed();
});

test(`profile create that was killed completes when it is run again (SEED=${SEED})`, async () => {
  const random = new Random(SEED + 1);
  await using home = await Home.ready();
  for (let run = 0; run < RUNS; run++) {
    const profile = `p${run}`;
    const everything = random.below(3) === 0;
    await startAndKill(home, ["profile", "create", profile], random.below(400), everything);
    home.must(["profile", "create", profile], `${PASSWORD}\n`);
    home.must(["unlock", "-p", profile], `${PASSWORD}\n`);
    await expectUsable(home, profile);
  }
  const { profiles } = home.json(["profile", "list"]) as { profiles: { name: string }[] };
  assert.equal(profiles.length, RUNS + 1);
  assert.equal((home.json(["audit", "verify"]) as { ok: boolean }).ok, true);
});

test(`nothing acknowledged is lost when all processes die at once (SEED=${SEED})`, async () => {
  const random = new Random(SEED + 2);
  await using home = await Home.ready();
  const names = ["a", "b", "c", "d", "e", "f"];
  const attempted = new Map<string, number>();
  const acknowledged = new Map<string, number>();
  for (let run = 0; run < RUNS / 5; run++) {
    const bus = await home.connect();
    const writing = Promise.allSettled(
      names.map(async (name) => {
        for (;;) {
          const number = (attempted.get(name) ?? 0) + 1;
          attempted.set(name, number);
          const value = new TextEncoder().encode(String(number));
          await bus.call("secret.set", { profile: "default", name, value });
          acknowledged.set(name, number);
        }
      }),
    );
    await delay(20 + random.below(200));
    await killAll(home);
    await writing;
    home.must(["unlock"], `${PASSWORD}\n`);
    for (const [name, number] of acknowledged) {
      const found = Number(home.must(["secret", "get", name]));
      assert.ok(found >= number, `${name}: ${number} was acknowledged, not ${found}`);
      assert.ok(found <= (attempted.get(name) ?? 0));
    }
  }
  assert.equal(acknowledged.size, names.length);
  assert.equal((home.json(["audit", "verify"]) as { ok: boolean }).ok, true);
});
