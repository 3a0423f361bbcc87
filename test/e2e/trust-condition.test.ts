import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial } from "@sesame/core-types";
import { recorded } from "../helpers/audit-log.ts";
import { CompromisedHost } from "../helpers/compromised-host.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const profile = "default";
const AGENT = {
  name: "agent",
  kind: "ai",
  clearance: "secrets-only",
  capabilities: ["secret-read", "profile-activate", "status-read"],
} as const;
const refused = (cause: unknown): boolean =>
  cause instanceof Denial && cause.code === "capability-missing" && cause.detail === "";

let home: Home;

before(async () => {
  home = await Home.ready([AGENT]);
  home.must(["secret", "set", "a"], "value");
});

after(async () => home[Symbol.asyncDispose]());

/** Demands a score of agents, of both owners. */
function demand(trust: number, mode = "enforce"): void {
  const rules = [{ name: "trusted", who: { kinds: ["ai"] }, demand: { trust } }];
  const [text, out] = [join(home.path, "rules.json"), join(home.path, "policy.json")];
  writeFileSync(text, JSON.stringify({ mode, rules }));
  home.must(["policy", "sign", text, "--out", out], `${PASSWORD}\n`);
  home.must(["policy", "install", out]);
}

const scoreOf = (name: string): number =>
  (home.json(["trust", "show", name]) as { score: number }).score;
const tried = (trust: number): string => {
  demand(trust);
  return home.must(["policy", "test", "agent", "secret-read", "a", "-p", profile]);
};
const read = async (client: BusClient): Promise<string> => {
  const { value } = await client.call("secret.get", { profile, name: "a" });
  return Buffer.from(value).toString();
};

test("[POLICY-16] a score that is demanded is that of the log, and counts at both owners", async () => {
  // SECURITY: an agent that has been found misbehaving would go on as before.
  const agent = await home.connect("agent");
  assert.equal(await read(agent), "value");
  const score = scoreOf("agent");
  assert.match(tried(score / 100), /nothing against/);
  assert.equal(await read(agent), "value");
  await agent.call("profile.activate", { profile });

  assert.match(tried((score + 10) / 100), /trust +trusted/);
  await assert.rejects(read(agent), refused);
  await assert.rejects(agent.call("profile.activate", { profile }), refused);
  for (const action of ["secret.get", "profile.activate"])
    await recorded(
      home,
      "the reason",
      (entry) =>
        entry.action === action && entry.outcome === "refused:capability-missing/trust/trusted",
    );
  assert.equal(home.must(["secret", "get", "a"]), "value", "the operator is no agent");

  demand(1, "dry-run");
  assert.equal(await read(agent), "value");
  await recorded(
    home,
    "what would be",
    ({ action, outcome }) => action === "secret.get" && outcome === "dry-run:trust/trusted",
  );
  await agent.close();
});

test("[POLICY-16] conduct lowers the score, and the rule then refuses", async () => {
  // SECURITY: an agent could earn trust once and keep it whatever it does.
  demand(scoreOf("agent") / 100 - 0.02);
  const agent = await home.connect("agent");
  assert.equal(await read(agent), "value");
  for (let i = 0; i < 20; i++)
    await assert.rejects(agent.call("secret.list", { profile }), refused);
  await assert.rejects(read(agent), refused);
  await agent.close();
});

test("[POLICY-16] a bus host that lies gives no more than without the rule, and without an answer there is none", async () => {
  // SECURITY: a bus host that was taken over would praise its accomplice into rights.
  demand(0.9);
  home.must(["daemon", "stop"]);
  await using host = await CompromisedHost.start(home);
  const owner = new DirectDaemon(home, "daemon-secrets");
  await owner.start();
  await host.served();
  const operator = await home.connect();
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
  const agent = await home.connect("agent");
  for (const score of [null, 0, 89]) {
    host.score = score;
    await assert.rejects(read(agent), refused, String(score));
  }
  host.score = 100;
  assert.equal(await read(agent), "value");
  const set = agent.call("secret.set", { profile, name: "a", value: Buffer.from("other") });
  await assert.rejects(set, refused, "what it may not, it may not");
  for (const client of [operator, agent]) await client.close();
  await owner.kill();
});

test("[SIGNAL-9] [AUDIT-42] the score goes on where the log has got another key", async () => {
  // SECURITY: with new keys of the bus host, every agent that a score is demanded of is shut out.
  home.must(["unlock"], `${PASSWORD}\n`);
  home.must(["key", "rotate", "bus"], `${PASSWORD}\n`);
  home.must(["daemon", "stop"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  const agent = await home.connect("agent");
  demand(scoreOf("agent") / 100);
  assert.equal(await read(agent), "value");
  await agent.close();
});
