import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, MESSAGES, TOPIC_TAG, type RequestName } from "@sesame/core-types";
import { readDenial } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import { auditEntries, recorded } from "../../helpers/audit-log.ts";
import { Home } from "../../helpers/home.ts";
import { Puppet } from "../../helpers/puppet.ts";

const REFUSALS_PER_MINUTE = 60;

test("[ROUTE-1] an unregistered client may ask for the status and to be let in, and for nothing else", async () => {
  // SECURITY: any program of this user could list, read and change without having been enrolled.
  await using home = await Home.ready();
  await using stranger = await Puppet.connect(home, null);
  const { name, clearance } = stranger.welcome;
  assert.deepEqual({ name, clearance }, { name: null, clearance: "open" });

  const { header, payload } = await stranger.ask({ tag: MESSAGES["status.get"].tag });
  assert.equal(header.type, "reply");
  assert.equal(decode(MESSAGES["status.get"].result, payload).you, null);

  const all = (Object.keys(MESSAGES) as (keyof typeof MESSAGES)[]).filter(
    (kind): kind is RequestName => MESSAGES[kind].form === "request",
  );
  const open = ["status.get", "agent.enroll", "agent.status", "agent.certify"];
  assert.deepEqual(
    all.filter((kind) => MESSAGES[kind].level === "open"),
    open,
  );
  const requests = all.filter((kind) => !open.includes(kind));
  assert.ok(requests.length > 20);
  for (const kind of ["vault.changed", "profile.changed", "bus.missed"] as const) {
    const id = await stranger.send({ type: "publish", tag: MESSAGES[kind].tag, level: "open" });
    assert.equal((await stranger.answerTo(id)).header.type, "denial", kind);
  }
  const id = await stranger.send({ type: "publish", tag: TOPIC_TAG, target: "a/b", level: "open" });
  assert.equal((await stranger.answerTo(id)).header.type, "denial");

  // The fetch first: of so many refusals only the first ones are recorded one by one.
  for (const kind of ["secret.fetch", ...requests] as const)
    for (const level of ["open", "secrets-only"] as const) {
      const target = kind === "app.call" ? "operator" : null;
      const answer = await stranger.ask({ tag: MESSAGES[kind].tag, level, target });
      assert.equal(answer.header.type, "denial", kind);
      assert.equal(readDenial(answer.payload).code, "clearance-too-low", kind);
    }

  const { actor } = await recorded(
    home,
    "the refused fetch",
    ({ action, object }) => action === "bus.request" && object === "secret.fetch",
  );
  assert.deepEqual([actor?.name, actor?.identity, actor?.pid], [null, null, stranger.pid]);
  await recorded(home, "the refused publish", ({ action }) => action === "bus.publish");
});

test("refusals beyond sixty a minute are counted, not written one by one", async () => {
  // SECURITY: a program without any right could fill the disk, after which no secret is released.
  await using home = await Home.ready();
  await using stranger = await Puppet.connect(home, null);
  const attempts = 1_000;
  for (let i = 0; i < attempts; i++) await stranger.send({ type: "request", ...FETCH });
  assert.equal((await stranger.ask(FETCH)).header.type, "denial");

  home.must(["daemon", "stop"]);
  const entries = await auditEntries(home);
  // Too many at a time are refused for that, and what strikes is counted by itself.
  const outcomes = ["refused:clearance-too-low", "refused:rate-limited"];
  const refused = entries.filter(({ outcome }) => outcome.startsWith("refused:"));
  assert.deepEqual([...new Set(refused.map(({ outcome }) => outcome))], outcomes);
  for (const one of outcomes)
    assert.equal(refused.filter(({ outcome }) => outcome === one).length, REFUSALS_PER_MINUTE);
  const counted = entries.filter(({ action }) => action === "bus.refusals");
  const more = counted.map(({ object }) => Number(/^(\d+) more$/.exec(object ?? "")?.[1]));
  assert.equal(more.length, outcomes.length);
  assert.equal(
    more.reduce((sum, count) => sum + count, refused.length),
    attempts + 1,
  );
});

const FETCH = {
  tag: MESSAGES["secret.fetch"].tag,
  level: MESSAGES["secret.fetch"].level,
} as const;
