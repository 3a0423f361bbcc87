import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { requireInstallation } from "@sesame/core-ipc/daemon";
import { Denial, type DenialCode } from "@sesame/core-types";
import { auditEntries, recorded } from "../helpers/audit-log.ts";
import { CompromisedHost } from "../helpers/compromised-host.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { eventually } from "../helpers/eventually.ts";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home, PASSWORD } from "../helpers/home.ts";
import { killAll } from "../helpers/processes.ts";
import { RawClient } from "../helpers/raw-client.ts";

const profile = "default";
const USAGE = 64;
const INTEGRITY = 76;
const MAY = { clearance: "secrets-only", capabilities: ["secret-read", "status-read"] } as const;

type Blocked = {
  blocks: {
    subject: string;
    name: string | null;
    reason: string;
    until: string | null;
    by: string | null;
    entry: number;
    evidence: { hash: string; entries: number[] } | null;
  }[];
};
type Verified = { ok: boolean; evidence: { sequence: number; state: string }[] };

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

const blocked = (of: Home): Blocked["blocks"] => (of.json(["agent", "blocked"]) as Blocked).blocks;
const stateOf = (of: Home, name: string): string | undefined =>
  (of.json(["agent", "list"]) as { agents: { name: string; state: string }[] }).agents.find(
    (agent) => agent.name === name,
  )?.state;
const read = async (client: BusClient): Promise<string> => {
  const { value } = await client.call("secret.get", { profile, name: "a" });
  return Buffer.from(value).toString();
};

let home: Home;

before(async () => {
  home = await Home.ready(
    ["ci", "bystander", "forger", "victim"].map((name) => ({ name, ...MAY })),
  );
  home.must(["secret", "set", "a"], "value");
});

after(async () => home[Symbol.asyncDispose]());

test("[BLOCK-3] a block ends an open session: its next frame gets nothing, nor does a new one", async () => {
  // SECURITY: who holds a stolen key would go on reading until somebody finds the root key's password.
  const client = await home.connect("ci");
  const raw = await RawClient.connect(home.paths, "ci");
  const bystander = await home.connect("bystander");
  assert.equal(await read(client), "value");
  home.must(["agent", "block", "ci", "--reason", "compromised"]);
  await raw.closed;
  await assert.rejects(read(client));
  await assert.rejects(RawClient.connect(home.paths, "ci"), /closed the connection/);
  assert.equal(await read(bystander), "value");
  // The command says what it can mean, since the bus does not.
  const { exit, err } = home.run(["--as", "ci", "secret", "list"]);
  assert.equal(exit, 69);
  assert.match(err, /ask the operator .*`sesame agent blocked`, `sesame audit tail`/);
  assert.equal(stateOf(home, "ci"), "blocked");
  const [block, ...more] = blocked(home);
  assert.deepEqual(more, []);
  assert.equal(block?.name, "ci");
  assert.equal(block?.reason, "compromised");
  assert.equal(block?.by, "operator");
  assert.equal(block?.until, null);
  await recorded(
    home,
    "the end of the connection",
    ({ action, outcome, actor }) =>
      action === "bus.connection" && outcome === "closed:blocked" && actor?.name === "ci",
  );

  assert.match(home.must(["agent", "unblock", "ci"]), /blocked no more/);
  assert.match(home.must(["agent", "unblock", "ci"]), /is not blocked/);
  const again = await home.connect("ci");
  assert.equal(await read(again), "value");
  assert.equal(stateOf(home, "ci"), "registered");
  for (const one of [client, bystander, again]) await one.close();
});

