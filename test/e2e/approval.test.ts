import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, type AskedApproval, type DenialCode } from "@sesame/core-types";
import { auditEntries, recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD, SESAME } from "../helpers/home.ts";

const READER = {
  kind: "ai",
  clearance: "secrets-only",
  capabilities: ["secret-read", "secret-list", "profile-list", "status-read"],
} as const;
const PROD = { profile: "default", name: "prod/db" };
const NEEDED = 75;
const DENIED = 77;

let home: Home;
let operator: BusClient;

before(async () => {
  home = await Home.ready([
    { name: "agent", ...READER },
    { name: "other", ...READER },
  ]);
  home.must(["secret", "set", "prod/db", "--ask"], "protected value");
  home.must(["secret", "set", "dev/db"], "open value");
  operator = await home.connect();
});

after(async () => {
  await operator.close();
  await home[Symbol.asyncDispose]();
});

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

/** Asks for the protected secret and is told to wait; the id of the request. */
async function needs(bus: BusClient): Promise<string> {
  const cause: unknown = await bus.call("secret.get", PROD).catch((denied: unknown) => denied);
  assert.ok(denial("approval-needed")(cause), String(cause));
  return (cause as Denial).detail;
}

async function read(bus: BusClient): Promise<string> {
  return Buffer.from((await bus.call("secret.get", PROD)).value).toString();
}

async function waiting(): Promise<AskedApproval[]> {
  return (await operator.call("approval.list", {})).asked;
}

const answer = (id: string, word: "once" | "for" | "never", forMs = 0): Promise<unknown> =>
  operator.call("approval.answer", { id, answer: word, forMs });

