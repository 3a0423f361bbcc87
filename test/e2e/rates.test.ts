import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Denial, limits, MESSAGES, RATE_LIMITS } from "@sesame/core-types";
import { readDenial } from "../../packages/core-ipc/src/bus/dispatcher.ts";
import { recorded } from "../helpers/audit-log.ts";
import { Home } from "../helpers/home.ts";
import { RawClient } from "../helpers/raw-client.ts";

const profile = "default";
const READS = RATE_LIMITS.service.secrets ?? 0;

let home: Home;

before(async () => {
  const may = { clearance: "secrets-only", capabilities: ["secret-read", "profile-list"] } as const;
  home = await Home.ready([
    { name: "reader", ...may },
    { name: "guesser", clearance: "secrets-only", capabilities: ["status-read"] },
  ]);
  home.must(["secret", "set", "a"], "value");
});

after(async () => home[Symbol.asyncDispose]());

const tooMany = (cause: unknown): boolean =>
  cause instanceof Denial &&
  cause.code === "rate-limited" &&
  cause.retryAfterMs > 0 &&
  cause.retryAfterMs <= limits.RATE_WINDOW_MS;

test("[RATE-1] a service that reads and reads is stopped, over all of its connections", async () => {
  // SECURITY: a service that was taken over could empty a vault before anybody looks.
  for (let i = 0; i < READS; i += 10) {
    const reader = await home.connect("reader");
    for (let j = 0; j < 10; j++) await reader.call("secret.get", { profile, name: "a" });
    await reader.close();
  }
  const reader = await home.connect("reader");
  await assert.rejects(reader.call("secret.get", { profile, name: "a" }), tooMany);
  await assert.rejects(reader.call("secret.fetch", { profile, names: null }), tooMany);
  assert.equal((await reader.call("profile.list", {})).profiles.length, 1, "the other class");
  await reader.close();
  const { exit, err } = home.run(["--as", "reader", "secret", "get", "a"]);
  assert.equal(exit, 75);
  assert.match(err, /too many calls[^]*wait \d+ s/);
  await recorded(
    home,
    "the refused read",
    ({ action, outcome, actor }) =>
      action === "secret.get" && outcome === "refused:rate-limited" && actor?.name === "reader",
  );
});

test("[RATE-1] what is refused counts: nobody finds out by trying everything", async () => {
  // SECURITY: guessing which names and rights there are would be free.
  const guesser = await home.connect("guesser");
  const read = (): Promise<unknown> => guesser.call("secret.get", { profile, name: "a" });
  for (let i = 0; i < READS; i++) await assert.rejects(read(), { code: "capability-missing" });
  await assert.rejects(read(), tooMany);
  await guesser.close();
});

test("the operator's scripts are not limited", async () => {
  const operator = await home.connect();
  for (let i = 0; i < 4 * READS; i++) await operator.call("secret.get", { profile, name: "a" });
  await operator.close();
});

test("[RATE-2] strangers share one count, however often they connect anew", async () => {
  // SECURITY: a program without a key could keep the daemons busy by reconnecting.
  const { tag } = MESSAGES["status.get"];
  let refused = 0;
  for (let i = 0; i < 4; i++) {
    const stranger = await RawClient.connect(home.paths, null);
    for (let j = 0; j < limits.OPEN_RATE_LIMIT / 3; j++) {
      const { header, payload } = await stranger.ask({ tag, level: "open" });
      if (header.type !== "denial") continue;
      refused++;
      assert.ok(tooMany(readDenial(payload)));
    }
    stranger.close();
  }
  assert.equal(refused, limits.OPEN_RATE_LIMIT / 3);
  const operator = await home.connect();
  assert.equal((await operator.call("status.get", {})).you, "operator");
  await operator.close();
});
