import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Adversary } from "../../helpers/adversary.ts";
import { auditEntries } from "../../helpers/audit-log.ts";
import { eventually } from "../../helpers/eventually.ts";
import { Home } from "../../helpers/home.ts";

const TOPIC = "much/news";
const PAYLOAD = new Uint8Array(32 * 1024);
// More than a connection's queue and the kernel's buffers hold.
const MESSAGES = 512;
let home: Home;

before(async () => {
  home = await Home.ready([{ name: "deaf" }, { name: "slow" }, { name: "talker" }]);
});

after(async () => home[Symbol.asyncDispose]());

async function publishAll(): Promise<void> {
  const talker = await home.connect("talker");
  for (let i = 0; i < MESSAGES; i++) {
    talker.publish(TOPIC, PAYLOAD);
    await talker.drained();
  }
  // An answer comes after everything that was sent before the question.
  await talker.call("status.get", {});
  await talker.close();
}

test("[FLOW-1] a subscriber that reads too slowly is told what it missed", async () => {
  // SECURITY: by reading slowly a program could have the bus keep everything in memory, and
  // one that does not know of the gap would act on half the news.
  await using slow = Adversary.start(home, "deaf-process", ["slow", TOPIC]);
  assert.deepEqual(await slow.said(), { deaf: true });
  await publishAll();
  slow.tell({});
  const { heard, missed } = (await slow.said()) as { heard: number; missed: number };
  assert.ok(missed > 0);
  assert.equal(heard + missed, MESSAGES);
});

test("[FLOW-3] a client that never reads is cut off, and nobody waits for it", async () => {
  // SECURITY: a program that does not read would hold the bus's memory, or block who publishes.
  await using deaf = Adversary.start(home, "deaf-process", ["deaf", TOPIC]);
  assert.deepEqual(await deaf.said(), { deaf: true });
  await publishAll();
  const bus = await home.connect();
  const cut = await eventually("the cut", async () => {
    await bus.call("profile.list", {});
    await bus.call("secret.list", { profile: "default" });
    return (await auditEntries(home)).find(({ outcome }) => outcome === "closed:stalled");
  });
  assert.equal(cut.action, "bus.connection");
  assert.deepEqual([cut.actor?.name, cut.actor?.pid], ["deaf", deaf.pid]);
  await bus.close();
});
