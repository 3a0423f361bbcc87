import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SignedGrant } from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, type DenialCode } from "@sesame/core-types";
import { auditEntries } from "../helpers/audit-log.ts";
import { CompromisedHost } from "../helpers/compromised-host.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { eventually } from "../helpers/eventually.ts";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home, PASSWORD } from "../helpers/home.ts";
import { killAll } from "../helpers/processes.ts";

const DENIED = 77;
const NOT_FOUND = 66;
const profile = "default";
const password = (): Uint8Array => new TextEncoder().encode(PASSWORD);

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

async function readyHome(): Promise<Home> {
  const home = await Home.ready([
    { name: "ci", clearance: "secrets-only", capabilities: ["secret-read", "unlock", "lock"] },
    { name: "boss", kind: "ai", clearance: "secrets-only", capabilities: ["admin"] },
  ]);
  home.must(["secret", "set", "a"], "value");
  return home;
}

/** What every command says while it holds. */
function holds(home: Home): void {
  for (const [args, input] of [
    [["secret", "get", "a"]],
    [["secret", "set", "a"], "other"],
    [["unlock"], `${PASSWORD}\n`],
    [["profile", "create", "new"], "password\n"],
    [["profile", "activate", profile]],
    [["agent", "enroll", "--name", "late", "--kind", "ai"]],
  ] as const) {
    const { exit, out, err } = home.run(args, input ?? "");
    assert.equal(exit, DENIED, `${args.join(" ")}: ${out}${err}`);
    assert.match(err, /a panic holds/);
    assert.match(err, /hint: .*sesame panic --lift/);
  }
  assert.match(home.must(["status"]), /^PANIC {6}everything is locked/);
  assert.match(home.must(["status"]), /default +locked/);
}

function lift(home: Home): void {
  assert.match(home.must(["panic", "--lift"], `${PASSWORD}\n`), /The panic is over/);
  assert.equal(home.run(["secret", "get", "a"]).exit, 79);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.must(["secret", "get", "a"]), "value");
}

test("[PANIC-1] a panic locks and refuses everything, twice is once, until it is lifted", async () => {
  await using home = await readyHome();
  const { locked } = home.json(["panic"]) as { locked: string[] };
  assert.deepEqual(locked, [profile]);
  holds(home);
  assert.deepEqual((home.json(["panic"]) as { locked: string[] }).locked, []);
  holds(home);
  const doctor = home.run(["doctor"]).out;
  assert.match(doctor, /warn +panic +holds/);
  // Looking is allowed, and so is taking rights away.
  home.must(["audit", "checkpoint"]);
  home.must(["lock"]);
  home.must(["agent", "revoke", "ci"], `${PASSWORD}\n`);
  lift(home);
  assert.match(home.must(["panic", "--lift"]), /No panic holds/);
  assert.doesNotMatch(home.must(["status"]), /PANIC/);

  const actions = (await auditEntries(home)).map(({ action, outcome }) => `${action} ${outcome}`);
  for (const expected of [
    "vault.panic ok",
    "bus.panic ok",
    "secret.get refused:panic",
    "vault.unlock refused:panic",
    "vault.lift ok",
  ])
    assert.ok(actions.includes(expected), expected);
  assert.equal(home.run(["audit", "verify"]).exit, 0);
});

test("[PANIC-2] an unlock that is on its way when it begins ends in a refusal", async () => {
  // SECURITY: an unlock that was being waited for would open the vault after everything was locked.
  await using home = await readyHome();
  home.must(["lock"]);
  const bus = await home.connect();
  const unlocking = bus.call("vault.unlock", { profile, password: password() });
  const panicking = bus.call("vault.panic", {});
  await assert.rejects(unlocking, denial("panic"));
  await panicking;
  const { vaults } = await bus.call("vault.status", {});
  assert.deepEqual(
    vaults.map(({ locked }) => locked),
    [true],
  );
  await bus.close();
});

