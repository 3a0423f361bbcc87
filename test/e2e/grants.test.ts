import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { encodeGrant } from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, type DenialCode } from "@sesame/core-types";
import { auditEntries, recorded } from "../helpers/audit-log.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { eventually } from "../helpers/eventually.ts";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const profile = "default";
const unlocking = { profile, password: Buffer.from(PASSWORD) };

let home: Home;
let bus: DirectDaemon;
let owner: DirectDaemon;
let operator: BusClient;

before(async () => {
  home = await Home.ready([
    { name: "ci", clearance: "secrets-only", capabilities: [] },
    { name: "job", kind: "ai", clearance: "secrets-only", capabilities: [] },
    { name: "low", capabilities: [] },
  ]);
  home.must(["secret", "set", "ci/token"], "the token");
  home.must(["secret", "set", "prod/key"], "the key");
  home.must(["daemon", "stop"]);
  // Without the supervisor, which would start a killed daemon by itself.
  bus = new DirectDaemon(home, "daemon-profile");
  owner = new DirectDaemon(home, "daemon-secrets");
  await bus.start();
  await owner.start();
  operator = await home.connect();
  await operator.call("vault.unlock", unlocking);
});

after(async () => {
  await operator.close();
  await owner.stop();
  await bus.stop();
  await home[Symbol.asyncDispose]();
});

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code && cause.detail === "";
const refused = denial("capability-missing");

