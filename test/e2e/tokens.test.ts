import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unwrapWithPassword } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { requireInstallation, saveInstallation } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { Applicant } from "../helpers/applicant.ts";
import { auditEntries, recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const DENIED = 77;
const EXISTS = 73;
const REFUSED = "certificate-refused";
const ROOT_AD = new TextEncoder().encode("sesame root key v1");

type Listed = { tokens: { id: string; state: string; left: number; admitted: string[] }[] };

let home: Home;

before(async () => {
  home = await Home.ready();
  home.must(["secret", "set", "api/key"], "a value");
});

after(async () => home[Symbol.asyncDispose]());

/** A token's text. */
const create = (...flags: string[]): string =>
  home.must(["agent", "token", "create", ...flags], `${PASSWORD}\n`).trim();
const listed = (): Listed["tokens"] => (home.json(["agent", "token", "list"]) as Listed).tokens;
const last = (): Listed["tokens"][number] => {
  const found = listed().at(-1);
  assert.ok(found !== undefined);
  return found;
};
const file = (name: string): string => join(home.path, name);
const enroll = (name: string, token: string, ...more: string[]): ReturnType<Home["run"]> =>
  home.run(["agent", "enroll", "--name", name, "--token-file", token, ...more]);
const names = (): string[] =>
  (home.json(["agent", "list"]) as { agents: { name: string }[] }).agents.map(({ name }) => name);

test("[ENROL-24] [ENROL-25] a token lets an agent in at once, and the log says by which", async () => {
  // SECURITY: who came in without the operator must be told from whom the operator let in.
  const token = file("token");
  assert.equal(home.run(["agent", "token", "create"], "wrong\n").exit, DENIED);
  home.must(
    ["agent", "token", "create", "--uses", "2", "--name", "ci-*", "--out", token],
    `${PASSWORD}\n`,
  );
  // A second time it makes none that nobody has.
  assert.equal(
    home.run(["agent", "token", "create", "--out", token], `${PASSWORD}\n`).exit,
    EXISTS,
  );
  assert.equal(listed().length, 1);
  const text = readFileSync(token, "utf8").trim();
  const { id, left } = last();
  assert.equal(left, 2);
  const record = readFileSync(home.paths.installation, "utf8");
  assert.ok(record.includes(`key = "${id}`) && !record.includes(text.slice(13, 77)));

  const { exit, out, err } = enroll("ci-1", token);
  assert.equal(exit, 0, err);
  assert.match(out, new RegExp(`^ci-1 is registered: token ${id} let it in`));
  assert.match(home.must(["--as", "ci-1", "secret", "list"]), /api\/key/);
  // What the operator says of identities, it says of this one, too.
  assert.match(home.must(["policy", "test", "ci-1", "secret-list"]), /nothing against/);
  assert.match(home.must(["agent", "block", "ci-1"]), /^ci-1 is blocked/);
  assert.notEqual(home.run(["--as", "ci-1", "secret", "list"]).exit, 0);
  assert.match(home.must(["agent", "unblock", "ci-1"]), /^ci-1 is blocked no more/);
  assert.equal(home.run(["--as", "ci-1", "secret", "get", "api/key"]).exit, DENIED);
  assert.match(enroll("ci-1", token).out, /^ci-1 is registered\./);
  assert.equal(
    home.run(["agent", "enroll", "--name", "ci-2", "--token-file", "-"], `${text}\n`).exit,
    0,
  );
  assert.deepEqual(last().admitted, ["ci-1", "ci-2"]);
  assert.deepEqual([last().state, last().left], ["spent", 0]);
  const shown = home.json(["agent", "show", "ci-1"]) as { token: string };
  assert.equal(shown.token, id);
  home.must(["grant", "create", "--to", "ci-1", "--scope", "secret-read:api/*"]);

  const entries = await auditEntries(home);
  const object = `ci-1 by token ${id}`;
  for (const action of ["vault.certify", "agent.certify"])
    assert.equal(
      entries.filter((entry) => entry.action === action && entry.object === object).length,
      1,
      action,
    );
  assert.ok(entries.some((entry) => entry.object === `added token ${id}`));
  assert.ok(!JSON.stringify(entries).includes(text.slice(13, 77)));
});

test("[ENROL-24] a token is taken from a private file or from stdin, never from an argument", () => {
  // SECURITY: arguments and files that others may read would hand the token to every process.
  const token = file("open-token");
  writeFileSync(token, `${create("--name", "private")}\n`);
  chmodSync(token, 0o644);
  const open = enroll("private", token);
  assert.equal(open.exit, 78, open.err);
  assert.match(open.err, /chmod 600/);
  chmodSync(token, 0o600);
  const text = readFileSync(token, "utf8").trim();
  writeFileSync(token, `${text.slice(0, -1)}${text.endsWith("0") ? "1" : "0"}\n`);
  assert.equal(enroll("private", token).exit, 65);
  assert.equal(enroll("private", readFileSync(token, "utf8").trim()).exit, 66);
  assert.ok(!existsSync(join(home.paths.keys, "private.key")));
});

test("[ENROL-27] a token that does not fit is refused with a reason here, and without one on the wire", async () => {
  // SECURITY: refusals that differ would tell a thief what the token would have been good for.
  const text = create("--name", "ci-*", "--uses", "1", "--ttl", "1h");
  writeFileSync(file("t"), `${text}\n`, { mode: 0o600 });
  for (const [name, flags, why] of [
    ["other", [], /names like ci-\* only/],
    ["ci-9", ["--kind", "service"], /the kind ai only/],
    ["ci-9", ["--clearance", "secrets-only"], /no more than internal/],
    ["ci-1", [], /is taken|other keys|ci-1 is registered/],
  ] as const) {
    const { exit, out, err } = enroll(name, file("t"), ...flags);
    if (name !== "ci-1") assert.equal(exit, DENIED, err);
    assert.match(out + err, why);
  }
  const wire = async (
    changes: Parameters<Applicant["admission"]>[1],
    reason: string,
  ): Promise<void> => {
    const who = new Applicant(home, "ci-9");
    assert.equal(await who.show(who.admission(text, changes)), REFUSED, reason);
    const outcome = `refused:${REFUSED}/${reason}`;
    await recorded(home, reason, (entry) => entry.outcome === outcome);
  };
  await wire({ kind: "service" }, "token-kind");
  await wire({ clearance: "secrets-only" }, "token-clearance");
  await wire({ name: "operator" }, "token-name");
  await wire({ installation: "0198c2f4-0000-7000-8000-000000000002" }, "foreign");
  await wire({ noiseKey: suite.generateX25519().publicKey }, "key-not-connected");
  const other = new Applicant(home, "ci-9");
  const bytes = other.admission(text);
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  assert.equal(await other.show(bytes), REFUSED);
  // The same applicant may wait for the operator instead.
  assert.match(
    home.must(["agent", "enroll", "--name", "waits", "--kind", "ai"]),
    /waits for the operator/,
  );

  const { id } = last();
  home.must(["agent", "token", "revoke", id], `${PASSWORD}\n`);
  const revoked = enroll("ci-9", file("t"));
  assert.equal(revoked.exit, DENIED);
  assert.match(revoked.err, /it was revoked/);
  assert.equal(await other.show(other.admission(text)), REFUSED);
  const again = home.must(["agent", "token", "revoke", id], `${PASSWORD}\n`);
  assert.match(again, /nothing was changed/);
  const short = create("--ttl", "1s");
  await eventually("it has lapsed", () => last().state === "lapsed");
  assert.equal(await other.show(other.admission(short)), REFUSED);
});

test("[ENROL-26] [ENROL-29] who came in by a token and is revoked stays out, also after a restart", async () => {
  // SECURITY: whoever kept its certificate would undo the operator's decision.
  const text = create("--uses", "3", "--name", "gone-*");
  const [one, two] = [new Applicant(home, "gone-1"), new Applicant(home, "gone-2")];
  const kept = one.admission(text);
  assert.equal(await one.show(kept), "registered");
  assert.equal(await two.show(two.admission(text)), "registered");
  const live = await one.connect();
  const out = home.must(["agent", "revoke", "gone-1"], `${PASSWORD}\n`);
  assert.match(out, /Its token lets in others/);
  assert.ok((await live.closed) !== null);
  assert.equal(await one.show(kept), REFUSED);
  await recorded(home, "why", ({ outcome }) => outcome.endsWith("/token-used"));
  // What the operator signed has taken the certificates over; the token still counts them.
  assert.equal(last().left, 1);
  const { identities } = requireInstallation(suite, home.paths);
  assert.ok(identities.some(({ name }) => name === "gone-2"));
  home.must(["daemon", "stop"]);
  home.must(["daemon", "start"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(await one.show(kept), REFUSED);
  assert.deepEqual(
    names().filter((name) => name.startsWith("gone")),
    ["gone-2"],
  );
  const third = new Applicant(home, "gone-3");
  const fourth = new Applicant(home, "gone-4");
  assert.equal(await third.show(third.admission(text)), "registered");
  assert.equal(await fourth.show(fourth.admission(text)), REFUSED);
});

test("[ENROL-25] of a hundred that come at once, exactly as many come in as the token says", async () => {
  // SECURITY: a token for one would let in whoever is quick.
  await using other = await Home.ready();
  for (const uses of [1, 5]) {
    const text = other
      .must(["agent", "token", "create", "--uses", String(uses)], `${PASSWORD}\n`)
      .trim();
    const crowd = Array.from({ length: 100 }, (_, i) => new Applicant(other, `crowd-${uses}-${i}`));
    // More handshakes at once than the bus admits would be cut off, which is no answer.
    const lines: BusClient[] = [];
    for (const one of crowd) lines.push(await one.connect());
    const states = await Promise.all(
      crowd.map((one, i) => one.show(one.admission(text), lines[i])),
    );
    assert.equal(states.filter((state) => state === "registered").length, uses);
    assert.equal(states.filter((state) => state === REFUSED).length, 100 - uses);
    const entries = await auditEntries(other);
    for (const action of ["vault.certify", "agent.certify"]) {
      const ok = entries.filter(
        ({ action: of, outcome, object }) =>
          of === action && outcome === "ok" && object?.startsWith(`crowd-${uses}-`),
      );
      assert.equal(ok.length, uses, action);
    }
  }
});

test("[ENROL-22] [ENROL-25] whichever daemon dies, whenever, nobody is counted twice or lost", async () => {
  // SECURITY: a crash between two owners would make a token for one good for two.
  await using other = await Home.ready();
  const create1 = (): string => other.must(["agent", "token", "create"], `${PASSWORD}\n`).trim();
  const patient = async (who: Applicant, certificate: Uint8Array): Promise<string> =>
    eventually(`${who.name} is answered`, async () => {
      try {
        const state = await who.show(certificate);
        return ["registered", REFUSED].includes(state) ? state : null;
      } catch (cause) {
        if (cause instanceof Fault) return null;
        throw cause;
      }
    });
  let round = 0;
  for (const daemon of ["daemon-secrets", "daemon-profile", "daemon-launcher"] as const)
    for (const turns of [0, 30, 300]) {
      round += 1;
      const text = create1();
      const [first, second] = [`first-${round}`, `second-${round}`].map(
        (n) => new Applicant(other, n),
      );
      assert.ok(first !== undefined && second !== undefined);
      const certificate = first.admission(text);
      const pid = other.pidOf(daemon);
      const bus = await first.connect();
      const asked = bus.call("agent.certify", { certificate }).catch(() => null);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      process.kill(pid, "SIGKILL");
      await asked;
      await bus.close();
      await eventually(`${daemon} is back`, () => {
        try {
          return other.pidOf(daemon) !== pid;
        } catch {
          return false;
        }
      });
      assert.equal(await patient(first, certificate), "registered", `${daemon} ${turns}`);
      assert.equal(await patient(second, second.admission(text)), REFUSED, `${daemon} ${turns}`);
    }
  other.must(["unlock"], `${PASSWORD}\n`);
  const { agents } = other.json(["agent", "list"]) as { agents: { name: string }[] };
  assert.equal(agents.filter(({ name }) => name.startsWith("first-")).length, round);
  assert.ok(!agents.some(({ name }) => name.startsWith("second-")));
});

test("[ENROL-23] owners that were away know who came in once they are back", async () => {
  // SECURITY: an owner that knows less refuses, and never lets in what another one has not counted.
  await using other = await Home.ready();
  other.must(["secret", "set", "api/key"], "a value");
  const text = other.must(["agent", "token", "create", "--uses", "9"], `${PASSWORD}\n`).trim();
  writeFileSync(join(other.path, "t"), `${text}\n`, { mode: 0o600 });
  const launcher = other.pidOf("daemon-launcher");
  process.kill(launcher, "SIGSTOP");
  other.must(["agent", "enroll", "--name", "away", "--token-file", join(other.path, "t")]);
  process.kill(launcher, "SIGKILL");
  await eventually("the launcher is back", () => {
    try {
      return other.pidOf("daemon-launcher") !== launcher;
    } catch {
      return false;
    }
  });
  other.must([
    "grant",
    "create",
    "--to",
    "away",
    "--scope",
    "secret-use:api/*",
    "--",
    "/bin/echo",
    "*",
  ]);
  const ran = await eventually("it runs", () => {
    const run = other.run(["--as", "away", "run", "--", "/bin/echo", "hello"]);
    return run.exit === 0 ? run : null;
  });
  assert.match(ran.out, /hello/);
  // The bus host alone, without what it goes by: the owner of the vaults tells it.
  other.must(["daemon", "stop"]);
  const state = join(other.paths.profiles, "..", "certificates.state");
  assert.ok(existsSync(state));
  rmSync(state);
  other.must(["daemon", "start"]);
  assert.match(other.must(["--as", "away", "agent", "status"]), /registered/);
  // What is damaged is said, and with it nothing starts.
  other.must(["daemon", "stop"]);
  const kept = join(other.paths.vaults, "certificates.state");
  const good = readFileSync(kept);
  writeFileSync(kept, Buffer.concat([good, Buffer.from([0])]));
  const failed = other.run(["daemon", "start"]);
  assert.notEqual(failed.exit, 0);
  assert.match(failed.err, /certificates\.state is damaged/);
  writeFileSync(kept, good);
  other.must(["daemon", "start"]);
  assert.match(other.must(["--as", "away", "agent", "status"]), /registered/);
});

test("[ENROL-28] while a panic holds nobody comes in by a token", async () => {
  // SECURITY: whoever caused the panic would go on with a new identity.
  const text = create("--name", "late");
  home.must(["panic"]);
  const who = new Applicant(home, "late");
  assert.equal(await who.show(who.admission(text)), "panic");
  home.must(["panic", "--lift"], `${PASSWORD}\n`);
  assert.equal(await who.show(who.admission(text)), "registered");
});

test("[ENROL-29] a record that is signed while the daemons are stopped keeps whom a token let in", async () => {
  // SECURITY: to put a record from a backup in force would throw out agents that nobody revoked.
  await using other = await Home.ready();
  const { installation, keys } = other.paths;
  const token = join(other.path, "token");
  other.must(["agent", "token", "create", "--out", token], `${PASSWORD}\n`);
  other.must(["agent", "enroll", "--name", "guest", "--token-file", token]);
  other.must(["daemon", "stop"]);
  // Its time is over by then.
  const record = requireInstallation(suite, other.paths);
  const box = readFileSync(join(keys, "root.box"));
  const seed = await unwrapWithPassword(suite, Buffer.from(PASSWORD), box, ROOT_AD);
  assert.ok(seed);
  const untilMs = Date.now() - 1;
  const tokens = record.tokens.map((one) => ({ ...one, untilMs }));
  saveInstallation(suite, installation, { ...record, tokens }, seed);
  other.must(["record", "renew"], `${PASSWORD}\n`);
  other.must(["unlock"], `${PASSWORD}\n`);
  assert.match(other.must(["--as", "guest", "agent", "status"]), /registered/);
  other.must(["record", "renew"], `${PASSWORD}\n`);
  const { identities, tokens: left } = requireInstallation(suite, other.paths);
  assert.ok(identities.some(({ name }) => name === "guest"));
  assert.deepEqual(left, []);
});
