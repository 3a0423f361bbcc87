import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  decodeGrant,
  encodeGrant,
  signGrant,
  type Grant,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { readDenial } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, MESSAGES, type RequestName, type Sender } from "@sesame/core-types";
import { CompromisedHost, type Captured } from "../../helpers/compromised-host.ts";
import { DirectDaemon } from "../../helpers/direct-daemon.ts";
import { eventually } from "../../helpers/eventually.ts";
import { issue, signedChain } from "../../helpers/granting.ts";
import { Home, PASSWORD } from "../../helpers/home.ts";

// The owner of the secrets is real, and so are the callers; the bus host between them is the
// attacker's, and so are the keys of `thief`.

const profile = "default";
const DAY_MS = 24 * 60 * 60_000;

let home: Home;
let host: CompromisedHost;
let owner: DirectDaemon;
let operator: BusClient;
let agent: BusClient;
let thief: BusClient;

before(async () => {
  home = await Home.ready(
    ["agent", "thief"].map((name) => ({ name, clearance: "secrets-only", capabilities: [] })),
  );
  home.must(["secret", "set", "ci/token"], "the token");
  home.must(["daemon", "stop"]);
  host = await CompromisedHost.start(home);
  owner = new DirectDaemon(home, "daemon-secrets");
  await owner.start();
  await host.served();
  [operator, agent, thief] = [
    await home.connect(),
    await home.connect("agent"),
    await home.connect("thief"),
  ];
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
});

