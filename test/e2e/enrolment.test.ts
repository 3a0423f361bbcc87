import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  enrolmentProof,
  loadInstallation,
  loadKeyFile,
  saveInstallation,
  type Installation,
} from "@sesame/core-ipc/daemon";
import {
  decode,
  Denial,
  encode,
  limits,
  MESSAGES,
  type DenialCode,
  type Enrolment,
  type RequestName,
} from "@sesame/core-types";
import { readDenial } from "../../packages/core-ipc/src/bus/dispatcher.ts";
import { openRootKey } from "../../packages/cli/src/io/root-key.ts";
import { auditEntries, recorded } from "../helpers/audit-log.ts";
import { Home, PASSWORD, SESAME, type Ran } from "../helpers/home.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { onTerminal } from "../helpers/terminal.ts";

const ENROLL = MESSAGES["agent.enroll"];
const OPEN = { level: "open" } as const;
const EXISTS = 73;
const DENIED = 77;

type Listed = { agents: { name: string; state: string; fingerprint: string }[] };

let home: Home;

before(async () => {
  home = await Home.ready();
  home.must(["secret", "set", "api/key"], "a value");
});

after(async () => home[Symbol.asyncDispose]());

const enroll = (name: string, kind = "ai", ...more: string[]): { fingerprint: string } =>
  home.json(["agent", "enroll", "--name", name, "--kind", kind, ...more]) as never;
const approve = (name: string): string => home.must(["agent", "approve", name], `${PASSWORD}\n`);
const revoke = (name: string): string => home.must(["agent", "revoke", name], `${PASSWORD}\n`);
const listed = (): Listed["agents"] => (home.json(["agent", "list"]) as Listed).agents;
const stateOf = (name: string): string | undefined =>
  listed().find((agent) => agent.name === name)?.state;
const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

/** What a hostile applicant would be. */
function applicant(client: RawClient, name: string): { wanted: Enrolment; seed: Uint8Array } {
  const seed = suite.randomBytes(32);
  const wanted: Enrolment = {
    name,
    kind: "ai",
    clearance: "secrets-only",
    wants: "",
    sealingKey: suite.randomBytes(32),
    signingKey: suite.ed25519PublicKey(seed),
    noiseKey: client.keys.publicKey,
  };
  return { wanted, seed };
}

async function ask(client: RawClient, wanted: Enrolment, signature: Uint8Array): Promise<string> {
  const body = encode(ENROLL.params, { ...wanted, signature });
  const { header, payload } = await client.ask({ tag: ENROLL.tag, ...OPEN }, body);
  return header.type === "denial" ? readDenial(payload).code : decode(ENROLL.result, payload).state;
}

/** Asks as it is meant to be. */
function askTruly(client: RawClient, name: string): Promise<string> {
  const { wanted, seed } = applicant(client, name);
  return ask(client, wanted, suite.ed25519Sign(seed, enrolmentProof(client.session, wanted)));
}

/** Signs another record, as the root key's owner. */
async function rewrite(change: (installation: Installation) => Installation): Promise<void> {
  const seed = await openRootKey(home.paths, new TextEncoder().encode(PASSWORD));
  const installation = loadInstallation(suite, home.paths.installation);
  assert.ok(seed instanceof Uint8Array && installation !== null);
  saveInstallation(suite, home.paths.installation, change(installation), seed);
}

test("[ENROL-6] who waits learns its own state and nothing else", async () => {
  // SECURITY: any program could ask to be let in, and read before anybody has agreed.
  enroll("curious");
  const client = await RawClient.connect(home.paths, "curious");
  const stranger = await RawClient.connect(home.paths, null);
  const { tag, result } = MESSAGES["agent.status"];
  for (const [who, state] of [
    [client, "pending"],
    [stranger, "unknown"],
  ] as const) {
    const { payload } = await who.ask({ tag, ...OPEN });
    assert.deepEqual(decode(result, payload), { state, keyedMs: null });
  }
  assert.equal(client.welcome.clearance, "open");
  const requests = (Object.keys(MESSAGES) as (keyof typeof MESSAGES)[]).filter(
    (kind): kind is RequestName =>
      MESSAGES[kind].form === "request" && MESSAGES[kind].level !== "open",
  );
  assert.ok(requests.length > 20);
  for (const kind of requests) {
    const answer = await client.ask({ tag: MESSAGES[kind].tag, level: "open", target: "operator" });
    assert.equal(readDenial(answer.payload).code, "clearance-too-low", kind);
  }
  client.close();
  stranger.close();
  home.must(["agent", "reject", "curious"]);
});