test("[BLOCK-4] tickets of whoever is blocked give nothing, and what runs by one ends", async () => {
  // SECURITY: a program that a blocked agent had started would go on with its secrets.
  const [operator, ci, launcher] = await Promise.all(
    ["operator", "ci", "daemon-launcher"].map((name) => home.connect(name)),
  );
  assert.ok(operator && ci && launcher);
  const command = { path: "/usr/bin/true", args: [], directory: "/", plain: false };
  const commands = [{ ...command, sha256: null, directory: null }];
  await issue(
    operator,
    signedChain(home, { to: "ci", scope: "secret-use:a", changes: { commands } }),
  );
  const use = { profile, names: ["a"], grant: null, command };
  const tickets: Uint8Array[] = [];
  for (let i = 0; i < 2; i++) tickets.push((await ci.call("secret.use", use)).ticket);
  const [runs, waits] = tickets as [Uint8Array, Uint8Array];
  const redeem = (ticket: Uint8Array): Promise<unknown> => {
    const shown = { ticket, caller: "ci", session: ci.session, command };
    return launcher.call("secret.redeem", { ...shown, sha256: new Uint8Array(32) });
  };
  const standing = async (): Promise<boolean[]> =>
    (await launcher.call("secret.standing", { tickets: [runs] })).standing;
  await redeem(runs);
  assert.deepEqual(await standing(), [true]);
  const subject = requireInstallation(suite, home.paths).identities.find(
    ({ name }) => name === "ci",
  )?.id;
  assert.ok(subject);
  // The owner of the vaults alone: the bus host knows of no block, and keeps the connection.
  await operator.call("vault.block", { subject, untilMs: null });
  assert.deepEqual(await standing(), [false]);
  await assert.rejects(redeem(waits), denial("capability-missing"));
  await operator.call("vault.unblock", { subject });
  for (const one of [operator, ci, launcher]) await one.close();
});

test("[BLOCK-1] a block is there again after kill -9, out of the log alone", async () => {
  // SECURITY: killing the daemons would let everybody back in.
  home.must(["agent", "block", "ci", "--for", "1h"]);
  home.must(["agent", "block", "victim"]);
  home.must(["agent", "unblock", "victim"]);
  const earlier = blocked(home);
  await killAll(home);
  home.must(["daemon", "start"]);
  assert.deepEqual(blocked(home), earlier);
  await assert.rejects(RawClient.connect(home.paths, "ci"), /closed the connection/);
  const client = await home.connect("victim");
  await client.close();
  home.must(["agent", "unblock", "ci"]);
  home.must(["unlock"], `${PASSWORD}\n`);
});

test("[BLOCK-5] a block ends by itself; the operator and the daemons cannot be blocked", async () => {
  // SECURITY: whoever may block would lock out the one who can lift it.
  home.must(["agent", "block", "ci", "--for", "1s"]);
  await eventually("the end of the block", async () => {
    try {
      await (await home.connect("ci")).close();
      return true;
    } catch {
      return false;
    }
  });
  assert.deepEqual(blocked(home), []);
  const { identities } = requireInstallation(suite, home.paths);
  const operator = await home.connect();
  for (const name of ["operator", "daemon-secrets", "daemon-profile"]) {
    assert.equal(home.run(["agent", "block", name]).exit, USAGE);
    const found = identities.find((identity) => identity.name === name);
    const key = Buffer.from(found?.noiseKey ?? []).toString("hex");
    for (const subject of [found?.id ?? "", key]) {
      const params = { subject, untilMs: null };
      const add = operator.call("block.add", { ...params, reason: "review", evidence: null });
      await assert.rejects(add, denial("params-invalid"));
      await assert.rejects(operator.call("vault.block", params), denial("params-invalid"));
    }
  }
  await operator.close();
});

test("[BLOCK-1] who waits can be blocked by fingerprint, and is a key until then", async () => {
  // SECURITY: an applicant that was blocked would be let back in by its approval.
  const made = home.json(["agent", "enroll", "--name", "late", "--kind", "ai"]);
  const { fingerprint } = made as { fingerprint: string };
  home.must(["agent", "block", fingerprint]);
  await assert.rejects(RawClient.connect(home.paths, "late"), /closed the connection/);
  const [block] = blocked(home);
  assert.match(block?.subject ?? "", /^[0-9a-f]{64}$/);
  home.must(["agent", "approve", "late"], `${PASSWORD}\n`);
  await assert.rejects(RawClient.connect(home.paths, "late"), /closed the connection/);
  assert.equal(stateOf(home, "late"), "blocked");
  home.must(["agent", "unblock", "late"]);
  assert.deepEqual(blocked(home), []);
  (await RawClient.connect(home.paths, "late")).close();
});

