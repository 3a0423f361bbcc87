import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { createKeyFile, protectionOf } from "@sesame/core-ipc/daemon";
import { Applicant } from "../helpers/applicant.ts";
import { recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD, SESAME, type Ran } from "../helpers/home.ts";

// Identities that give themselves new keys.

const DENIED = 77;
const REFUSED = "certificate-refused";
const NO_AGENT =
  process.env["CI"] !== "true" &&
  spawnSync("ssh-keygen", ["-?"]).error !== undefined &&
  "there is no openssh-client";

let home: Home;
let token: string;

before(async () => {
  home = await Home.ready();
  home.must(["secret", "set", "api/key"], "a value");
  token = home.must(["agent", "token", "create", "--uses", "50"], `${PASSWORD}\n`).trim();
  writeFileSync(join(home.path, "token"), `${token}\n`, { mode: 0o600 });
});

after(async () => home[Symbol.asyncDispose]());

const keyFile = (name: string): string => join(home.paths.keys, `${name}.key`);
const comeIn = (name: string): void =>
  void home.must(["agent", "enroll", "--name", name, "--token-file", join(home.path, "token")]);
const rotate = (name: string, ...flags: string[]): Ran =>
  home.run(["--as", name, "agent", "rotate", ...flags]);
const works = (name: string): void => {
  assert.match(home.must(["--as", name, "secret", "list"]), /api\/key/);
};