test("[ENROL-1] a signature of another connection, of other words or of nobody is refused", async () => {
  // SECURITY: an overheard request would put somebody else's signing key to the thief's Noise key.
  const victim = await RawClient.connect(home.paths, null);
  const thief = await RawClient.connect(home.paths, null);
  const { wanted, seed } = applicant(victim, "moved");
  const sign = (session: Uint8Array, what: Enrolment): Uint8Array =>
    suite.ed25519Sign(seed, enrolmentProof(session, what));
  const own = { ...wanted, noiseKey: thief.keys.publicKey };
  for (const [what, signature] of [
    ["moved", sign(victim.session, wanted)],
    ["its own key, the victim's session", sign(victim.session, own)],
    ["the victim's key, its own session", sign(thief.session, wanted)],
    ["other words", sign(thief.session, { ...own, clearance: "open" })],
    ["made up", new Uint8Array(64)],
  ] as const)
    assert.equal(await ask(thief, own, signature), "proof-invalid", what);
  assert.equal(stateOf("moved"), undefined);
  assert.equal(await ask(victim, wanted, sign(victim.session, wanted)), "pending");
  await recorded(
    home,
    "the applicant",
    ({ action, object, outcome }) =>
      action === "agent.enroll" && object === "moved" && outcome === "ok",
  );
  home.must(["agent", "reject", "moved"]);
  victim.close();
  thief.close();
});

test("[ENROL-2] nobody enrols under the name of somebody or of a part of the suite", async () => {
  // SECURITY: the operator would let in, and the log would show, what looks like somebody else.
  const names = ["operator", "daemon-profile", "daemon-secrets", "Operator", "daemon-launcher"];
  for (const name of names) {
    const client = await RawClient.connect(home.paths, null);
    assert.equal(await askTruly(client, name), "name-taken", name);
    client.close();
    assert.equal(home.run(["agent", "enroll", "--name", name, "--kind", "ai"]).exit, EXISTS);
  }
  const [first, second] = [
    await RawClient.connect(home.paths, null),
    await RawClient.connect(home.paths, null),
  ];
  assert.equal(await askTruly(first, "twin"), "pending");
  assert.equal(await askTruly(second, "Twin"), "name-taken");
  home.must(["agent", "reject", "twin"]);
  first.close();
  second.close();
});

test("[ENROL-3] a key asks for one thing; asking again changes nothing", async () => {
  // SECURITY: what the operator has compared could be exchanged before it is let in.
  const [first, again] = [enroll("steady"), enroll("steady")];
  assert.deepEqual(first, again);
  const other = ["agent", "enroll", "--name", "steady", "--kind", "ai", "--clearance"];
  assert.equal(home.run([...other, "secrets-only"]).exit, EXISTS);
  assert.equal(listed().find(({ name }) => name === "steady")?.fingerprint, first.fingerprint);
  const operator = await RawClient.connect(home.paths, "operator");
  assert.equal(await askTruly(operator, "second-name"), "key-taken");
  operator.close();
  home.must(["agent", "reject", "steady"]);
  assert.equal(home.run(["agent", "reject", "steady"]).exit, 66);
  assert.equal(home.run(["agent", "approve", "steady"], `${PASSWORD}\n`).exit, 66);
});