async function as<T>(name: string, use: (client: BusClient) => Promise<T>): Promise<T> {
  const client = await home.connect(name);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const read = (client: BusClient, name: string): Promise<string> =>
  client.call("secret.get", { profile, name }).then(({ value }) => Buffer.from(value).toString());

const endOf = (grant: string) =>
  recorded(
    home,
    "the end",
    ({ action, object }) =>
      action === "grant.end" && (object ?? "").startsWith(`grant:${grant} to `),
  );

test("[AUTH-43] a grant opens what it covers and nothing else, for as long as it lives", async () => {
  await as("ci", async (ci) => {
    await assert.rejects(read(ci, "ci/token"), refused);
    const id = await issue(
      operator,
      signedChain(home, { to: "ci", scope: "secret-read:ci/* secret-list:ci/*" }),
    );
    assert.equal(await read(ci, "ci/token"), "the token");
    for (const name of ["prod/key", "no/such-name"]) await assert.rejects(read(ci, name), refused);
    const names = ["ci/token", "prod/key"];
    await assert.rejects(ci.call("secret.fetch", { profile, names }), refused);
    const all = await ci.call("secret.fetch", { profile, names: null });
    assert.deepEqual(
      all.secrets.map(({ name }) => name),
      ["ci/token"],
    );
    const listed = await ci.call("secret.list", { profile });
    assert.deepEqual(
      listed.secrets.map(({ name }) => name),
      ["ci/token"],
    );
    const value = Buffer.from("planted");
    await assert.rejects(ci.call("secret.set", { profile, name: "ci/token", value }), refused);
    await assert.rejects(ci.call("secret.delete", { profile, name: "ci/token" }), refused);
    await as("job", (job) => assert.rejects(read(job, "ci/token"), refused));

    assert.deepEqual(await operator.call("grant.revoke", { grant: id, identity: null }), {
      changed: true,
    });
    await assert.rejects(read(ci, "ci/token"), refused);
    assert.deepEqual(await operator.call("grant.revoke", { grant: id, identity: null }), {
      changed: false,
    });
    assert.equal((await endOf(id)).outcome, "revoked");
    const outcomes = (await auditEntries(home))
      .filter(({ action }) => action === "secret.get")
      .map(({ outcome }) => outcome);
    for (const outcome of [
      `ok:grant/${id}`,
      "refused:capability-missing/capability-not-granted",
      "refused:capability-missing/revoked",
    ])
      assert.ok(outcomes.includes(outcome), outcome);
  });
});

test("[AUTH-17] a delegatee hands on what it was given, and its end is theirs", async () => {
  // SECURITY: an agent would give away more than it has, or keep it beyond its own end.
  const above = signedChain(home, { to: "ci", scope: "secret-read:ci/*+1" });
  const id = await issue(operator, above);
  const chain = await as("ci", (ci) => ci.call("grant.show", { grant: id }));
  assert.deepEqual(chain.chain, above.map(encodeGrant));
  const below = await as("ci", (ci) => {
    const given = { from: "ci", to: "job", scope: "secret-read", above };
    return issue(ci, signedChain(home, given));
  });
  await as("job", async (job) => {
    assert.equal(await read(job, "ci/token"), "the token");
    await assert.rejects(read(job, "prod/key"), refused);
    const further = signedChain(home, {
      from: "job",
      to: "low",
      scope: "secret-list",
      above: signedChain(home, { from: "ci", to: "job", scope: "secret-read", above }),
    });
    await assert.rejects(issue(job, further), refused);
    await operator.call("grant.revoke", { grant: id, identity: null });
    await assert.rejects(read(job, "ci/token"), refused);
  });
  assert.match((await endOf(below)).object ?? "", new RegExp(` through grant:${id}$`));
});

test("[AUTH-25] a grant without heartbeats ends by itself, and is heard of", async () => {
  const heard: string[] = [];
  await operator.on("grant.ended", ({ grant, why }) => void heard.push(`${grant} ${why}`));
  const changes = { heartbeatMs: 1_000 };
  const silent = await issue(
    operator,
    signedChain(home, { to: "ci", scope: "secret-read:ci/*", changes }),
  );
  const held = await issue(
    operator,
    signedChain(home, { to: "ci", scope: "secret-read:ci/*", changes }),
  );
  await as("ci", async (ci) => {
    await eventually("the end of the silent one", async () => {
      assert.deepEqual(await ci.call("grant.heartbeat", { grants: [held] }), { ended: [] });
      return heard.includes(`${silent} heartbeat-missed`);
    });
    assert.equal(await read(ci, "ci/token"), "the token");
  });
  await operator.call("grant.revoke", { grant: held, identity: null });
  await operator.unsubscribe("grant.ended");
});

test("[OWNER-1] the bus host goes by grants, too, with a ledger of its own", async () => {
  const chain = signedChain(home, { to: "low", scope: "profile-list profile-deactivate" });
  const grant = chain[0]?.grant.id ?? "";
  await as("low", async (low) => {
    await assert.rejects(low.call("profile.list", {}), refused);
    await low.call("bus-grant.issue", { chain: chain.map(encodeGrant) });
    assert.equal((await low.call("profile.list", {})).profiles.length, 1);
    await assert.rejects(low.call("profile.activate", { profile }), refused);
    await assert.rejects(low.call("vault.status", {}), refused);
    assert.deepEqual(await low.call("bus-grant.heartbeat", { grants: [grant] }), { ended: [] });
    await as("ci", (ci) => assert.rejects(ci.call("bus-grant.show", { grant }), refused));
  });
  await bus.kill();
  await bus.start();
  await operator.close();
  operator = await home.connect();
  await eventually("the owner of the secrets on the bus", async () => {
    return (await operator.call("status.get", {})).secretsConnected;
  });
  await as("low", async (low) => {
    await low.call("profile.deactivate", { profile });
    const revoked = await operator.call("bus-grant.revoke", { grant, identity: null });
    assert.deepEqual(revoked, { changed: true });
    await assert.rejects(low.call("profile.list", {}), refused);
  });
  assert.equal((await endOf(grant)).outcome, "revoked");
  await operator.call("profile.activate", { profile });
});

test("[AUTH-31] what lives, is revoked and is used up survives a kill of the owner", async () => {
  // SECURITY: crashing the owner would give back what was revoked or used up.
  const give = (changes = {}) =>
    issue(operator, signedChain(home, { to: "ci", scope: "secret-read:ci/*", changes }));
  const twice = await give({ maxUses: 2 });
  assert.equal(await as("ci", (ci) => read(ci, "ci/token")), "the token");
  const gone = signedChain(home, { to: "ci", scope: "secret-read:prod/*" });
  await operator.call("grant.revoke", { grant: await issue(operator, gone), identity: null });
  await owner.kill();
  await owner.start();
  await operator.call("vault.unlock", unlocking);
  await assert.rejects(issue(operator, gone), refused);
  const { grants } = await operator.call("grant.list", { after: null });
  assert.deepEqual(
    grants.map(({ usesLeft }) => usesLeft),
    [1],
  );
  await as("ci", async (ci) => {
    assert.equal(await read(ci, "ci/token"), "the token");
    await assert.rejects(read(ci, "ci/token"), refused);
    await assert.rejects(read(ci, "prod/key"), refused);
  });
  assert.equal((await endOf(twice)).outcome, "used-up");
  assert.equal(statSync(stateFile()).mode & 0o777, 0o600);
});

const stateFile = (): string => join(home.paths.authority, "daemon-secrets", "grants.state");

test("[OWNER-1] clearance stays what the operator signed, whatever was granted", async () => {
  // SECURITY: a delegator would clear others for what nobody cleared them for.
  const id = await issue(
    operator,
    signedChain(home, { to: "low", scope: "secret-read:ci/* secret-list" }),
  );
  await as("low", async (low) => {
    await assert.rejects(read(low, "ci/token"), denial("clearance-too-low"));
    assert.equal((await low.call("secret.list", { profile })).secrets.length, 2);
  });
  await operator.call("grant.revoke", { grant: id, identity: null });
});

test("[AUTH-44] nobody learns of grants between others, or ends them", async () => {
  const id = await issue(operator, signedChain(home, { to: "ci", scope: "secret-read:ci/*" }));
  await as("job", async (job) => {
    assert.deepEqual(await job.call("grant.list", { after: null }), { damaged: false, grants: [] });
    await assert.rejects(job.call("grant.show", { grant: id }), refused);
    await assert.rejects(job.call("grant.revoke", { grant: id, identity: null }), refused);
    assert.deepEqual(await job.call("grant.heartbeat", { grants: [id, "x"] }), {
      ended: [id, "x"],
    });
  });
  await as("ci", (ci) =>
    assert.rejects(ci.call("grant.revoke", { grant: id, identity: null }), refused),
  );
  await operator.call("grant.revoke", { grant: id, identity: null });
});

test("[AUTH-42] revoking an identity ends its grants on the spot, and they do not come back", async () => {
  const above = signedChain(home, { to: "ci", scope: "secret-read:ci/*+1" });
  await issue(operator, above);
  const below = await as("ci", (ci) =>
    issue(ci, signedChain(home, { from: "ci", to: "job", scope: "secret-read", above })),
  );
  home.must(["agent", "revoke", "ci"], `${PASSWORD}\n`);
  await as("job", (job) => assert.rejects(read(job, "ci/token"), refused));
  assert.equal((await endOf(below)).outcome, "parent-ended");
});

test("[AUTH-41] with a damaged state no grant counts, and enrolment goes on", async () => {
  // SECURITY: whoever damages the file would make the owner forget what was revoked.
  await issue(operator, signedChain(home, { to: "job", scope: "secret-read:ci/*" }));
  await owner.stop();
  const state = readFileSync(stateFile());
  state[state.length - 3] = (state[state.length - 3] ?? 0) ^ 1;
  writeFileSync(stateFile(), state);
  await owner.start();
  await operator.call("vault.unlock", unlocking);
  assert.deepEqual(await operator.call("grant.list", { after: null }), {
    damaged: true,
    grants: [],
  });
  await as("job", (job) => assert.rejects(read(job, "ci/token"), refused));
  await assert.rejects(
    issue(operator, signedChain(home, { to: "job", scope: "secret-read:ci/*" })),
    refused,
  );
  assert.equal(await read(operator, "ci/token"), "the token");
  assert.deepEqual(readFileSync(stateFile()), state, "kept as it is, to be looked at");
  assert.match(
    readFileSync(join(home.path, "daemon-secrets.log"), "utf8"),
    /grants\.state is damaged/,
  );
});
