import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { enrolmentProof, loadInstallation, signWith } from "@sesame/core-ipc/daemon";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD, type Ran } from "../helpers/home.ts";

// A real ssh-agent holds the signing key.

const NO_AGENT =
  process.env["CI"] !== "true" &&
  spawnSync("ssh-keygen", ["-?"]).error !== undefined &&
  "there is no openssh-client";

let home: Home;
let agent: ChildProcess;
let env: { readonly SSH_AUTH_SOCK: string };

before(async () => {
  if (NO_AGENT !== false) return;
  home = await Home.ready();
  home.must(["secret", "set", "api/key"], "a value");
  env = { SSH_AUTH_SOCK: join(home.path, "agent.sock") };
  agent = spawn("ssh-agent", ["-D", "-a", env.SSH_AUTH_SOCK], { stdio: "ignore" });
  await eventually("the agent serves", () => existsSync(env.SSH_AUTH_SOCK));
});

after(async () => {
  if (NO_AGENT !== false) return;
  agent.kill();
  await once(agent, "exit");
  await home[Symbol.asyncDispose]();
});

const DENIED = 77;
const path = (name: string): string => join(home.path, name);

/** Makes a key and gives it to the agent; its fingerprint. */
function newKey(name: string, type = "ed25519"): string {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", name, "-f", path(name)]);
  execFileSync("ssh-add", ["-q", path(name)], { env: { ...process.env, ...env } });
  const shown = execFileSync("ssh-keygen", ["-l", "-f", path(name)], { encoding: "utf8" });
  return shown.split(" ")[1] ?? "";
}

/** The Ed25519 key in a line of a `.pub` file. RFC 8709 §4 */
function publicKeyOf(name: string): Buffer {
  const [, blob = ""] = readFileSync(path(`${name}.pub`), "utf8").split(" ");
  return Buffer.from(blob, "base64").subarray(-32);
}

const enroll = (name: string, signer: string, more = {}): Ran =>
  home.run(["agent", "enroll", "--name", name, "--kind", "ai", "--signer", signer], "", {
    ...env,
    ...more,
  });

test(
  "[KEYS-10] an identity is let in whose signing key never leaves the agent",
  { skip: NO_AGENT },
  () => {
    const fingerprint = newKey("mine");
    const asked = enroll("signer", `ssh-agent:${fingerprint}`);
    assert.equal(asked.exit, 0, asked.err);
    assert.match(enroll("signer", `ssh-agent:${fingerprint}`).out, /signer waits/);
    home.must(["agent", "approve", "signer"], `${PASSWORD}\n`);
    const record = loadInstallation(suite, home.paths.installation);
    const enrolled = record?.identities.find(({ name }) => name === "signer");
    assert.deepEqual(Buffer.from(enrolled?.signingKey ?? []), publicKeyOf("mine"));
    // Connecting takes the keys in the file alone.
    assert.match(home.must(["--as", "signer", "secret", "list"]), /api\/key/);
    // What it hands on, the agent signs.
    home.must(["agent", "enroll", "--name", "helper", "--kind", "ai"]);
    home.must(["agent", "approve", "helper"], `${PASSWORD}\n`);
    home.must(["grant", "create", "--to", "signer", "--scope", "secret-list+1"]);
    const { grants } = home.json(["--as", "signer", "grant", "list"]) as {
      grants: { id: string }[];
    };
    const parent = ["--parent", grants[0]?.id ?? ""];
    const hand = ["--as", "signer", "grant", "create", "--to", "helper", "--scope", "secret-list"];
    assert.equal(home.run([...hand, ...parent]).exit, 69);
    const handed = home.run([...hand, ...parent], "", env);
    assert.equal(handed.exit, 0, handed.err);
    assert.equal(enroll("signer", `ssh-agent:${newKey("other")}`).exit, 73);
  },
);

test(
  "[KEYS-13] without the agent or its key nothing is signed, and the remedy is named",
  { skip: NO_AGENT },
  () => {
    // SECURITY: an enrolment without the proof would give the thief of a key file a signing key.
    const unknown = `ssh-agent:SHA256:${"A".repeat(43)}`;
    for (const [signer, more, exit, said] of [
      [unknown, {}, 66, /has no key SHA256:A/],
      [unknown, { SSH_AUTH_SOCK: "" }, 69, /SSH_AUTH_SOCK is not set/],
      [unknown, { SSH_AUTH_SOCK: path("nothing") }, 69, /does not answer/],
      [`ssh-agent:${newKey("ecdsa", "ecdsa")}`, {}, 65, /no plain Ed25519 key/],
      ["ssh-agent:mine", {}, 64, /ssh-add -l/],
    ] as const) {
      const ran = enroll("nobody", signer, more);
      assert.equal(ran.exit, exit, ran.err);
      assert.match(ran.err, said);
    }
    const fingerprint = newKey("passing");
    assert.equal(enroll("passing", `ssh-agent:${fingerprint}`).exit, 0);
    home.must(["agent", "reject", "passing"]);
    execFileSync("ssh-add", ["-q", "-d", path("passing")], { env: { ...process.env, ...env } });
    const removed = enroll("passing", `ssh-agent:${fingerprint}`);
    assert.equal(removed.exit, DENIED, removed.err);
    assert.match(removed.err, /does not sign with SHA256/);
  },
);

test(
  "[KEYS-11] no statement of ours is a login or a signed file, and the other way round",
  { skip: NO_AGENT },
  async () => {
    // SECURITY: an agent signs what it is given: a statement that could be read as a login would open
    // machines, and a login that could be read as a statement would let somebody in here.
    newKey("both");
    const signingKey = publicKeyOf("both");
    const statement = enrolmentProof(new Uint8Array(16), {
      name: "ci",
      kind: "ai",
      clearance: "internal",
      wants: "",
      sealingKey: new Uint8Array(32),
      signingKey,
      noiseKey: new Uint8Array(32),
    });
    const keys = { signingSeed: null, signingKey };
    const signature = await signWith(suite, keys, statement, env.SSH_AUTH_SOCK);
    assert.ok(suite.ed25519Verify(signingKey, statement, signature));
    for (const start of ["sesame ", "DSSEv1 "]) {
      const bytes = Buffer.from(start);
      // RFC 4252 §7: string session identifier, a hash, comes first.
      assert.ok(bytes.readUInt32BE(0) > 256 * 1024, start);
      assert.ok(!bytes.subarray(0, 6).equals(Buffer.from("SSHSIG")));
    }
    assert.ok(Buffer.from(statement).toString("latin1").startsWith("sesame "));
    writeFileSync(path("file"), statement);
    execFileSync(
      "ssh-keygen",
      ["-q", "-Y", "sign", "-n", "file", "-f", path("both.pub"), path("file")],
      {
        env: { ...process.env, ...env },
      },
    );
    const armoured = readFileSync(path("file.sig"), "utf8").replaceAll(/-----[^-]*-----|\s/g, "");
    const foreign = Buffer.from(armoured, "base64").subarray(-64);
    assert.ok(!suite.ed25519Verify(signingKey, statement, foreign));
  },
);
