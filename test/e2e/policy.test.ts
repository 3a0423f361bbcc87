import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  keyFileOf,
  loadKeyFile,
  requireInstallation,
  type IdentityKeys,
} from "@sesame/core-ipc/daemon";
import { POLICY_TYPE, stampPolicy } from "@sesame/core-policy";
import { Denial, type DenialCode } from "@sesame/core-types";
import { recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const READER = {
  kind: "ai",
  clearance: "secrets-only",
  capabilities: ["secret-read", "secret-list", "profile-list", "status-read"],
} as const;
const PROD = { profile: "default", name: "prod/db" };
const DEV = { profile: "default", name: "dev/db" };
const PROBE = Buffer.from("{}");
const [DATA, INTEGRITY] = [65, 76];

let home: Home;
let operator: BusClient;
let agent: BusClient;

before(async () => {
  home = await Home.ready([
    { name: "agent", ...READER },
    { name: "signer", capabilities: ["config-reload"] },
  ]);
  home.must(["secret", "set", "prod/db"], "prod value");
  home.must(["secret", "set", "dev/db"], "dev value");
  await connect();
});

after(async () => {
  await disconnect();
  await home[Symbol.asyncDispose]();
});

async function connect(): Promise<void> {
  [operator, agent] = [await home.connect(), await home.connect("agent")];
}

async function disconnect(): Promise<void> {
  for (const bus of [operator, agent]) await bus.close();
}

const denial =
  (code: DenialCode, detail?: string) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code && (detail ?? cause.detail) === cause.detail;
const file = (name: string): string => join(home.path, name);
const agents = { kinds: ["ai"] };

function write(rules: readonly object[], mode = "enforce"): string {
  writeFileSync(file("rules.json"), JSON.stringify({ mode, rules }));
  return file("rules.json");
}

/** Signs rules with the root key and puts them in force. */
function install(rules: readonly object[], mode?: string): void {
  const out = file("policy.json");
  home.must(["policy", "sign", write(rules, mode), "--out", out], `${PASSWORD}\n`);
  assert.match(home.must(["policy", "install", out]), /is in force/);
}

function keysOf(name: string): IdentityKeys {
  const keys = loadKeyFile(suite, keyFileOf(home.paths, name));
  assert.ok(keys !== null);
  return keys;
}

/** Signs with any key, about any time and version, and gives it to an owner. */
function offer(
  key: string | IdentityKeys,
  change: { version?: number; createdMs?: number } = {},
  to: "policy.install" | "bus-policy.install" = "policy.install",
): Promise<unknown> {
  const keys = typeof key === "string" ? keysOf(key) : key;
  const now = Date.now();
  const { id: installation } = requireInstallation(suite, home.paths);
  const stamp = { installation, version: now, createdMs: now, ...change };
  const text = stampPolicy(readFileSync(write([])), stamp);
  const { signingKey: publicKey, signingSeed } = keys;
  const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(signingSeed, message);
  const envelope = signEnvelope(POLICY_TYPE, text, [{ publicKey, sign }]);
  return operator.call(to, { file: Buffer.from(envelope) });
}

async function read(bus: BusClient, what = PROD): Promise<string> {
  return Buffer.from((await bus.call("secret.get", what)).value).toString();
}

test("[POLICY-2] [POLICY-9] a ceiling ends at once what enrolment allows, also in open sessions", async () => {
  // SECURITY: an agent would go on with what the operator has just forbidden.
  assert.equal(await read(agent), "prod value");
  install([
    { name: "not-prod", who: agents, demand: { ceiling: "secret-read:dev/* secret-list" } },
  ]);
  await assert.rejects(read(agent), denial("capability-missing", ""));
  assert.equal(await read(agent, DEV), "dev value");
  await assert.rejects(
    agent.call("secret.fetch", { profile: "default", names: null }),
    denial("capability-missing"),
  );
  assert.equal(await read(operator), "prod value");
  await recorded(
    home,
    "the reason",
    ({ action, outcome }) =>
      action === "secret.get" && outcome === "refused:capability-missing/ceiling/not-prod",
  );
  await recorded(
    home,
    "the installation",
    ({ action, object, outcome }) =>
      action === "policy.install" && /^policy \d+$/.test(object ?? "") && outcome === "ok",
  );
  assert.match(home.must(["policy", "show"]), /not-prod +ai +everything +at most \[secret-list/);
  const said = home.must(["policy", "test", "agent", "secret-read", "prod/db", "-p", "default"]);
  assert.match(said, /ceiling +not-prod/);
  assert.match(
    home.must(["policy", "test", "operator", "secret-read", "prod/db"]),
    /nothing against/,
  );
});

test("[POLICY-5] a rule that demands approval asks the operator, once", async () => {
  install([
    {
      name: "ask",
      who: agents,
      what: { capabilities: ["secret-read"], secrets: ["prod/**"] },
      demand: { approval: true },
    },
  ]);
  assert.equal(await read(agent, DEV), "dev value");
  const cause: unknown = await read(agent).catch((denied: unknown) => denied);
  assert.ok(denial("approval-needed")(cause), String(cause));
  const { asked } = await operator.call("approval.list", {});
  assert.deepEqual(asked[0]?.names, ["prod/db"]);
  await operator.call("approval.answer", { id: asked[0]?.id ?? "", answer: "once", forMs: 0 });
  assert.equal(await read(agent), "prod value");
  await assert.rejects(read(agent), denial("approval-needed"));
  // SECURITY: approval for one name would open all of them at once.
  const again = (await operator.call("approval.list", {})).asked[0];
  await operator.call("approval.answer", { id: again?.id ?? "", answer: "for", forMs: 60_000 });
  assert.equal(await read(agent), "prod value");
  await assert.rejects(
    agent.call("secret.fetch", { profile: "default", names: null }),
    denial("approval-needed"),
  );
});

test("[POLICY-6] a rate lets so many through", async () => {
  install([{ name: "slow", who: agents, demand: { rate: { uses: 2, seconds: 86_400 } } }]);
  assert.equal(await read(agent), "prod value");
  assert.equal(await read(agent), "prod value");
  await assert.rejects(read(agent), denial("capability-missing"));
  await recorded(home, "the rate", ({ outcome }) =>
    outcome.endsWith("capability-missing/rate/slow"),
  );
});

test("[POLICY-10] a policy on trial refuses nothing, and records what it would", async () => {
  install([{ name: "trial", who: agents, demand: { ceiling: "" } }], "dry-run");
  assert.equal(await read(agent), "prod value");
  await recorded(home, "the trial", ({ outcome }) => outcome === "dry-run:ceiling/trial");
});

test("[POLICY-7] only the root key, or one that was given it, signs policies", async () => {
  // SECURITY: a program that reads the operator's key file would lift what restrains it.
  install([{ name: "not-prod", who: agents, demand: { ceiling: "" } }]);
  for (const key of ["operator", "agent", "daemon-profile"])
    for (const to of ["policy.install", "bus-policy.install"] as const)
      await assert.rejects(offer(key, {}, to), denial("policy-refused", "policy-untrusted"), key);
  for (const to of ["policy.install", "bus-policy.install"] as const)
    await assert.rejects(agent.call(to, { file: PROBE }), denial("capability-missing"));
  await assert.rejects(read(agent), denial("capability-missing"));
  await offer("signer");
  assert.equal(await read(agent), "prod value");
});

test("[POLICY-8] what is old, stale or from the future leaves the one before in force", async () => {
  // SECURITY: whoever kept a policy from before a rule was added would put it back.
  install([{ name: "kept", who: agents, demand: { ceiling: "" } }]);
  const now = Date.now();
  const [stale, future] = [now - 25 * 60 * 60_000, now + 301_000 + 60_000];
  for (const [change, why] of [
    [{ version: 1 }, "policy-older"],
    [{ version: stale, createdMs: stale }, "policy-stale"],
    [{ version: future, createdMs: future }, "policy-future"],
  ] as const)
    for (const to of ["policy.install", "bus-policy.install"] as const)
      await assert.rejects(offer("signer", change, to), denial("policy-refused", why), why);
  for (const to of ["policy.install", "bus-policy.install"] as const)
    await assert.rejects(
      operator.call(to, { file: PROBE }),
      denial("policy-refused", "policy-malformed"),
    );
  await assert.rejects(read(agent), denial("capability-missing"));
  const slip = home.run(["policy", "sign", write([{ name: "x", demand: {} }])], `${PASSWORD}\n`);
  assert.equal(slip.exit, DATA);
  const unsigned = home.run(["policy", "install", write([])]);
  assert.equal(unsigned.exit, DATA);
  assert.match(unsigned.err, /not signed yet\n.*`sesame policy sign`/);
  assert.match(slip.err, /policy-invalid: rule x/);
});

test("[POLICY-9] a restart keeps the policy", async () => {
  // SECURITY: a restart, which anybody can bring about, would end all rules.
  install([{ name: "kept", who: agents, demand: { ceiling: "" } }]);
  await restart(() => undefined);
  await assert.rejects(read(agent), denial("capability-missing"));
  assert.match(home.must(["policy", "show"]), /kept/);
  assert.match(home.must(["policy", "install", file("policy.json")]), /in force already/);
});

test("[POLICY-11] a policy that was removed, or put back, is missed by the vaults", async () => {
  // SECURITY: whoever can write the daemon's directory would end all rules, or bring back old ones.
  const places = [home.paths.vaults, dirname(home.paths.profiles)];
  const all = places.map((place) => join(place, "policy.json"));
  const old = (kept: string): string => file(`${all.indexOf(kept)}-old.json`);
  install([{ name: "old", who: agents, demand: { approval: true } }]);
  for (const kept of all) copyFileSync(kept, old(kept));
  install([{ name: "new", who: agents, demand: { ceiling: "" } }]);
  const attacks = [rmSync, (kept: string) => copyFileSync(old(kept), kept)];
  for (const attack of attacks) {
    await restart(() => {
      for (const kept of all) attack(kept);
    });
    await assert.rejects(read(agent), denial("policy-missing"));
    await assert.rejects(read(operator), denial("policy-missing"));
    await assert.rejects(operator.call("audit.files", {}), denial("policy-missing"));
    assert.equal(home.run(["policy", "show"]).exit, INTEGRITY);
    await operator.call("vault.lock", { profile: null });
    const password = Buffer.from(PASSWORD);
    await assert.rejects(
      operator.call("vault.unlock", { profile: "default", password }),
      denial("policy-missing"),
    );
    install([{ name: "again", who: agents, demand: { ceiling: "" } }]);
    await operator.call("vault.unlock", {
      profile: "default",
      password: Buffer.from(PASSWORD),
    });
    await assert.rejects(read(agent), denial("capability-missing"));
    assert.equal(await read(operator), "prod value");
  }
  await disconnect();
  home.must(["daemon", "stop"]);
  for (const kept of all) {
    const good = readFileSync(kept);
    writeFileSync(kept, good.subarray(0, 100));
    assert.notEqual(home.run(["daemon", "start"]).exit, 0);
    writeFileSync(kept, good);
  }
  home.must(["unlock"], `${PASSWORD}\n`);
  await connect();
});

test("[POLICY-12] no policy keeps the operator from locking, or from a better policy", async () => {
  install([{ name: "nothing", demand: { ceiling: "" } }]);
  await assert.rejects(read(operator), denial("capability-missing"));
  home.must(["panic"]);
  home.must(["panic", "--lift"], `${PASSWORD}\n`);
  install([]);
  home.must(["unlock"], `${PASSWORD}\n`);
  await disconnect();
  await connect();
  assert.equal(await read(agent), "prod value");
});

/** Stops the daemons, does something while they are down, and starts them. */
async function restart(meanwhile: () => void): Promise<void> {
  await disconnect();
  home.must(["daemon", "stop"]);
  meanwhile();
  home.must(["unlock"], `${PASSWORD}\n`);
  await connect();
}

test("[POLICY-17] [POLICY-18] new keys of signers and owners leave the policy in force", async () => {
  // SECURITY: an owner that does not know its own signature any more would go by no rules.
  const pass = `${PASSWORD}\n`;
  const rules = [{ name: "not-prod", who: agents, demand: { ceiling: "" } }];
  const refused = () => assert.rejects(read(agent), denial("capability-missing"));
  const first = keysOf("signer");
  for (let i = 0; i < 2; i++) home.must(["agent", "rotate", "signer", "--overlap", "1h"], pass);
  await offer(first);
  await offer("signer");
  install(rules);
  await refused();
  home.must(["key", "rotate", "--compromised"], pass);
  await disconnect();
  home.must(["daemon", "stop"]);
  home.must(["unlock"], pass);
  await connect();
  await refused();
  const second = keysOf("signer");
  home.must(["agent", "rotate", "signer", "--overlap", "1s"], pass);
  await eventually("the end of the former key", async () => {
    const end = await offer(second).catch((cause: unknown) => cause);
    return denial("policy-refused", "policy-untrusted")(end);
  });
  await offer("signer");
  assert.equal(await read(agent), "prod value");
});