/** A fresh start: every answer is forgotten, every connection too. */
async function restart(): Promise<void> {
  await operator.close();
  home.must(["daemon", "stop"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  operator = await home.connect();
}

type Running = { readonly child: ChildProcess; readonly out: Promise<string> };

function start(args: readonly string[]): Running {
  const child = spawn(SESAME, args, { env: home.env, cwd: home.path });
  return { child, out: text(child.stdout) };
}

test("[APPROVE-1] [APPROVE-4] an agent is blocked until the operator approves, once", async () => {
  // SECURITY: a protected secret would be read by an agent that nobody looked at.
  const { child, out } = start(
    ["--as", "agent", "secret", "get", "prod/db", "--wait", "5m"].concat(
      "--reason",
      "migrate the schema",
    ),
  );
  const [asked] = await eventually("a request with reason and process", async () => {
    const found = await waiting();
    return found[0]?.reason === null || found[0]?.peer === null ? null : found.length > 0 && found;
  });
  const { id, name, kind, capability, names, reason, peer } = asked as AskedApproval;
  assert.deepEqual(
    { name, kind, capability, names, reason },
    {
      name: "agent",
      kind: "ai",
      capability: "secret-read",
      names: ["prod/db"],
      reason: "migrate the schema",
    },
  );
  assert.equal(peer?.processes[0]?.pid, child.pid);
  assert.ok((peer?.processes.length ?? 0) > 1, "its parents");
  assert.match(home.must(["approve", "--list"]), new RegExp(`${id} +agent +ai .*prod/db`));
  assert.match(home.must(["approve", id, "--once"]), /once/);
  assert.equal(await out, "protected value");
  const again = home.run(["--as", "agent", "secret", "get", "prod/db", "--wait", "0s"]);
  assert.equal(again.exit, NEEDED, again.err);
  assert.match(again.err, /has to be approved.*\n.*hint: .*sesame approve [0-9a-f]{8}/);
  assert.equal(home.must(["--as", "agent", "secret", "get", "dev/db"]), "open value");
  await recorded(
    home,
    "the answer",
    ({ action, object, outcome }) =>
      action === "approval.answer" && object === `once secret-read agent ${id}` && outcome === "ok",
  );
});

test("[APPROVE-1] what is approved for one identity is of no use to another", async () => {
  // SECURITY: a second agent would ride on what was approved for the first.
  await restart();
  const [agent, other] = [await home.connect("agent"), await home.connect("other")];
  const id = await needs(agent);
  await answer(id, "for", 600_000);
  const rider = await needs(other);
  assert.notEqual(rider, id);
  assert.equal(await read(agent), "protected value");
  assert.equal(await read(agent), "protected value");
  await needs(other);
  // SECURITY: nor does it learn of the other's request, or put words to it.
  const { state } = await other.call("approval.wait", { id, reason: "mine", waitMs: 0 });
  assert.equal(state, "gone");
  for (const bus of [agent, other]) await bus.close();
});

test("[APPROVE-1] a fetch of everything waits for the protected one, and gets all or none", async () => {
  await restart();
  const agent = await home.connect("agent");
  const all = { profile: "default", names: null };
  await assert.rejects(agent.call("secret.fetch", all), denial("approval-needed"));
  const [asked] = await waiting();
  assert.deepEqual(asked?.names, ["prod/db"]);
  await answer(asked?.id ?? "", "once");
  const { secrets } = await agent.call("secret.fetch", all);
  assert.deepEqual(
    secrets.map(({ name }) => name),
    ["dev/db", "prod/db"],
  );
  await assert.rejects(agent.call("secret.fetch", all), denial("approval-needed"));
  await agent.close();
});

test("[APPROVE-4] never stays, and looks like whatever is not allowed", async () => {
  await restart();
  const agent = await home.connect("agent");
  const id = await needs(agent);
  await answer(id, "never");
  await assert.rejects(agent.call("secret.get", PROD), denial("capability-missing"));
  home.must(["lock"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  await assert.rejects(agent.call("secret.get", PROD), denial("capability-missing"));
  assert.equal(home.run(["--as", "agent", "secret", "get", "prod/db"]).exit, DENIED);
  await recorded(
    home,
    "the reason",
    ({ outcome }) => outcome === "refused:capability-missing/never",
  );
  await agent.close();
});

test("[APPROVE-5] a lock and a restart end what was approved", async () => {
  // SECURITY: what was approved for this hour would be open again tomorrow.
  await restart();
  let agent = await home.connect("agent");
  await answer(await needs(agent), "for", 600_000);
  assert.equal(await read(agent), "protected value");
  home.must(["lock"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  await answer(await needs(agent), "for", 600_000);
  await agent.close();
  await restart();
  agent = await home.connect("agent");
  await needs(agent);
  await agent.close();
});

test("[APPROVE-3] who has no `admin` neither sees nor answers, and nobody answers itself", async () => {
  // SECURITY: an agent would approve itself, or a second one would for it.
  await restart();
  const [agent, other] = [await home.connect("agent"), await home.connect("other")];
  const id = await needs(agent);
  for (const bus of [agent, other]) {
    await assert.rejects(bus.call("approval.list", {}), denial("capability-missing"));
    await assert.rejects(
      bus.call("approval.answer", { id, answer: "once", forMs: 0 }),
      denial("capability-missing"),
    );
    await assert.rejects(
      bus.call("secret.protect", { ...PROD, ask: false }),
      denial("capability-missing"),
    );
  }
  assert.equal(home.run(["--as", "other", "approve", id, "--once"]).exit, DENIED);
  assert.equal(await needs(agent), id);
  for (const bus of [agent, other]) await bus.close();
});

test("[APPROVE-2] who stops waiting finds its request again, answered", async () => {
  await restart();
  const first = home.run(["--as", "agent", "secret", "get", "prod/db", "--wait", "1s"]);
  assert.equal(first.exit, NEEDED, first.err);
  const [asked] = await waiting();
  const same = home.run(["--as", "agent", "secret", "get", "prod/db", "--wait", "0s"]);
  assert.match(same.err, new RegExp(asked?.id ?? "none"));
  assert.match(home.must(["approve"], "once\n"), /once/);
  assert.equal(
    home.must(["--as", "agent", "secret", "get", "prod/db", "--wait", "0s"]),
    "protected value",
  );
  assert.match(home.must(["approve"]), /Nothing waits/);
  assert.equal(home.run(["approve", "00000000", "--once"]).exit, 66);
});

test("[APPROVE-7] the event tells how many wait, and nothing else", async () => {
  await restart();
  const [agent, other] = [await home.connect("agent"), await home.connect("other")];
  const told: unknown[] = [];
  await other.on("approval.changed", (event) => told.push(event));
  const id = await needs(agent);
  await eventually("the event", () => told.length > 0);
  assert.deepEqual(told[0], { waiting: 1 });
  const waits = agent.call("approval.wait", { id, reason: null, waitMs: 20_000 });
  await answer(id, "once");
  assert.deepEqual(await waits, { state: "approved" });
  for (const bus of [agent, other]) await bus.close();
});

test("[APPROVE-1] the operator's own use of a protected secret needs no approval", () => {
  assert.equal(home.must(["secret", "get", "prod/db"]), "protected value");
  assert.match(home.must(["secret", "list"]), /prod\/db .* ask/);
  assert.match(home.must(["secret", "protect", "prod/db"]), /already/);
  assert.match(home.must(["secret", "protect", "dev/db"]), /once you have approved/);
  assert.match(home.must(["secret", "protect", "dev/db", "--off"]), /without asking/);
});

test("[VAULT-30] the daemon's own names are out of reach", async () => {
  // SECURITY: who may write secrets would write that none is protected.
  const own = { profile: "default", name: ".sesame/protection" };
  await assert.rejects(operator.call("secret.get", own), denial("name-invalid"));
  await assert.rejects(operator.call("secret.delete", own), denial("name-invalid"));
  const value = new Uint8Array(1);
  await assert.rejects(operator.call("secret.set", { ...own, value }), denial("name-invalid"));
  const { secrets } = await operator.call("secret.fetch", { profile: "default", names: null });
  assert.ok(secrets.every(({ name }) => !name.startsWith(".sesame/")));
  assert.ok((await auditEntries(home)).every(({ object }) => !object?.includes(".sesame")));
});

test("a name can be protected before there is such a secret, and that is said", () => {
  assert.match(
    home.must(["secret", "protect", "prod/tyop"]),
    /There is no secret prod\/tyop in default\. Once there is, it is given to others once/,
  );
  assert.match(home.must(["secret", "protect", "prod/tyop"]), /Once there is, it is already given/);
  home.must(["secret", "set", "prod/tyop"], "x");
  assert.match(home.must(["secret", "protect", "prod/tyop"]), /prod\/tyop in default is already/);
  const { exists } = home.json(["secret", "protect", "other", "--off"]) as { exists: boolean };
  assert.equal(exists, false);
});

test("a request that ends while somebody thinks about it keeps the others from nothing", async () => {
  // SECURITY: an agent would let its request go and ask anew, and nobody else's were ever answered.
  await restart();
  for (const name of ["agent", "other"]) {
    const bus = await home.connect(name);
    await needs(bus);
    await bus.close();
  }
  const [first, second] = await waiting();
  const child = home.start(["approve"]);
  const said = text(child.stderr as Readable);
  const printed = text(child.stdout as Readable);
  await once(child.stderr as Readable, "readable");
  await answer(first?.id ?? "", "never");
  child.stdin?.end("o\no\n");
  assert.match(await said, new RegExp(`${first?.id}`));
  assert.equal(await printed, `${second?.id}: once\n`);
  assert.deepEqual(await waiting(), []);
});

test("[APPROVE-8] who was suspended or blocked has to be approved anew when it is back", async () => {
  // SECURITY: an agent that was taken over is stopped, and with its rights it would get back what
  // was approved for somebody who was trusted.
  const stops: readonly (readonly [string, string])[] = [
    ["suspend", "resume"],
    ["block", "unblock"],
  ];
  for (const [stop, back] of stops) {
    await restart();
    const trusted = await home.connect("agent");
    await answer(await needs(trusted), "for", 60 * 60_000);
    assert.equal(await read(trusted), "protected value");
    await trusted.close();
    home.must(["agent", stop, "agent"], `${PASSWORD}\n`);
    home.must(["agent", back, "agent"], `${PASSWORD}\n`);
    const again = await home.connect("agent");
    await needs(again);
    await again.close();
  }
});
