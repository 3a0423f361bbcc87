import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Adversary } from "../../helpers/adversary.ts";
import { recorded } from "../../helpers/audit-log.ts";
import { Home } from "../../helpers/home.ts";
import { residentKiB } from "../../helpers/process-memory.ts";

/** Each hurls 18 connections at once. */
const ROUNDS = 120;
const HURLS = 12;
/** KiB; two for every connection of one hurl. */
const SETTLED_KIB = 4 * 1024;
const HALF_OPEN = 200;
let home: Home;

before(async () => {
  home = await Home.ready();
});

after(async () => home[Symbol.asyncDispose]());

function growth(sizes: readonly number[]): number {
  return (sizes.at(-1) ?? 0) - (sizes.at(-2) ?? 0);
}

async function assertHealthy(pid: number): Promise<void> {
  const bus = await home.connect();
  const status = await bus.call("status.get", {});
  assert.equal(status.pid, pid, "the bus is still the same process");
  assert.equal(status.secretsConnected, true);
  await bus.close();
}

test("[FRAME-6] thousands of malformed connections leave the bus as it was", async () => {
  // SECURITY: a few bytes could stop the bus for everybody, or have it allocate until it is killed.
  const pid = home.pidOf("daemon-profile");
  await using adversary = Adversary.start(home, "hurl-process", [String(ROUNDS)]);
  assert.deepEqual(await adversary.said(), { ready: true });
  const hurl = async (): Promise<number> => {
    adversary.tell({});
    const { closed } = (await adversary.said()) as { closed: number };
    assert.ok(closed >= 10 * ROUNDS);
    return residentKiB(pid);
  };
  // A heap grows to its working size, and then no further.
  const sizes = [await hurl()];
  do sizes.push(await hurl());
  while (sizes.length < HURLS && growth(sizes) > SETTLED_KIB);
  assert.ok(growth(sizes) <= SETTLED_KIB, `the bus grows without end: ${sizes.join(", ")} KiB`);
  await assertHealthy(pid);
  await recorded(
    home,
    "a violation",
    ({ action, outcome, actor }) =>
      action === "bus.violation" && outcome === "closed" && actor?.pid === adversary.pid,
  );
});

test("[TRANSPORT-5] half-open handshakes keep nobody out, and end overdue", async () => {
  // SECURITY: a program that connects and stays silent could lock everybody else out.
  const pid = home.pidOf("daemon-profile");
  await using adversary = Adversary.start(home, "half-open-process", ["once", String(HALF_OPEN)]);
  assert.deepEqual(await adversary.said(), { opened: HALF_OPEN });
  for (let i = 0; i < 20; i++) await assertHealthy(pid);
  assert.deepEqual(await adversary.said(), { closed: HALF_OPEN });
});

test("[TRANSPORT-5] a program that renews its half-open handshakes keeps nobody out", async () => {
  // SECURITY: by always being the newest, silent connections could push out every honest one.
  const pid = home.pidOf("daemon-profile");
  const started = ["persistent", String(HALF_OPEN)];
  await using adversary = Adversary.start(home, "half-open-process", started);
  assert.deepEqual(await adversary.said(), { opened: HALF_OPEN });
  for (let i = 0; i < 20; i++) await assertHealthy(pid);
});