test("[PANIC-3] it survives restarts and kill -9, also where only one of the two has its mark", async () => {
  // SECURITY: a panic that a reboot or a crash ends gives the thief what waiting costs.
  await using home = await readyHome();
  home.must(["panic"]);
  home.must(["daemon", "stop"]);
  holds(home);
  await killAll(home);
  holds(home);
  const marks = [home.paths.vaultPanic, home.paths.busPanic] as const;
  for (const lost of marks) {
    // As if the process that writes it had been killed before.
    await killAll(home);
    rmSync(lost);
    home.must(["daemon", "start"]);
    holds(home);
    assert.ok(marks.every((mark) => existsSync(mark)));
  }
  lift(home);
  assert.ok(marks.every((mark) => !existsSync(mark)));
  await killAll(home);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.must(["secret", "get", "a"]), "value");
});

test("[PANIC-6] sessions of others and all grants end, their keys are nobody's, and come back with the end", async () => {
  await using home = await readyHome();
  const before = await home.connect("ci");
  const operator = await home.connect();
  const idle = await home.connect("ci");
  const grant = (): SignedGrant[] => signedChain(home, { to: "ci", scope: "secret-list" });
  await issue(operator, grant());
  assert.equal((await operator.call("grant.list", { after: null })).grants.length, 1);
  await operator.call("vault.panic", {});
  assert.deepEqual((await operator.call("grant.list", { after: null })).grants, []);
  await assert.rejects(issue(operator, grant()), denial("panic"));
  await before.closed;
  await idle.closed;
  assert.equal((await operator.call("vault.status", {})).panic, true);

  const during = await home.connect("ci");
  assert.equal(during.welcome.name, null);
  for (const attempt of [
    (bus: BusClient) => bus.call("secret.get", { profile, name: "a" }),
    (bus: BusClient) => bus.call("vault.unlock", { profile, password: password() }),
    (bus: BusClient) => bus.call("profile.list", {}),
    (bus: BusClient) => bus.call("app.call", { body: new Uint8Array(1) }),
  ])
    await assert.rejects(attempt(during), denial("panic"));
  assert.equal((await during.call("status.get", {})).panic, true);
  await operator.call("vault.lift", { profile, password: password() });
  await eventually("the agent is somebody again", async () => {
    return (await during.call("status.get", {})).you === "ci";
  });
  await Promise.all([during.close(), operator.close()]);
  const closed = (await auditEntries(home)).filter(({ outcome }) => outcome === "closed:panic");
  assert.deepEqual(
    closed.map(({ actor }) => actor?.name),
    ["ci", "ci"],
  );
});

test("[PANIC-4] it takes a right password, at the pace of wrong ones, and no client lifts it", async () => {
  // SECURITY: whoever the panic is about would end it.
  await using home = await readyHome();
  home.must(["panic"]);
  assert.equal(home.run(["--as", "ci", "panic", "--lift"], `${PASSWORD}\n`).exit, DENIED);
  assert.equal(home.run(["--as", "boss", "panic", "--lift"], `${PASSWORD}\n`).exit, DENIED);
  const nowhere = home.run(["panic", "--lift", "-p", "nowhere"], `${PASSWORD}\n`);
  assert.equal(nowhere.exit, NOT_FOUND);
  assert.match(nowhere.err, /hint: name a profile that has a vault/);
  const operator = await home.connect();
  await assert.rejects(operator.call("bus.panic", { held: false }), denial("capability-missing"));
  // Each wrong try doubles the wait, so that on any machine one comes too soon.
  for (let code = ""; code !== "throttled";) {
    const wrong = new TextEncoder().encode("wrong");
    const attempt = operator.call("vault.lift", { profile, password: wrong });
    code = await attempt.then(
      () => assert.fail("a wrong password lifted it"),
      (cause: unknown) => (cause instanceof Denial ? cause.code : String(cause)),
    );
    assert.match(code, /^(factor-rejected|throttled)$/);
  }
  await operator.close();
  assert.match(home.must(["status"]), /^PANIC/);
  await eventually(
    "the wait is over",
    () => {
      return home.run(["panic", "--lift"], `${PASSWORD}\n`).exit === 0;
    },
    90_000,
  );
});