test("[BLOCK-1] who is named as another's fingerprint is not blocked in its place", () => {
  // SECURITY: an agent with two identities would have the operator block the wrong one.
  const { fingerprint } = home.json(["agent", "enroll", "--name", "real", "--kind", "ai"]) as {
    fingerprint: string;
  };
  const decoy = fingerprint.replaceAll(/[^0-9a-f]/g, "");
  home.must(["agent", "enroll", "--name", decoy, "--kind", "ai"]);
  for (const name of [decoy, "real"]) home.must(["agent", "approve", name], `${PASSWORD}\n`);
  home.must(["agent", "block", decoy]);
  assert.deepEqual(
    blocked(home).map(({ name }) => name),
    ["real"],
  );
  home.must(["agent", "unblock", "real"]);
  assert.deepEqual(blocked(home), []);
});

test("[BLOCK-6] during a panic blocks are laid and not lifted, and its end lifts none", async () => {
  await using other = await Home.ready([{ name: "ci", ...MAY }]);
  other.must(["agent", "block", "ci"]);
  other.must(["panic"]);
  other.must(["agent", "block", "ci", "--reason", "abuse"]);
  assert.match(other.run(["agent", "unblock", "ci"]).err, /a panic holds/);
  other.must(["panic", "--lift"], `${PASSWORD}\n`);
  assert.deepEqual(
    blocked(other).map(({ reason }) => reason),
    ["abuse"],
  );
  await assert.rejects(RawClient.connect(other.paths, "ci"), /closed the connection/);
});

/** Breaks the protocol as often as it takes to be blocked, with the key of this identity. */
async function forge(as: string | null, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const raw = await RawClient.connect(home.paths, as);
    raw.sendFrame(Buffer.alloc(64, i));
    await raw.closed;
  }
}

test("[STRIKE-1] who forges is blocked for a while, by evidence; nobody else is", async () => {
  // SECURITY: who forges could go on until something fits, or have others blocked in its place.
  await forge(null, 6);
  await forge("operator", 6);
  await forge("forger", 4);
  await forge("victim", 1);
  assert.deepEqual(blocked(home), []);
  await forge("forger", 1);
  const [block] = await eventually("the block", () => {
    const found = blocked(home);
    return found.length > 0 && found;
  });
  assert.equal(block?.name, "forger");
  assert.equal(block?.reason, "forgery");
  assert.equal(block?.by, "daemon-profile");
  assert.ok(block?.until !== null);
  const entries = await auditEntries(home);
  const named = entries.filter(({ seq }) => block?.evidence?.entries.includes(seq));
  assert.deepEqual(
    named.map(({ action, object, actor }) => [action, object, actor?.name]),
    Array.from({ length: 5 }, () => ["bus.violation", "FRAME-2", "forger"]),
  );
  await assert.rejects(RawClient.connect(home.paths, "forger"), /closed the connection/);
  (await RawClient.connect(home.paths, "victim")).close();
  (await RawClient.connect(home.paths, "operator")).close();
});

