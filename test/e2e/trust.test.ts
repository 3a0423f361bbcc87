import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { secureMemory } from "@sesame/native";
import { KEY_MEMORY, type Trust } from "@sesame/core-types";
import { eventually } from "../helpers/eventually.ts";
import { Home } from "../helpers/home.ts";

type Own = {
  name: string | null;
  kind: string | null;
  trust: Trust;
  daemons: { name: string; posture: number | null }[];
  factors: { factor: string; value: string; why: string }[];
};
type Shown = { kind: string | null; connections: { pid: number; trust: Trust }[] };

type Scored = {
  score: number;
  confidence: number;
  measures: Record<string, number | null>;
  findings: { rule: string; seq: number }[];
};

let home: Home;

before(async () => {
  home = await Home.ready([{ name: "ci", kind: "ai" }, { name: "watcher" }]);
});

after(async () => home[Symbol.asyncDispose]());

test("everybody is shown its own vector, and why", async () => {
  const here = KEY_MEMORY[secureMemory().kind];
  const { name, kind, trust, daemons, factors } = home.json(["trust", "show"]) as Own;
  assert.deepEqual([name, kind, trust.exposure], ["operator", "human", "local"]);
  const postures = new Map(daemons.map((daemon) => [daemon.name, daemon.posture]));
  // The launcher starts programs, which would inherit its confinement.
  assert.deepEqual(
    [...postures].filter(([, posture]) => posture !== here),
    [["daemon-launcher", here / 2]],
  );
  assert.equal(trust.posture, here / 2);
  assert.ok(trust.authorizedAt > Date.now() / 1_000 - 3_600);
  assert.deepEqual(
    factors.map(({ factor }) => factor),
    ["authentication", "authorization", "posture", "delegation", "exposure", "agent type"],
  );
  for (const { value, why } of factors) assert.ok(value !== "" && why !== "");
  assert.match(home.must(["--as", "ci", "trust", "show"]), /agent type +ai +the signed record/);
  assert.match(home.must(["trust", "show"]), /daemon-profile \d+ %, daemon-secrets \d+ %/);
});

test("[TRUST-5] the vectors of others are for those who may read the log", async () => {
  // SECURITY: any agent could watch which others are there, in which processes.
  const ci = await home.connect("ci");
  const { connections, kind } = home.json(["trust", "show", "ci"]) as Shown;
  assert.equal(kind, "ai");
  assert.deepEqual(
    connections.map(({ pid }) => pid),
    [process.pid],
  );
  await ci.close();
  assert.match(home.must(["trust", "show", "nobody"]), /not connected/);
  for (const name of ["ci", "watcher"])
    assert.equal(home.run(["--as", "watcher", "trust", "show", name]).exit, 77);
});

test("[TRUST-2] nobody but a daemon reports a posture", async () => {
  // SECURITY: any client could talk the posture of the whole installation down.
  const ci = await home.connect("ci");
  const posture = await ci.call("bus.posture", {});
  await assert.rejects(ci.call("trust.report", { posture }), { code: "capability-missing" });
  await ci.close();
});

function isOther(daemon: "daemon-secrets" | "daemon-profile", killed: number): boolean {
  try {
    return home.pidOf(daemon) !== killed;
  } catch {
    return false;
  }
}

test("[TRUST-6] how deep somebody's delegation is shows at once, and after every restart", async () => {
  // SECURITY: what an agent does with rights that went through many hands would pass for its own.
  const deep = (name: string, links: number) =>
    eventually(`${name} is ${links} deep`, async () => {
      // A daemon that is starting holds its lock before it listens.
      const one = await home.connect(name).catch(() => null);
      if (one === null) return false;
      const { trust } = await one.call("trust.own", {});
      await one.close();
      return trust.delegation === links;
    });
  const first = ["grant", "create", "--scope", "secret-list+1", "--to", "ci"];
  const { id: above } = home.json(first) as { id: string };
  await deep("ci", 1);
  const more = ["--scope", "secret-list", "--to", "watcher"];
  home.must(["--as", "ci", "grant", "create", "--parent", above, ...more]);
  await deep("watcher", 2);
  assert.match(home.must(["--as", "watcher", "trust", "show"]), /delegation +2 deep/);
  for (const daemon of ["daemon-secrets", "daemon-profile"] as const) {
    const killed = home.pidOf(daemon);
    process.kill(killed, "SIGKILL");
    await eventually(`another ${daemon}`, () => isOther(daemon, killed));
    await deep("watcher", 2);
  }
  home.must(["grant", "revoke", above]);
  for (const name of ["ci", "watcher"]) await deep(name, 0);

  const ci = await home.connect("ci");
  const depths = [{ identity: ci.identity?.id ?? "", links: 8 }];
  await assert.rejects(ci.call("trust.delegations", { depths }), { code: "capability-missing" });
  await ci.close();
});

test("an identity's conduct shows in its score, with the entries that it rests on", async () => {
  const score = (): Scored => home.json(["trust", "show", "ci"]) as Scored;
  const ci = await home.connect("ci");
  await ci.call("profile.list", {});
  const good = score();
  assert.ok(good.confidence >= 43 && good.confidence < 100);
  assert.equal(good.measures["audit"], 1);
  for (let i = 0; i < 12; i++)
    await assert.rejects(ci.call("profile.create", { profile: "mine" }), {
      code: "capability-missing",
    });
  const bad = score();
  await ci.close();
  assert.ok(bad.score < good.score, `${bad.score} after ${good.score}`);
  const rules = new Set(bad.findings.map(({ rule }) => rule));
  assert.ok(rules.has("undeclared") && rules.has("refusals"));
  assert.match(
    home.must(["trust", "show", "ci"]),
    /score \d+ of 100[^]*undeclared +profile\.create/,
  );
});