test("[PANIC-7] the root key lifts it where every vault is lost", async () => {
  // SECURITY: the process that relays everything would otherwise end the panic that was about it.
  await using home = await readyHome();
  home.must(["panic"]);
  home.must(["daemon", "stop"]);
  for (const name of readdirSync(home.paths.vaults))
    if (name.startsWith("default")) rmSync(join(home.paths.vaults, name), { recursive: true });
  home.must(["daemon", "start"]);
  const stuck = home.run(["panic", "--lift"], `${PASSWORD}\n`);
  assert.match(stuck.err, /hint: .*--root-key/);
  const byRoot = ["panic", "--lift", "--root-key"];
  assert.equal(home.run(byRoot, "wrong\n").exit, DENIED);
  const operator = await home.connect();
  // SECURITY: any other key of the operator's would end it, and so would a program that reads it.
  assert.notEqual((await operator.call("vault.lift-challenge", {})).challenge, null);
  await assert.rejects(
    operator.call("vault.lift-by-root", { signature: new Uint8Array(64) }),
    denial("factor-rejected"),
  );
  assert.equal((await operator.call("status.get", {})).panic, true);
  assert.match(home.must(byRoot, `${PASSWORD}\n`), /The panic is over/);
  assert.match(home.must(byRoot), /No panic holds/);
  assert.equal((await operator.call("status.get", {})).panic, false);
  await operator.close();
  assert.equal(home.run(["panic", "--root-key"]).exit, 64);
  home.must(["profile", "create", "anew"], `${PASSWORD}\n${PASSWORD}\n`);
});

test("[PANIC-5] a lying bus host cannot lift it, and can only call one", async () => {
  await using home = await readyHome();
  home.must(["panic"]);
  home.must(["daemon", "stop"]);
  await using host = await CompromisedHost.start(home);
  const owner = new DirectDaemon(home, "daemon-secrets");
  try {
    await owner.start();
    await host.served();
    assert.deepEqual(host.told, [true]);
    const operator = await home.connect();
    const unlock = { profile, password: password() };
    await assert.rejects(operator.call("vault.unlock", unlock), denial("panic"));
    await operator.call("vault.lift", { profile, password: password() });
    assert.deepEqual(host.told, [true, false]);
    await operator.call("vault.unlock", { profile, password: password() });
    await operator.close();
    await owner.kill();
    host.panic = true;
    await owner.start();
    await host.served();
    assert.ok(existsSync(home.paths.vaultPanic));
  } finally {
    await owner.kill();
  }
});

test("[PANIC-2] where the daemons do not run or do not answer, it works by other means", async () => {
  await using home = await readyHome();
  home.must(["daemon", "stop"]);
  assert.equal((home.json(["panic"]) as { stopped: boolean }).stopped, true);
  holds(home);
  lift(home);
  const pid = home.pidOf("daemon-secrets");
  process.kill(pid, "SIGSTOP");
  assert.match(home.must(["panic"]), /The daemons are stopped/);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  holds(home);
});

test("[PANIC-2] it holds also where it cannot be recorded, and says both", async () => {
  await using home = await readyHome();
  const bus = await home.connect();
  // Longer than the pages of key memory, which the limit binds too.
  for (let n = 0; n < 150; n++) await bus.call("secret.get", { profile, name: "a" });
  await bus.close();
  const log = join(home.paths.audit, "000001.jsonl");
  const limit = (bytes: string): void => {
    const pid = String(home.pidOf("daemon-profile"));
    assert.equal(spawnSync("prlimit", ["--pid", pid, `--fsize=${bytes}:unlimited`]).status, 0);
  };
  limit(String(statSync(log).size + 10));
  const { exit, err } = home.run(["panic"]);
  assert.equal(exit, 74);
  assert.match(err, /everything is locked and every use is refused, but this is not on record/);
  assert.match(home.must(["status"]), /^PANIC/);
  assert.equal(home.run(["panic", "--lift"], `${PASSWORD}\n`).exit, 74);
  limit("unlimited");
  holds(home);
  lift(home);
});