test("[BLOCK-2] what a block rests on is computed again, and a log that was edited is found", async () => {
  // SECURITY: a made-up reason would pass for a found one, or a block vanish from the record.
  home.must(["agent", "block", "ci", "--evidence", "2,3,5"]);
  assert.equal(home.run(["agent", "block", "ci", "--evidence", "5,3"]).exit, USAGE);
  assert.equal(home.run(["agent", "block", "ci", "--evidence", "999999"]).exit, 66);
  const { ok, evidence } = home.json(["audit", "verify"]) as Verified;
  assert.ok(ok);
  assert.ok(evidence.length >= 2 && evidence.every(({ state }) => state === "matches"));
  const operator = await home.connect();
  const [one] = requireInstallation(suite, home.paths).identities.filter(
    ({ name }) => name === "bystander",
  );
  const made = { hash: new Uint8Array(32), entries: [2, 3] };
  const subject = one?.id ?? "";
  await operator.call("block.add", { subject, reason: "abuse", untilMs: null, evidence: made });
  await operator.close();
  const { exit, err } = home.run(["audit", "verify"]);
  assert.equal(exit, INTEGRITY);
  assert.match(err, /does not rest on the entries that it names/);

  home.must(["daemon", "stop"]);
  const segment = join(home.paths.audit, "000001.jsonl");
  const lines = readFileSync(segment, "utf8");
  for (const forgery of [
    lines.replace(/^.*"action":"block\.add".*\n/m, ""),
    lines.replace(/"block\.remove"/, '"block.add"'),
  ]) {
    assert.notEqual(forgery, lines);
    writeFileSync(segment, forgery);
    const { exit: found, err: said } = home.run(["audit", "verify"]);
    assert.equal(found, INTEGRITY);
    assert.match(said, /the audit log was changed: segment 1, line \d+/);
  }
  writeFileSync(segment, lines);
  home.must(["daemon", "start"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  for (const name of ["ci", "bystander", "forger"]) home.must(["agent", "unblock", name]);
});

test("[AUDIT-40] no daemon has a block lifted by what it has recorded", async () => {
  // SECURITY: the least of the daemons, once taken over, would write the list.
  home.must(["agent", "block", "ci"]);
  const [block] = blocked(home);
  const daemon = await home.connect("daemon-launcher");
  const record = { profile: null, object: `${block?.subject} ci`, session: null } as const;
  for (const [action, caller] of [
    ["block.remove", "daemon-launcher"],
    ["block.remove", "operator"],
    ["bus.reload", "operator"],
    ["secret.get", "operator"],
  ] as const) {
    const records = [{ ...record, action, caller, outcome: "ok" }];
    await assert.rejects(daemon.call("audit.append", { records }), denial("params-invalid"));
  }
  await daemon.close();
  assert.equal(blocked(home).length, 1);
  home.must(["agent", "unblock", "ci"]);
});

test("[BLOCK-4] no bus host lifts what the operator told the owner of the vaults", async () => {
  // SECURITY: a bus host that was taken over would give a stolen key its secrets back.
  await using other = await Home.ready([
    { name: "ci", ...MAY },
    { name: "bystander", ...MAY },
  ]);
  other.must(["secret", "set", "a"], "value");
  other.must(["daemon", "stop"]);
  await using host = await CompromisedHost.start(other);
  const owner = new DirectDaemon(other, "daemon-secrets");
  await owner.start();
  await host.served();
  const idOf = (name: string): string =>
    requireInstallation(suite, other.paths).identities.find((one) => one.name === name)?.id ?? "";
  const operator = await other.connect();
  const unlock = async (): Promise<void> =>
    void (await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) }));
  await unlock();
  const client = await other.connect("ci");
  assert.equal(await read(client), "value", "in a sealed session that stays open");
  const [subject, untilMs] = [idOf("ci"), null];
  await operator.call("vault.block", { subject, untilMs });
  await assert.rejects(read(client), denial("clearance-too-low"));
  assert.equal(host.records.at(-1)?.outcome, "refused:clearance-too-low/blocked");
  const fresh = await other.connect("ci");
  await assert.rejects(read(fresh), denial("clearance-too-low"));

  await owner.kill();
  await owner.start();
  await host.served();
  await unlock();
  await assert.rejects(read(client), denial("clearance-too-low"), "across a restart");

  const bystander = await other.connect("bystander");
  assert.equal(await read(bystander), "value");
  const made = { name: null, reason: "review", evidence: null, entry: 1, sinceMs: 0 } as const;
  host.blocks = [{ ...made, subject: idOf("bystander"), untilMs, by: null }];
  await owner.kill();
  await owner.start();
  await host.served();
  await unlock();
  await assert.rejects(read(bystander), denial("clearance-too-low"), "a made-up block denies");
  assert.deepEqual(await operator.call("vault.unblock", { subject }), { changed: true });
  assert.deepEqual(await operator.call("vault.unblock", { subject }), { changed: false });
  assert.equal(await read(client), "value");

  await operator.call("vault.block", { subject, untilMs });
  await owner.kill();
  const kept = join(other.paths.vaults, "blocks.json");
  writeFileSync(kept, readFileSync(kept, "utf8").replace(subject, subject.slice(1)));
  await assert.rejects(owner.start(), /ended by itself: exit code 76/);
  for (const one of [client, fresh, bystander, operator]) await one.close();
});