test("[ENROL-18] [ENROL-32] an agent gives itself new keys while it works, twice, and loses nothing", async () => {
  // SECURITY: an agent that stands still while its keys are replaced is one whose keys stay old.
  comeIn("busy");
  const first = readFileSync(keyFile("busy"));
  const live = await home.connect("busy");
  const stop = new AbortController();
  const calls = (async (): Promise<number> => {
    let done = 0;
    for (; !stop.signal.aborted; done++) {
      await live.call("secret.list", { profile: "default" });
      const fresh = await home.connect("busy");
      await fresh.call("secret.list", { profile: "default" });
      await fresh.close();
      await sleep(20);
    }
    return done;
  })();
  calls.catch(() => undefined);
  for (let turn = 0; turn < 2; turn++) {
    const { exit, err } = await home.later(["--as", "busy", "agent", "rotate"]);
    assert.equal(exit, 0, err);
  }
  stop.abort();
  assert.ok((await calls) > 0, "it worked all the time");
  await live.call("secret.list", { profile: "default" });
  await live.close();
  assert.notDeepEqual(readFileSync(keyFile("busy")), first);
  await recorded(home, "the rotation", ({ object }) => object === "new keys of busy");
  // What is signed next takes it over, and a restart knows it.
  home.must(["record", "renew"], `${PASSWORD}\n`);
  works("busy");
  assert.equal(rotate("busy").exit, 0);
  home.must(["daemon", "stop"]);
  home.must(["daemon", "start"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  works("busy");
  const shown = home.json(["agent", "show", "busy"]) as { former: string[] };
  assert.equal(shown.former.length, 3);
});

test("[ENROL-32] a timer rotates what is old enough, and nothing else", () => {
  comeIn("timed");
  const first = readFileSync(keyFile("timed"));
  const early = rotate("timed", "--if-older", "30d");
  assert.equal(early.exit, 0, early.err);
  assert.match(early.out, /younger/);
  assert.deepEqual(readFileSync(keyFile("timed")), first);
  assert.equal(rotate("timed", "--if-older", "0s").exit, 0);
  assert.notDeepEqual(readFileSync(keyFile("timed")), first);
  // Nobody rotates a person or a daemon without the root key.
  assert.equal(home.run(["agent", "rotate", "operator"], "wrong\n").exit, DENIED);
  assert.equal(home.run(["agent", "rotate", "daemon-secrets"]).exit, 64);
  assert.equal(home.run(["agent", "rotate", "timed", "--root-key"], `${PASSWORD}\n`).exit, 0);
  works("timed");
});

test("a rotation leaves no lock behind, done or refused", () => {
  comeIn("tidy");
  const files = readdirSync(home.paths.keys);
  for (const refused of [
    rotate("ghost"),
    home.run(["agent", "rotate", "ghost"]),
    home.run(["agent", "rotate", "ghost", "--root-key"], `${PASSWORD}\n`),
  ])
    assert.notEqual(refused.exit, 0);
  assert.deepEqual(readdirSync(home.paths.keys), files);
  assert.equal(rotate("tidy").exit, 0);
  const made = readdirSync(home.paths.keys).filter((file) => !files.includes(file));
  assert.deepEqual(made, ["tidy.key.former"]);
});

test("[ENROL-30] a stolen key that was given up certifies nothing, before its date and after it", async () => {
  // SECURITY: who copied an old key file would take the identity over with it.
  comeIn("robbed");
  copyFileSync(keyFile("robbed"), join(home.path, "stolen"));
  assert.equal(rotate("robbed", "--overlap", "5s").exit, 0);
  const present = readFileSync(keyFile("robbed"));
  const steal = (): Ran => {
    copyFileSync(join(home.path, "stolen"), keyFile("robbed"));
    try {
      return rotate("robbed");
    } finally {
      writeFileSync(keyFile("robbed"), present);
    }
  };
  const early = steal();
  assert.equal(early.exit, DENIED, early.err);
  await recorded(home, "why", ({ outcome }) => outcome === `refused:${REFUSED}/key-unknown`);
  await eventually("the former key has lapsed", () => {
    copyFileSync(join(home.path, "stolen"), keyFile("robbed"));
    const { exit } = home.run(["--as", "robbed", "secret", "list"]);
    writeFileSync(keyFile("robbed"), present);
    return exit !== 0;
  });
  assert.equal(steal().exit, DENIED);
  works("robbed");
});

test("[ENROL-30] an old rotation, one of nobody and one of who is suspended or revoked are refused", async () => {
  // SECURITY: a bus host that kept an old certificate would bring old keys back.
  const [one, two, three] = ["rot", "rot", "rot"].map((name) => new Applicant(home, name));
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  assert.equal(await one.show(one.admission(token)), "registered");
  const first = two.rotation(one);
  assert.equal(await three.show(first), REFUSED, "from another connection");
  assert.equal(await two.show(first), "registered");
  const second = three.rotation(two);
  assert.equal(await three.show(second), "registered");
  const late = new Applicant(home, "rot");
  assert.equal(await late.show(late.rotation(one)), REFUSED, "by a former key");
  assert.equal(await late.show(late.rotation(new Applicant(home, "x"))), REFUSED);
  assert.equal(await late.show(late.rotation(three, { madeMs: Date.now() - 600_000 })), REFUSED);
  home.must(["agent", "suspend", "rot"], `${PASSWORD}\n`);
  assert.equal(await late.show(late.rotation(three)), REFUSED);
  home.must(["agent", "resume", "rot"], `${PASSWORD}\n`);
  home.must(["agent", "revoke", "rot"], `${PASSWORD}\n`);
  assert.equal(await late.show(late.rotation(three)), REFUSED);
});

test("[ENROL-30] who is blocked gives itself no new keys, and comes back with those it had", async () => {
  // SECURITY: whoever is kept out by its keys would come in with others.
  const [one, two] = ["kept-out", "kept-out"].map((name) => new Applicant(home, name));
  assert.ok(one !== undefined && two !== undefined);
  assert.equal(await one.show(one.admission(token)), "registered");
  home.must(["agent", "block", "kept-out"]);
  assert.equal(await two.show(two.rotation(one)), REFUSED);
  await recorded(home, "why", ({ outcome }) => outcome === `refused:${REFUSED}/blocked`);
  home.must(["agent", "unblock", "kept-out"]);
  assert.equal(await two.show(two.rotation(one)), "registered");
});

test("[ENROL-19] [ENROL-32] cut short at any step it goes on, and two at once do not meet", async () => {
  // SECURITY: half a rotation would lock an identity out, or leave certified keys to nobody.
  comeIn("cut");
  const file = keyFile("cut");
  // Keys were made, and nothing else.
  assert.ok(createKeyFile(suite, `${file}.next`) !== null);
  const made = readFileSync(`${file}.next`);
  works("cut");
  assert.equal(rotate("cut").exit, 0);
  assert.deepEqual(readFileSync(file), made);
  // They were certified, and are not in place.
  renameSync(file, `${file}.next`);
  copyFileSync(`${file}.former`, file);
  works("cut");
  assert.equal(rotate("cut", "--if-older", "30d").exit, 0);
  assert.deepEqual(readFileSync(file), made);
  assert.ok(!existsSync(`${file}.next`));
  works("cut");
  // Killed at random.
  for (const wait of [0, 60, 120, 180, 240]) {
    const child = home.start(["--as", "cut", "agent", "rotate", "--overlap", "1s"]);
    const closed = once(child, "close");
    await sleep(wait);
    child.kill("SIGKILL");
    await closed;
    works("cut");
    const { exit, err } = rotate("cut", "--overlap", "1s");
    // No more former keys than there may be: nothing is lost by that.
    assert.ok(exit === 0 || exit === DENIED, err);
    works("cut");
  }
  comeIn("twice");
  const both = await Promise.all([
    home.later(["--as", "twice", "agent", "rotate"]),
    home.later(["--as", "twice", "agent", "rotate"]),
  ]);
  for (const { exit, err } of both) assert.ok(exit === 0 || exit === 75, err);
  assert.ok(both.some(({ exit }) => exit === 0));
  works("twice");
});

/** Runs `sesame` with a passphrase on descriptor 3. */
function withPassphrase(args: readonly string[], env = {}): Ran {
  const path = join(home.path, "lines");
  writeFileSync(path, "open, please\n", { mode: 0o600 });
  const fd = openSync(path, "r");
  try {
    const { status, stdout, stderr } = spawnSync("setsid", ["--wait", SESAME, ...args], {
      env: { ...home.env, SESAME_KEY_FD: "3", ...env },
      cwd: home.path,
      stdio: ["ignore", "pipe", "pipe", fd],
      encoding: "utf8",
      timeout: 60_000,
    });
    return { exit: status ?? -1, out: stdout, err: stderr };
  } finally {
    closeSync(fd);
  }
}

test("[ENROL-32] keys under a passphrase stay under it", () => {
  // SECURITY: new keys would lie in the open because the old ones did not.
  comeIn("locked");
  assert.equal(withPassphrase(["--as", "locked", "key", "protect"]).exit, 0);
  const present = readFileSync(keyFile("locked"));
  const { exit, err } = withPassphrase(["--as", "locked", "agent", "rotate"]);
  assert.equal(exit, 0, err);
  assert.notDeepEqual(readFileSync(keyFile("locked")), present);
  assert.equal(protectionOf(suite, keyFile("locked")), "passphrase");
  assert.match(withPassphrase(["--as", "locked", "secret", "list"]).out, /api\/key/);
});

test("[ENROL-32] keys that somebody has put in the place of new ones are not signed", () => {
  // SECURITY: who writes files and cannot read a protected one would take the identity over.
  comeIn("guarded");
  assert.equal(withPassphrase(["--as", "guarded", "key", "protect"]).exit, 0);
  const next = `${keyFile("guarded")}.next`;
  createKeyFile(suite, next);
  const present = readFileSync(keyFile("guarded"));
  const { exit, err } = withPassphrase(["--as", "guarded", "agent", "rotate"]);
  assert.equal(exit, 76, err);
  assert.match(err, /remove it/);
  assert.deepEqual(readFileSync(keyFile("guarded")), present);
  rmSync(next);
  assert.equal(withPassphrase(["--as", "guarded", "agent", "rotate"]).exit, 0);
});

test("[ENROL-19] [KEYS-14] a damaged file in the place of new keys keeps no rotation from going on", () => {
  comeIn("hurt");
  writeFileSync(`${keyFile("hurt")}.next`, "damaged", { mode: 0o600 });
  const { exit, err } = rotate("hurt");
  assert.equal(exit, 0, err);
  works("hurt");
  const left = readdirSync(home.paths.keys).filter((name) => name.startsWith("hurt.key.next"));
  assert.equal(left.length, 1, "it is moved aside, and not deleted");
});

test(
  "[ENROL-32] a signing key in an ssh-agent certifies, and stays or is exchanged",
  { skip: NO_AGENT },
  async () => {
    // SECURITY: a rotation that takes the seed out of the agent would put it into a file.
    const env = { SSH_AUTH_SOCK: join(home.path, "agent.sock") };
    const agent = spawn("ssh-agent", ["-D", "-a", env.SSH_AUTH_SOCK], { stdio: "ignore" });
    try {
      await eventually("the agent serves", () => existsSync(env.SSH_AUTH_SOCK));
      const signer = (name: string): string => {
        const path = join(home.path, name);
        execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path]);
        execFileSync("ssh-add", ["-q", path], { env: { ...process.env, ...env } });
        const shown = execFileSync("ssh-keygen", ["-l", "-f", path], { encoding: "utf8" });
        return `ssh-agent:${shown.split(" ")[1] ?? ""}`;
      };
      const flags = ["--token-file", join(home.path, "token"), "--signer", signer("one")];
      const run = (...args: string[]): void => {
        const { exit, err } = home.run(args, "", env);
        assert.equal(exit, 0, err);
      };
      run("agent", "enroll", "--name", "signs", ...flags);
      const keys = (): { noiseKey: string; signingKey: string } =>
        home.json(["agent", "show", "signs"]) as never;
      const first = keys();
      run("--as", "signs", "agent", "rotate");
      const second = keys();
      assert.notEqual(second.noiseKey, first.noiseKey);
      assert.equal(second.signingKey, first.signingKey);
      run("--as", "signs", "agent", "rotate", "--signer", signer("two"));
      assert.notEqual(keys().signingKey, first.signingKey);
      works("signs");
      // Without the agent nothing is certified, and nothing lost.
      assert.notEqual(home.run(["--as", "signs", "agent", "rotate"]).exit, 0);
      works("signs");
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
  },
);
