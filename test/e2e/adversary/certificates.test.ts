import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  BUS_HOST,
  certifiedSchema,
  decode,
  Denial,
  encode,
  MESSAGES,
  NO_TRUST,
  type Sender,
} from "@sesame/core-types";
import { readDenial } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import { Applicant } from "../../helpers/applicant.ts";
import { CompromisedHost } from "../../helpers/compromised-host.ts";
import { DirectDaemon } from "../../helpers/direct-daemon.ts";
import { Home, PASSWORD } from "../../helpers/home.ts";
import { freshId } from "../../helpers/raw-client.ts";

// A bus host that is in the attacker's hands, and has every token and certificate that ever passed
// it: what the owner of the vaults lets in with them.

const profile = "default";
const BUS: Sender = {
  name: BUS_HOST,
  kind: "daemon",
  clearance: "internal",
  session: new Uint8Array(16),
  trust: NO_TRUST,
};

let home: Home;
let host: CompromisedHost;
let owner: DirectDaemon;
let spent: string;
let open: string;
let revoked: string;
let member: Applicant;

before(async () => {
  home = await Home.ready();
  const create = (...flags: string[]): string =>
    home.must(["agent", "token", "create", ...flags], `${PASSWORD}\n`).trim();
  spent = create("--name", "member*");
  open = create("--uses", "2");
  revoked = create();
  const { tokens } = home.json(["agent", "token", "list"]) as { tokens: { id: string }[] };
  member = new Applicant(home, "member");
  assert.equal(await member.show(member.admission(spent)), "registered");
  home.must(["agent", "token", "revoke", tokens.at(-1)?.id ?? ""], `${PASSWORD}\n`);
  home.must(["daemon", "stop"]);
  host = await CompromisedHost.start(home);
  owner = new DirectDaemon(home, "daemon-secrets");
  await owner.start();
  await host.served();
  const operator = await home.connect();
  await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
  await operator.close();
});

after(async () => {
  await owner.kill();
  await host[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

/** The host has the owner take a certificate; "in", or the code of the refusal. */
async function pass(certificate: Uint8Array): Promise<string> {
  const { tag, level, params } = MESSAGES["vault.certify"];
  const header = {
    type: "request",
    id: freshId(),
    tag,
    level,
    target: null,
    ttlMs: 5_000,
  } as const;
  const payload = encode(params, { certificate });
  const { type, payload: answer } = await host.inject({ sender: BUS, header, payload });
  if (type === "denial") return readDenial(answer).code;
  decode(certifiedSchema, answer);
  return "in";
}

/** What the owner lets the holder of some keys see. */
async function sees(who: Applicant): Promise<boolean> {
  const bus: BusClient = await who.connect();
  try {
    await bus.call("secret.list", { profile });
    return true;
  } catch (cause) {
    assert.ok(cause instanceof Denial);
    return false;
  } finally {
    await bus.close();
  }
}

test("[ENROL-20] [ENROL-22] with a token that is spent, revoked or made up, a lying host lets nobody in", async () => {
  // SECURITY: whoever takes over the bus host would make itself an identity of the vaults.
  host.sender = () => ({ ...BUS, session: new Uint8Array(16).fill(3) });
  const thief = new Applicant(home, "member-2");
  const made = `sesame-token-${"00".repeat(36)}`;
  assert.throws(() => thief.admission(made));
  for (const token of [spent, revoked]) {
    assert.equal(await pass(thief.admission(token, { name: "member" })), "certificate-refused");
    assert.equal(await pass(thief.admission(token)), "certificate-refused");
  }
  const other = new Applicant(home, "x");
  const forged = thief.admission(open);
  const own = other.admission(open);
  const mixed = Buffer.concat([forged.subarray(0, -128), own.subarray(-128)]);
  assert.equal(await pass(mixed), "certificate-refused");
  assert.equal(await sees(thief), false);
  host.sender = (truth) => truth;
});

test("[ENROL-30] a lying host gives nobody's keys to anybody", async () => {
  // SECURITY: it would take an identity over by naming its own keys as the new ones.
  const thief = new Applicant(home, "member");
  assert.equal(await pass(thief.rotation(thief)), "certificate-refused");
  const unsigned = thief.rotation(thief, { present: member.signingKey });
  assert.equal(await pass(unsigned), "certificate-refused");
  assert.equal(await sees(thief), false);
  assert.equal(await sees(member), true);
});

test("[ENROL-25] what it passes on truly is counted by the owner itself", async () => {
  // SECURITY: a host that says that nobody came yet would use a token for ever.
  const crowd = [1, 2, 3, 4].map((n) => new Applicant(home, `one-${n}`));
  const states = await Promise.all(crowd.map((one) => pass(one.admission(open))));
  assert.equal(states.filter((state) => state === "in").length, 2);
  await owner.kill();
  await owner.start();
  await host.served();
  assert.equal(await pass(new Applicant(home, "one-5").admission(open)), "certificate-refused");
  for (const [i, state] of states.entries()) {
    const one = crowd[i];
    if (one !== undefined && state === "in") assert.equal(await pass(one.admission(open)), "in");
  }
});
