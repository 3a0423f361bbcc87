import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, type DenialCode } from "@sesame/core-types";
import { recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const PROD = { profile: "default", name: "prod/db" };
const profile = "default";
const [DATA, INTEGRITY] = [65, 76];

let home: Home;
let operator: BusClient;
let auditor: BusClient;

before(async () => {
  home = await Home.ready([
    { name: "auditor", kind: "ai", capabilities: ["audit-read", "profile-list"] },
  ]);
  home.must(["secret", "set", "prod/db"], "prod value");
  await connect();
});

after(async () => {
  await disconnect();
  await home[Symbol.asyncDispose]();
});

async function connect(): Promise<void> {
  [operator, auditor] = [await home.connect(), await home.connect("auditor")];
}

async function disconnect(): Promise<void> {
  for (const bus of [operator, auditor]) await bus.close();
}

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;
const file = (name: string): string => join(home.path, name);

/** Signs rules with the root key. */
function sign(rules: readonly object[], name = "policy.json"): string {
  writeFileSync(file("rules.json"), JSON.stringify({ mode: "enforce", rules }));
  const out = file(name);
  home.must(["policy", "sign", file("rules.json"), "--out", out], `${PASSWORD}\n`);
  return out;
}

function install(rules: readonly object[]): string {
  const out = sign(rules);
  assert.match(home.must(["policy", "install", out]), /is in force/);
  return out;
}

const logFiles = (bus: BusClient): Promise<unknown> => bus.call("audit.files", {});

test("[POLICY-2] [POLICY-9] the bus host holds its own kinds to the policy", async () => {
  // SECURITY: a rule about profiles or the log would be written, shown, and hold back nobody.
  await logFiles(auditor);
  install([
    { name: "no-log", who: { kinds: ["ai"] }, demand: { ceiling: "profile-list" } },
    { name: "asleep", what: { capabilities: ["profile-activate"] }, demand: { ceiling: "" } },
  ]);
  await assert.rejects(logFiles(auditor), denial("capability-missing"));
  await assert.rejects(
    operator.call("profile.activate", { profile }),
    denial("capability-missing"),
  );
  await logFiles(operator);
  for (const [action, rule] of [
    ["audit.files", "no-log"],
    ["profile.activate", "asleep"],
  ])
    await recorded(
      home,
      `the reason of ${action}`,
      (entry) =>
        entry.action === action && entry.outcome === `refused:capability-missing/ceiling/${rule}`,
    );
  await recorded(home, "the installation", (entry) => entry.action === "bus-policy.install");
  // Unlocking activates the profile by daemon-secrets, which is not held.
  home.must(["lock"]);
  home.must(["unlock"], `${PASSWORD}\n`);
});

test("[POLICY-15] what a rule makes somebody agree to is asked of the operator, once", async () => {
  // SECURITY: the rule would hold back nobody, or everybody for good.
  const what = { capabilities: ["audit-read"] };
  install([{ name: "ask", who: { kinds: ["ai"] }, what, demand: { approval: true } }]);
  await logFiles(operator);
  await assert.rejects(logFiles(auditor), denial("approval-needed"));
  const { asked } = await operator.call("approval.list", {});
  const [{ id = "", name, capability, names } = {}] = asked;
  assert.deepEqual([asked.length, name, capability, names], [1, "auditor", "audit-read", []]);
  assert.match(home.must(["approve", id, "--once"]), /once/);
  const waited = await auditor.call("approval.wait", { id, reason: null, waitMs: 0 });
  assert.equal(waited.state, "approved");
  await logFiles(auditor);
  await assert.rejects(logFiles(auditor), denial("approval-needed"));
});

test("[POLICY-15] nobody but the bus host asks in another's name, and only about its own kinds", async () => {
  // SECURITY: questions that nobody asked would fill the operator's list, or use up an approval.
  const session = new Uint8Array(16);
  const question = { caller: "auditor", session, profile: null, condition: "approval" } as const;
  const launcher = await home.connect("daemon-launcher");
  for (const bus of [operator, auditor, launcher])
    await assert.rejects(
      bus.call("policy.condition", { ...question, capability: "audit-read" }),
      denial("capability-missing"),
    );
  await launcher.close();
});

test("[POLICY-14] an owner that missed a policy refuses until it has it", async () => {
  // SECURITY: whoever keeps one owner away while a rule is installed would go on without it there.
  install([]);
  const next = sign([{ name: "later", demand: { rate: { uses: 500, seconds: 1 } } }], "next.json");
  // As if the command had died between the two.
  await operator.call("bus-policy.install", { file: readFileSync(next) });
  await operator.call("secret.get", PROD);
  process.kill(await home.pidOf("daemon-secrets"), "SIGKILL");
  await eventually("an owner that has found out", async () => {
    const attempt = operator.call("secret.list", { profile });
    const cause: unknown = await attempt.catch((denied: unknown) => denied);
    return denial("policy-missing")(cause);
  });
  const shown = home.run(["policy", "show"]);
  assert.equal(shown.exit, INTEGRITY);
  assert.match(shown.err, /daemon-secrets has version \d+ and misses a later one/);
  assert.match(home.run(["doctor"]).out, /policy +daemon-secrets had a later one/);
  assert.match(home.must(["policy", "install", next]), /is in force/);
  assert.match(home.must(["policy", "install", next]), /is in force already/);
  assert.match(home.must(["policy", "show"]), /In force at daemon-profile and daemon-secrets/);
  home.must(["unlock"], `${PASSWORD}\n`);
  await operator.call("secret.get", PROD);
});

test("[POLICY-14] the bus host misses a policy that was removed from its directory", async () => {
  // SECURITY: whoever can write the bus host's directory would end all rules about the log.
  const policy = install([
    { name: "no-log", who: { kinds: ["ai"] }, demand: { ceiling: "profile-list" } },
  ]);
  await disconnect();
  home.must(["daemon", "stop"]);
  rmSync(join(dirname(home.paths.profiles), "policy.json"));
  home.must(["daemon", "start"]);
  await connect();
  for (const bus of [auditor, operator])
    await assert.rejects(logFiles(bus), denial("policy-missing"));
  assert.equal(home.run(["policy", "show"]).exit, INTEGRITY);
  assert.match(home.must(["policy", "install", policy]), /is in force/);
  await assert.rejects(logFiles(auditor), denial("capability-missing"));
  await logFiles(operator);
});

test("[POLICY-13] a policy that would hold back nothing is neither signed nor installed", () => {
  const rules = [{ name: "x", what: { capabilities: ["lock"] }, demand: { approval: true } }];
  writeFileSync(file("rules.json"), JSON.stringify({ mode: "enforce", rules }));
  const ran = home.run(["policy", "sign", file("rules.json")], `${PASSWORD}\n`);
  assert.equal(ran.exit, DATA);
  assert.match(ran.err, /policy-unheld: rule x: no policy holds back what takes lock/);
  const free = home.run(["policy", "test", "operator", "lock"]);
  assert.equal(free.exit, 64);
  assert.match(free.err, /no policy holds back what takes lock/);
});
