import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, MESSAGES, messageByTag } from "@sesame/core-types";
import { Home, PASSWORD } from "../../helpers/home.ts";
import { Puppet } from "../../helpers/puppet.ts";
import { eventually } from "../../helpers/eventually.ts";

const NAME = "prod/database-url";
const VALUE = "postgres://app:hunter2-of-the-house@db";

test("[ROUTE-3] a registered listener hears neither values nor names nor passwords", async () => {
  // SECURITY: an enrolled program that subscribes to everything would read other people's secrets.
  await using home = await Home.ready([{ name: "ear" }, { name: "talker" }]);
  await using ear = await Puppet.connect(home, "ear");
  const { params } = MESSAGES["bus.subscribe"];
  const words = [NAME, "secret", "vault", "default", "daemon-secrets", "operator", "a/b"];
  const topics = [...Object.keys(MESSAGES), ...words];
  for (const topic of topics) {
    const { header } = await ear.ask(MESSAGES["bus.subscribe"], encode(params, { topic }));
    assert.equal(header.type, "reply", topic);
  }
  assert.equal((await ear.ask(MESSAGES["bus.serve"])).header.type, "reply");

  home.must(["secret", "set", NAME], VALUE);
  assert.equal(home.must(["secret", "get", NAME]).trim(), VALUE);
  assert.match(home.must(["secret", "list"]), /prod\/database-url/);
  assert.match(home.must(["env", "--", "env"]), /hunter2-of-the-house/);
  home.must(["lock"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  home.must(["secret", "delete", NAME, "--yes"]);
  home.must(["lock"]);
  assert.notEqual(home.run(["unlock"], "wrong battery\n").exit, 0);

  // What everybody may hear does reach it, so that silence above is no deafness.
  const talker = await home.connect("talker");
  talker.publish("a/b", Buffer.from("for every ear"));
  await talker.drained();
  const heard = await eventually("the public topic", async () => {
    const all = await ear.received();
    return all.some(({ header }) => header.target === "a/b") && all;
  });
  await talker.close();

  const bytes = Buffer.concat(heard.map(({ payload }) => payload)).toString("latin1");
  assert.match(bytes, /for every ear/);
  for (const secret of [NAME, "database-url", VALUE, "hunter2", PASSWORD, "wrong battery"])
    assert.ok(!bytes.includes(secret), secret);
  const kinds = new Set(
    heard.map(({ header: { tag, target } }) => messageByTag(tag)?.name ?? target),
  );
  const answers = ["bus.subscribe", "bus.serve"];
  const news = ["vault.changed", "profile.changed", "approval.changed"];
  const events = [...news, "audit.checkpointed", "audit.grown"];
  const allowed = [...answers, ...events, "a/b"];
  assert.deepEqual(
    [...kinds].filter((kind) => !allowed.includes(kind ?? "")),
    [],
  );
  assert.ok(kinds.has("vault.changed"), "the listener was subscribed");
  const asked = heard.filter(({ header }) => header.type === "request");
  assert.deepEqual(asked, [], "nobody else's request was delivered to it");
});