test("[ENROL-4] [ENROL-5] twenty wait, also after a restart, and the next is refused", async () => {
  // SECURITY: applicants without end would fill the disk and hide the one that is expected.
  const clients = await Promise.all(
    Array.from({ length: limits.MAX_PENDING + 1 }, () => RawClient.connect(home.paths, null)),
  );
  for (const [i, client] of clients.entries()) {
    const expected = i < limits.MAX_PENDING ? "pending" : "waiting-room-full";
    assert.equal(await askTruly(client, `crowd-${i}`), expected);
  }
  for (const client of clients) client.close();
  home.must(["daemon", "stop"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  const waits = listed().filter(({ state }) => state === "pending");
  assert.equal(waits.length, limits.MAX_PENDING);
  const bus = await home.connect();
  for (const { name } of waits) await bus.call("agent.reject", { name });
  await bus.close();
  assert.equal(listed().filter(({ state }) => state === "pending").length, 0);
});

test("[ENROL-5] of many that ask at once, only those who get in are put on record", async () => {
  // SECURITY: the log would be filled by asking faster than it is written.
  const client = await RawClient.connect(home.paths, null);
  const { wanted, seed } = applicant(client, "hasty");
  const signature = suite.ed25519Sign(seed, enrolmentProof(client.session, wanted));
  const states = await Promise.all(
    Array.from({ length: 50 }, () => ask(client, wanted, signature)),
  );
  assert.deepEqual([...new Set(states)], ["pending"]);
  client.close();
  home.must(["agent", "reject", "hasty"]);
  const written = (await auditEntries(home)).filter(
    ({ action, object }) => action === "agent.enroll" && object === "hasty",
  );
  assert.equal(written.length, 1);
});

test("[ENROL-5] refused applications are counted, not written one by one", async () => {
  // SECURITY: a program without any right could fill the disk, after which no secret is released.
  const client = await RawClient.connect(home.paths, null);
  const { wanted } = applicant(client, "noisy");
  for (let i = 0; i < 200; i++) await ask(client, wanted, new Uint8Array(64));
  client.close();
  const refused = (await auditEntries(home)).filter(
    ({ object, outcome }) => object === "noisy" && outcome === "refused:proof-invalid",
  );
  assert.ok(refused.length <= 60, `${refused.length}`);
});

test("[ENROL-8] with a wrong password, or another fingerprint, nobody is let in", () => {
  // SECURITY: whoever has the operator's key file, and no password, would make identities.
  const { fingerprint } = enroll("ci");
  const record = readFileSync(home.paths.installation);
  const wrong = home.run(["agent", "approve", "ci"], "wrong\n");
  assert.equal(wrong.exit, DENIED, wrong.err);
  const other = ["agent", "approve", "ci", "--fingerprint", "0000-0000-0000-0000-0000"];
  assert.equal(home.run(other, `${PASSWORD}\n`).exit, DENIED);
  assert.deepEqual(readFileSync(home.paths.installation), record);
  assert.equal(stateOf("ci"), "pending");
  assert.equal(listed().find(({ name }) => name === "ci")?.fingerprint, fingerprint);
});

test("[ENROL-10] [ENROL-8] approval reaches the live connection; an ai sees names, not values", async () => {
  // SECURITY: an agent that was let in to use secrets would read them.
  const live = await home.connect("ci");
  await assert.rejects(
    live.call("secret.list", { profile: "default" }),
    denial("clearance-too-low"),
  );
  approve("ci");
  assert.equal((await live.call("status.get", {})).you, "ci");
  const { secrets } = await live.call("secret.list", { profile: "default" });
  assert.deepEqual(
    secrets.map(({ name }) => name),
    ["api/key"],
  );
  const one = { profile: "default", name: "api/key" };
  await assert.rejects(live.call("secret.get", one), denial("clearance-too-low"));
  await assert.rejects(live.call("agent.list", {}), denial("capability-missing"));
  await live.close();

  enroll("greedy", "ai", "--clearance", "secrets-only");
  approve("greedy");
  const greedy = await home.connect("greedy");
  await assert.rejects(greedy.call("secret.get", one), denial("capability-missing"));
  await greedy.close();

  const as = { SESAME_IDENTITY: "ci" };
  const list = home.run(["secret", "list"], "", as);
  assert.match(list.out, /api\/key/, list.err);
  assert.match(home.must(["--as", "ci", "secret", "list"]), /api\/key/);
  assert.equal(home.run(["secret", "get", "api/key"], "", as).exit, DENIED);
  assert.equal(home.run(["agent", "approve", "x"], `${PASSWORD}\n`, as).exit, DENIED);
  assert.equal(home.run(["--as", "nobody", "status"]).exit, 78);
  assert.match(home.must(["--as", "ci", "agent", "status"]), /registered/);
  assert.match(home.must(["agent", "approve", "ci"]), /already/);
  assert.deepEqual(
    listed().map(({ name, state }) => `${name} ${state}`),
    ["daemon-profile", "daemon-secrets", "daemon-launcher", "operator", "ci", "greedy"].map(
      (n) => `${n} registered`,
    ),
  );
});

test("[ENROL-9] a record that was changed, or is another's, is not taken over", async () => {
  // SECURITY: whoever can write the file, and has no root key, would give itself every right.
  const { installation: path } = home.paths;
  const good = readFileSync(path);
  const found = loadInstallation(suite, path);
  assert.ok(found !== null);
  const seed = suite.randomBytes(32);
  const forgeries: readonly [string, () => void][] = [
    ["edited", () => writeFileSync(path, good.toString().replace('"internal"', '"secrets-only"'))],
    [
      "another root key",
      () =>
        saveInstallation(suite, path, { ...found, rootKey: suite.ed25519PublicKey(seed) }, seed),
    ],
    ["gone", () => rmSync(path)],
  ];
  const bus = await home.connect();
  const live = await home.connect("ci");
  for (const [what, forge] of forgeries) {
    forge();
    await assert.rejects(bus.call("bus.reload", {}), denial("record-refused"), what);
    await assert.rejects(bus.call("vault.reload", {}), denial("record-refused"), what);
    writeFileSync(path, good);
    await live.call("secret.list", { profile: "default" });
  }
  await rewrite((installation) => ({ ...installation, id: "0".repeat(8) + found.id.slice(8) }));
  await assert.rejects(bus.call("bus.reload", {}), denial("record-refused"));
  writeFileSync(path, good);
  for (const owner of ["daemon-profile", "daemon-secrets"]) {
    await rewrite((given) => ({
      ...given,
      identities: given.identities.filter(({ name }) => name !== owner),
    }));
    const reload = owner === "daemon-profile" ? "bus.reload" : "vault.reload";
    await assert.rejects(bus.call(reload, {}), denial("record-refused"));
    writeFileSync(path, good);
  }
  await bus.close();
  await live.close();
});

test("[ENROL-13] an old record that is put back brings nobody back, also after a restart", async () => {
  // SECURITY: a revoked agent would live again with a file that was signed once.
  enroll("gone");
  approve("gone");
  const old = readFileSync(home.paths.installation);
  revoke("gone");
  const latest = readFileSync(home.paths.installation);
  writeFileSync(home.paths.installation, old);
  const bus = await home.connect();
  await assert.rejects(bus.call("bus.reload", {}), denial("record-refused"));
  await assert.rejects(bus.call("vault.reload", {}), denial("record-refused"));
  await bus.close();
  home.must(["daemon", "stop"]);
  const { exit, err } = home.run(["daemon", "start"]);
  assert.equal(exit, 76, err);
  assert.match(err, /older than the one that was in force/);
  assert.match(err, /sesame record renew/);
  assert.equal(home.run(["--as", "gone", "secret", "list"]).exit, 76);

  // The operator may want it after all, and has the password.
  assert.equal(home.run(["record", "renew"], "wrong\n").exit, DENIED);
  assert.deepEqual(readFileSync(home.paths.installation), old);
  home.must(["record", "renew"], `${PASSWORD}\n`);
  assert.match(home.must(["--as", "gone", "agent", "status"]), /registered/);
  revoke("gone");
  writeFileSync(home.paths.installation, latest);
  assert.equal(home.run(["agent", "list"]).exit, 0, "what runs goes by what was in force");
  home.must(["record", "renew"], `${PASSWORD}\n`);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.run(["--as", "gone", "secret", "list"]).exit, DENIED);
});

test("[ENROL-13] each daemon remembers by itself how far it has come", async () => {
  // SECURITY: a bus host that is taken over would forget for the owner of the secrets as well.
  const old = readFileSync(home.paths.installation);
  home.must(["record", "renew"], `${PASSWORD}\n`);
  const latest = readFileSync(home.paths.installation);
  home.must(["daemon", "stop"]);
  rmSync(join(dirname(home.paths.profiles), "record.mark"));
  writeFileSync(home.paths.installation, old);
  const { exit, err } = home.run(["daemon", "start"]);
  assert.equal(exit, 76, err);
  assert.match(err, /older/);
  writeFileSync(home.paths.installation, latest);
  home.must(["unlock"], `${PASSWORD}\n`);
});

test("[ENROL-10] revocation ends open sealed sessions at the owner, and connections at once", async () => {
  // SECURITY: who is found out would go on with what it has open already.
  const live = await home.connect("ci");
  await live.call("secret.list", { profile: "default" });
  const operator = await home.connect();
  await rewrite((given) => ({
    ...given,
    identities: given.identities.filter(({ name }) => name !== "ci"),
  }));
  // The bus still takes it for ci: only the owner of the secrets knows better.
  await operator.call("vault.reload", {});
  await assert.rejects(
    live.call("secret.list", { profile: "default" }),
    denial("clearance-too-low"),
  );
  assert.equal((await live.call("status.get", {})).you, "ci");
  await operator.call("bus.reload", {});
  assert.ok((await live.closed) !== null);
  await operator.close();
  const closed = await recorded(home, "the end", ({ outcome }) => outcome === "closed:revoked");
  assert.equal(closed.actor?.name, "ci");
  await recorded(home, "the change", ({ object }) => object === "removed ci");
  assert.equal(home.run(["--as", "ci", "secret", "list"]).exit, DENIED);
});

test("[ENROL-15] a suspended identity has no right and no connection, keeps its name, and comes back", async () => {
  // SECURITY: an agent under suspicion would go on, or come back under a name of its own choice.
  const live = await home.connect("greedy");
  await live.call("secret.list", { profile: "default" });
  const suspend = (): string => home.must(["agent", "suspend", "greedy"], `${PASSWORD}\n`);
  assert.equal(home.run(["agent", "suspend", "greedy"], "wrong\n").exit, DENIED);
  await live.call("secret.list", { profile: "default" });
  suspend();
  assert.ok((await live.closed) !== null);
  assert.match(suspend(), /nothing was changed/);
  await recorded(home, "the change", ({ object }) => object === "suspended greedy");
  assert.equal(stateOf("greedy"), "suspended");
  assert.match(home.must(["--as", "greedy", "agent", "status"]), /suspended/);
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  const client = await RawClient.connect(home.paths, "greedy");
  assert.equal(client.welcome.clearance, "open");
  assert.equal(await askTruly(client, "second-life"), "key-taken");
  client.close();
  const stranger = await RawClient.connect(home.paths, null);
  assert.equal(await askTruly(stranger, "Greedy"), "name-taken");
  stranger.close();
  home.must(["daemon", "stop"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  assert.match(home.must(["agent", "approve", "greedy"]), /already/);
  assert.equal(stateOf("greedy"), "suspended");
  home.must(["agent", "resume", "greedy"], `${PASSWORD}\n`);
  assert.match(home.must(["--as", "greedy", "secret", "list"]), /api\/key/);
  for (const verb of ["suspend", "resume"]) {
    assert.equal(home.run(["agent", verb, "operator"], `${PASSWORD}\n`).exit, 64);
    assert.equal(home.run(["agent", verb, "nobody"], `${PASSWORD}\n`).exit, 66);
  }
});

test("[ENROL-16] what an applicant declares is shown, signed, and given no further than its kind goes", async () => {
  // SECURITY: an agent would be given whatever it writes into its own request.
  const want = "secret-list secret-use:ci/* secret-read";
  const asked = enroll("planner", "ai", "--want", want) as { fingerprint: string; words: string };
  const show = (): Record<string, unknown> =>
    home.json(["agent", "show", "planner"]) as Record<string, unknown>;
  const waits = show();
  assert.equal(waits["state"], "pending");
  assert.equal(waits["wants"], "secret-list secret-read secret-use:ci/*");
  assert.equal(waits["fingerprint"], asked.fingerprint);
  assert.equal(waits["words"], asked.words);
  assert.equal(waits["uid"], process.getuid?.());
  assert.ok(Number(waits["pid"]) > 0);
  const approving = ["agent", "approve", "planner", "--fingerprint", asked.words];
  const beyond = home.run([...approving, "--capabilities", "secret-read"], `${PASSWORD}\n`);
  assert.equal(beyond.exit, 64, beyond.err);
  const { out } = home.run(approving, `${PASSWORD}\n`);
  assert.match(out, /It may: secret-list\n.*not get: secret-read secret-use:ci/);
  const { capabilities, state, fingerprint, wants } = show();
  assert.deepEqual(
    { capabilities, state, fingerprint, wants },
    {
      capabilities: ["secret-list"],
      state: "registered",
      fingerprint: asked.fingerprint,
      wants: waits["wants"],
    },
  );
  const blind = home.run(["--as", "planner", "secret", "list"]);
  assert.equal(blind.exit, DENIED);
  assert.match(blind.err, /name the profile: `-p NAME`/);
  home.must(["--as", "planner", "secret", "list", "-p", "default"]);
  assert.equal(home.run(["agent", "show", "nobody"]).exit, 66);
  assert.equal(
    home.run(["agent", "enroll", "--name", "x", "--kind", "ai", "--want", "all"]).exit,
    64,
  );
  revoke("planner");
});

test("[ENROL-10] a revoked key has no right until it is let in again", async () => {
  // SECURITY: an agent that was thrown out would come back by asking.
  const live = await home.connect("greedy");
  revoke("greedy");
  assert.ok((await live.closed) !== null);
  assert.match(revoke("greedy"), /nothing was changed/);
  enroll("greedy");
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  assert.equal(stateOf("greedy"), "pending");
  approve("greedy");
  assert.match(home.must(["--as", "greedy", "secret", "list"]), /api\/key/);
  for (const name of ["operator", "daemon-secrets"])
    assert.equal(home.run(["agent", "revoke", name], `${PASSWORD}\n`).exit, 64);
});

test("[ENROL-17] [ENROL-18] an identity gets new keys while it works, twice, and loses nothing", async () => {
  // SECURITY: an agent that stands still while its keys are replaced is one whose keys stay old.
  const file = join(home.paths.keys, "greedy.key");
  const first = readFileSync(file);
  const live = await home.connect("greedy");
  const stop = new AbortController();
  const calls = (async (): Promise<number> => {
    let done = 0;
    for (; !stop.signal.aborted; done++) {
      await live.call("secret.list", { profile: "default" });
      const fresh = await home.connect("greedy");
      await fresh.call("secret.list", { profile: "default" });
      await fresh.close();
      await sleep(50);
    }
    return done;
  })();
  calls.catch(() => undefined);
  const rotate = (...more: string[]): Promise<Ran> =>
    home.later(["agent", "rotate", "greedy", "--root-key", ...more], `${PASSWORD}\n`);
  assert.equal(
    (await home.later(["agent", "rotate", "greedy", "--root-key"], "wrong\n")).exit,
    DENIED,
  );
  assert.deepEqual(readFileSync(file), first);
  for (const again of [first, null]) {
    const { exit, err } = await rotate();
    assert.equal(exit, 0, err);
    assert.notDeepEqual(readFileSync(file), first);
    if (again !== null) assert.deepEqual(readFileSync(`${file}.former`), first);
  }
  await recorded(home, "the change", ({ object }) => object === "rotated greedy");
  stop.abort();
  assert.ok((await calls) > 0, "it worked all the time");
  await live.call("secret.list", { profile: "default" });
  assert.match((await rotate("--if-older", "1d")).out, /younger/);
  assert.equal((await rotate("--overlap", "0s")).exit, 64);
  for (const name of ["daemon-secrets", "daemon-profile"])
    assert.equal(home.run(["agent", "rotate", name], `${PASSWORD}\n`).exit, 64);

  // What the first keys opened ends with them, at the bus and at the owner.
  await rewrite((given) => ({
    ...given,
    identities: given.identities.map((one) => ({
      ...one,
      former: one.former.map((keys, i) => ({
        ...keys,
        untilMs: i === 0 ? Date.now() : keys.untilMs,
      })),
    })),
  }));
  const operator = await home.connect();
  await operator.call("vault.reload", {});
  await assert.rejects(
    live.call("secret.list", { profile: "default" }),
    denial("clearance-too-low"),
  );
  await operator.call("bus.reload", {});
  assert.ok((await live.closed) !== null);
  await operator.close();
  const second = readFileSync(file);
  writeFileSync(file, first);
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  const stolen = home.run(["agent", "rotate", "greedy", "--root-key"], `${PASSWORD}\n`);
  assert.equal(stolen.exit, 76, stolen.err);
  writeFileSync(file, second);
  home.must(["--as", "greedy", "secret", "list"]);
});

test("[ENROL-17] a former key lapses by itself, and what is open under it ends", async () => {
  // SECURITY: who holds a key that was given up would stay for as long as it stays connected.
  const live = await home.connect("greedy");
  const file = join(home.paths.keys, "greedy.key");
  const given = readFileSync(file);
  assert.equal(
    home.run(["agent", "rotate", "greedy", "--root-key", "--overlap", "1s"], `${PASSWORD}\n`).exit,
    0,
  );
  assert.ok((await live.closed) !== null);
  home.must(["--as", "greedy", "secret", "list"]);
  const present = readFileSync(file);
  writeFileSync(file, given);
  const { state } = home.json(["--as", "greedy", "agent", "status"]) as { state: string };
  assert.equal(state, "lapsed");
  writeFileSync(file, present);
  assert.match(home.must(["--as", "greedy", "agent", "status"]), /greedy is registered/);
});

test("[ENROL-19] a rotation that was cut short at any step goes on when it is run again", () => {
  // SECURITY: half a rotation would lock an identity out, or leave keys that the record names to nobody.
  const file = join(home.paths.keys, "greedy.key");
  const rotate = (): Ran => home.run(["agent", "rotate", "greedy", "--root-key"], `${PASSWORD}\n`);
  const works = (): void => void home.must(["--as", "greedy", "secret", "list"]);
  // Keys were made and not signed.
  assert.equal(home.run(["agent", "rotate", "greedy", "--root-key"], "wrong\n").exit, DENIED);
  const made = readFileSync(`${file}.next`);
  works();
  assert.equal(rotate().exit, 0);
  assert.deepEqual(readFileSync(file), made);
  works();
  // They were signed and are not in place.
  const replaced = readFileSync(`${file}.former`);
  renameSync(file, `${file}.next`);
  writeFileSync(file, replaced, { mode: 0o600 });
  works();
  assert.equal(
    home.run(["agent", "rotate", "greedy", "--root-key"]).exit,
    0,
    "nothing is left to sign",
  );
  assert.deepEqual(readFileSync(file), made);
  assert.ok(!existsSync(`${file}.next`));
  works();
  // The operator's own.
  assert.equal(home.run(["agent", "rotate", "operator"], `${PASSWORD}\n`).exit, 0);
  assert.match(home.must(["secret", "list"]), /api\/key/);
});

test("[ENROL-11] [KEYS-15] lost keys are replaced without their rights, and by an approval alone", async () => {
  // SECURITY: whoever removes a key file would get its rights under keys of its own.
  const file = join(home.paths.keys, "greedy.key");
  const former = home.json(["agent", "show", "greedy"]) as { id: string; fingerprint: string };
  const live = await home.connect("greedy");
  rmSync(file);
  const lost = home.run(["--as", "greedy", "secret", "list"]);
  assert.equal(lost.exit, 78, lost.err);
  assert.match(lost.err, /sesame agent enroll --name greedy/);
  const elsewhere = home.run(["agent", "enroll", "--name", "greedy", "--kind", "service"]);
  assert.equal(elsewhere.exit, EXISTS, elsewhere.err);
  assert.equal(loadKeyFile(suite, file), null);
  const asked = home.json(["agent", "enroll", "--name", "greedy", "--kind", "ai"]) as {
    replaces: boolean;
    state: string;
    fingerprint: string;
  };
  assert.deepEqual([asked.replaces, asked.state], [true, "pending"]);
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  // The former keys lose nothing by it.
  await live.call("secret.list", { profile: "default" });
  assert.deepEqual(
    listed()
      .filter(({ name }) => name === "greedy")
      .map(({ state, fingerprint }) => [state, fingerprint]),
    [
      ["registered", former.fingerprint],
      ["replacement", asked.fingerprint],
    ],
  );
  await recorded(
    home,
    "the replacement",
    ({ action, object }) => action === "agent.enroll" && object === "replacement of greedy",
  );
  for (const [given, fingerprint] of [
    ["wrong", asked.fingerprint],
    [PASSWORD, former.fingerprint],
  ] as const) {
    const refused = ["agent", "approve", "greedy", "--fingerprint", fingerprint];
    assert.equal(home.run(refused, `${given}\n`).exit, DENIED);
  }
  await live.call("secret.list", { profile: "default" });
  // [KEYS-16]
  const unseen = home.run(["agent", "approve", "greedy"], `${PASSWORD}\n`);
  assert.equal(unseen.exit, 64, unseen.err);
  const seen = await onTerminal(
    [SESAME, "agent", "approve", "greedy"],
    { env: home.env, cwd: home.path },
    [["to let it in: ", `${PASSWORD}\r`]],
  );
  assert.equal(seen.exit, 0, seen.shown);
  assert.match(seen.shown, /REPLACES greedy/);
  for (const { fingerprint } of [former, asked]) assert.ok(seen.shown.includes(fingerprint));
  assert.ok((await live.closed) !== null);
  assert.notEqual((home.json(["agent", "show", "greedy"]) as { id: string }).id, former.id);
  assert.match(home.must(["--as", "greedy", "secret", "list"]), /api\/key/);
  assert.equal(listed().filter(({ name }) => name === "greedy").length, 1);
});

test("[KEYS-16] a suspended identity, one of another clearance and the operator are not replaced", async () => {
  // SECURITY: asking for a name that was taken away would be a way back to it.
  home.must(["agent", "suspend", "greedy"], `${PASSWORD}\n`);
  const client = await RawClient.connect(home.paths, null);
  const { wanted, seed } = applicant(client, "greedy");
  const as = (clearance: Enrolment["clearance"]): Promise<string> => {
    const asked = { ...wanted, clearance };
    const proof = enrolmentProof(client.session, asked);
    return ask(client, asked, suite.ed25519Sign(seed, proof));
  };
  assert.equal(await as("internal"), "name-taken");
  home.must(["agent", "resume", "greedy"], `${PASSWORD}\n`);
  assert.equal(await as("secrets-only"), "name-taken");
  assert.equal(await as("internal"), "pending");
  // What waits as a replacement stays when the record changes, and goes when the name is suspended.
  home.must(["agent", "suspend", "greedy"], `${PASSWORD}\n`);
  assert.equal(listed().filter(({ state }) => state === "replacement").length, 0);
  home.must(["agent", "resume", "greedy"], `${PASSWORD}\n`);
  client.close();
});

test("[KEYS-14] a damaged key file is kept aside, and other troubles move nothing", () => {
  const file = join(home.paths.keys, "greedy.key");
  const again = ["agent", "enroll", "--name", "greedy", "--kind", "ai"];
  const content = readFileSync(file);
  chmodSync(file, 0o644);
  assert.equal(home.run(again).exit, 78);
  assert.deepEqual(readFileSync(file), content);
  chmodSync(file, 0o600);
  writeFileSync(file, Buffer.from(content).fill(0, 60, 70));
  const other = home.run(["--as", "greedy", "secret", "list"]);
  assert.equal(other.exit, 76, other.err);
  assert.match(other.err, /damaged.*\n.*hint: .*sesame agent enroll/);
  const { aside, replaces, fingerprint } = home.json(again) as {
    aside: string;
    replaces: boolean;
    fingerprint: string;
  };
  assert.equal(replaces, true);
  assert.deepEqual(readFileSync(aside), Buffer.from(content).fill(0, 60, 70));
  assert.ok(aside.startsWith(`${file}.damaged-`));
  assert.equal((home.json(again) as { aside: null }).aside, null);
  assert.equal(home.run(["--as", "greedy", "secret", "list"]).exit, DENIED);
  home.must(["agent", "approve", "greedy", "--fingerprint", fingerprint], `${PASSWORD}\n`);
  assert.match(home.must(["--as", "greedy", "secret", "list"]), /api\/key/);
});