after(async () => {
  for (const client of [operator, agent, thief]) await client.close();
  await owner.kill();
  await host[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

beforeEach(() => {
  host.sender = (truth) => truth;
});

const read = async (client: BusClient): Promise<string> => {
  const { value } = await client.call("secret.get", { profile, name: "ci/token" });
  return Buffer.from(value).toString();
};
const refused = (cause: unknown): boolean =>
  cause instanceof Denial && cause.code === "capability-missing" && cause.detail === "";
const give = (changes: Partial<Grant> = {}, to = "agent"): SignedGrant[] =>
  signedChain(home, { to, scope: "secret-read:ci/*", changes });
const revoke = (grant: string) => operator.call("grant.revoke", { grant, identity: null });

function last(kind: RequestName): Captured {
  const found = host.captured.findLast(({ header }) => header.tag === MESSAGES[kind].tag);
  assert.ok(found !== undefined);
  return found;
}

/** Who the bus says is calling, whoever is. */
function impersonated(kind: RequestName): (sender: Sender) => Sender {
  const { sender } = last(kind);
  return ({ session }) => ({ ...sender, session });
}

test("[AUTH-39] a lie about who is calling gives nobody the use of another's grant", async () => {
  // SECURITY: a lying host would have the owner serve any client by anybody's grant.
  const id = await issue(operator, give());
  assert.equal(await read(agent), "the token");
  for (const lie of [impersonated("secret.get"), impersonated("grant.issue")]) {
    host.sender = lie;
    await assert.rejects(read(thief), refused);
    await assert.rejects(thief.call("grant.show", { grant: id }), refused);
    await assert.rejects(thief.call("grant.revoke", { grant: id, identity: null }), refused);
    assert.deepEqual((await thief.call("grant.list", { after: null })).grants, []);
    await assert.rejects(issue(thief, give({}, "agent")), refused);
    assert.equal(host.records.at(-1)?.caller, "thief");
  }
  host.sender = (truth) => truth;
  await revoke(id);
});

test("[AUTH-39] a host that clears and names its own client gives it no grant", async () => {
  // SECURITY: clearance and kind are the record's word, not the bus's.
  host.sender = (sender) => ({
    ...sender,
    name: "operator",
    kind: "human",
    clearance: "secrets-only",
  });
  await assert.rejects(read(thief), refused);
  await assert.rejects(thief.call("vault.lock", { profile }), refused);
});

test("[AUTH-25] heartbeats that the host makes up or repeats keep no grant alive", async () => {
  // SECURITY: an agent that was stopped would keep its rights for as long as the host likes.
  const id = await issue(operator, give({ heartbeatMs: 1_000 }));
  assert.deepEqual(await agent.call("grant.heartbeat", { grants: [id] }), { ended: [] });
  const kept = last("grant.heartbeat");
  host.sender = impersonated("grant.heartbeat");
  await eventually("the end of the grant", async () => {
    const repeated = await host.inject(kept);
    assert.equal(readDenial(repeated.payload).code, "seal-invalid");
    assert.deepEqual(await thief.call("grant.heartbeat", { grants: [id] }), { ended: [id] });
    return host.records.some(
      ({ action, outcome, object }) =>
        action === "grant.end" &&
        outcome === "heartbeat-missed" &&
        object === `grant:${id} to agent`,
    );
  });
  host.sender = (truth) => truth;
  await assert.rejects(read(agent), refused);
});

test("[AUTH-26] neither a kept call nor a kept grant revives what was revoked", async () => {
  // SECURITY: a revocation would hold until the host plays back what came before it.
  const chain = give();
  const id = await issue(operator, chain);
  const kept = last("grant.issue");
  assert.equal(await read(agent), "the token");
  const keptRead = last("secret.get");
  await revoke(id);
  for (const captured of [kept, keptRead])
    assert.equal(readDenial((await host.inject(captured)).payload).code, "seal-invalid");
  for (const client of [agent, operator]) await assert.rejects(issue(client, chain), refused);
  await assert.rejects(read(agent), refused);
});

test("[AUTH-15] grants that were forged, changed, outlived or made elsewhere are all refused alike", async () => {
  // SECURITY: any one that is taken is a right that nobody gave.
  const [good] = give();
  assert.ok(good !== undefined);
  const bytes = encodeGrant(good);
  const keys = suite.randomBytes(32);
  const forged = (changes: Partial<Grant>): Uint8Array =>
    encodeGrant(
      signGrant({ ...good.grant, ...changes }, (message) => suite.ed25519Sign(keys, message)),
    );
  const own = (changes: Partial<Grant>): Uint8Array => encodeGrant(give(changes)[0] as SignedGrant);
  const self = signedChain(home, { from: "thief", to: "agent", scope: "secret-read" });
  const host_ = signedChain(home, { from: "daemon-profile", to: "agent", scope: "status-read" });
  const outlived = { issuedAtMs: Date.now() - DAY_MS, ttlMs: DAY_MS - 1 };
  const suspects: [string, readonly Uint8Array[]][] = [
    ["no grant", []],
    ["nothing", [new Uint8Array(64)]],
    ["wrong key", [forged({})]],
    ["other installation", [own({ installation: good.grant.id })]],
    ["expired", [own(outlived)]],
    [
      "issued before the ledger began",
      [own({ issuedAtMs: Date.now() - DAY_MS / 2, ttlMs: DAY_MS })],
    ],
    ["not yet valid", [own({ issuedAtMs: Date.now() + DAY_MS / 2 })]],
    ["for nobody", [own({ delegatee: good.grant.id })]],
    ["parent that is not shown", [own({ parent: good.grant.id })]],
    ["twice the same", [bytes, bytes]],
    ["by somebody without the right", self.map(encodeGrant)],
    ["by the host itself", host_.map(encodeGrant)],
    [
      "by the thief, on a grant to the agent",
      [
        ...signedChain(home, { from: "thief", to: "agent", scope: "secret-read", above: [good] }),
      ].map(encodeGrant),
    ],
  ];
  for (let at = 0; at < bytes.length; at++)
    suspects.push([
      `byte ${at}`,
      [Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte))],
    ]);
  const reasons = new Set<string>();
  for (const [what, chain] of suspects) {
    const attempt = agent.call("grant.issue", { chain: [...chain] });
    await assert.rejects(attempt, refused, what);
    const outcome = host.records.at(-1)?.outcome ?? "";
    assert.match(outcome, /^refused:capability-missing\/[a-z-]+$/, what);
    reasons.add(outcome.slice(outcome.indexOf("/") + 1));
  }
  for (const reason of [
    "malformed",
    "chain-empty",
    "signature-invalid",
    "other-installation",
    "expired",
    "replayed",
    "not-yet-valid",
    "identity-unknown",
    "link-broken",
    "chain-cycle",
    "not-delegable",
  ])
    assert.ok(reasons.has(reason), reason);
  await assert.rejects(read(agent), refused);
  assert.deepEqual((await operator.call("grant.list", { after: null })).grants, []);
  // The one that they were made from is good.
  await agent.call("grant.issue", { chain: [bytes] });
  assert.deepEqual(decodeGrant(bytes).signature, good.signature);
  assert.equal(await read(agent), "the token");
  await revoke(good.grant.id);
});

test("[AUTH-16] what an agent hands on is no more than it has, whatever it writes", async () => {
  // SECURITY: an agent could widen its own rights through a friend.
  const above = signedChain(home, {
    to: "agent",
    scope: "secret-read:ci/*+1",
    changes: { profiles: [profile] },
  });
  await issue(operator, above);
  const wide = signedChain(home, { from: "agent", to: "thief", scope: "admin+8", above });
  await issue(agent, wide);
  assert.equal(await read(thief), "the token");
  for (const attempt of [
    thief.call("secret.get", { profile, name: "prod/key" }),
    thief.call("secret.get", { profile: "other", name: "ci/token" }),
    thief.call("secret.set", { profile, name: "ci/token", value: Buffer.from("planted") }),
    thief.call("vault.lock", { profile }),
    thief.call("vault.reload", {}),
  ])
    await assert.rejects(attempt, refused);
  await revoke(above[0]?.grant.id ?? "");
  await assert.rejects(read(thief), refused);
});

test("what the host withholds ends rights and gives none", async () => {
  // SECURITY: silence must never be the better choice for an attacker.
  const id = await issue(operator, give({ heartbeatMs: 1_000 }));
  assert.equal(await read(agent), "the token");
  await eventually("the end without a heartbeat", () =>
    host.records.some(
      ({ action, object }) => action === "grant.end" && object === `grant:${id} to agent`,
    ),
  );
  await assert.rejects(read(agent), refused);
});
