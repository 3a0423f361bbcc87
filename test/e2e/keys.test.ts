import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { keyFileOf, protectionOf } from "@sesame/core-ipc/daemon";
import { python, withoutModules } from "../helpers/debian-python.ts";
import { Home, PASSWORD, SESAME, type Ran } from "../helpers/home.ts";
import { onTerminal } from "../helpers/terminal.ts";

const PASSPHRASE = "open, please";
const DENIED = 77;
const NO_PYTHON = withoutModules("cryptography");

let home: Home;

before(async () => {
  home = await Home.ready();
  home.must(["secret", "set", "api/key"], "a value");
});

after(async () => home[Symbol.asyncDispose]());

const keyFile = (name: string): string => keyFileOf(home.paths, name);

/** Runs `sesame` without a terminal, with lines on descriptor 3. */
function withLines(lines: string, args: readonly string[], input = "", more = {}): Ran {
  const path = join(home.path, "lines");
  writeFileSync(path, lines, { mode: 0o600 });
  const fd = openSync(path, "r");
  try {
    const { status, stdout, stderr } = spawnSync("setsid", ["--wait", SESAME, ...args], {
      env: { ...home.env, SESAME_KEY_FD: "3", ...more },
      cwd: home.path,
      input,
      stdio: ["pipe", "pipe", "pipe", fd],
      encoding: "utf8",
      timeout: 60_000,
    });
    return { exit: status ?? -1, out: stdout, err: stderr };
  } finally {
    closeSync(fd);
  }
}

test("[KEYS-5] a passphrase is typed unseen, also where stdin carries a value", async () => {
  // SECURITY: a passphrase on the screen or in the process list is everybody's.
  const typed = `${PASSPHRASE}\r`;
  const options = { env: home.env, cwd: home.path };
  const made = await onTerminal([SESAME, "key", "protect"], options, [
    ["New passphrase for the keys of operator: ", typed],
    ["The same again: ", typed],
  ]);
  assert.equal(made.exit, 0, made.shown);
  assert.equal(protectionOf(suite, keyFile("operator")), "passphrase");
  const shell = `printf piped | "$0" secret set from/pipe && "$0" secret get from/pipe`;
  const used = await onTerminal(["/bin/sh", "-c", shell, SESAME], options, [
    ["Passphrase of the keys of operator: ", typed],
    ["Passphrase of the keys of operator: ", typed],
  ]);
  assert.equal(used.exit, 0, used.shown);
  assert.match(used.shown, /piped\s*$/);
  for (const { shown, echo } of [made, used]) {
    assert.ok(!shown.includes(PASSPHRASE));
    assert.deepEqual(echo.slice(0, 2), [false, false]);
  }
});

test("[KEYS-5] or comes from a descriptor, which no child inherits", () => {
  // SECURITY: a program that gets one secret would read the passphrase to all of them.
  const reads = `cat /proc/self/fd/3 || echo gone; ls /proc/$$/fd`;
  const ran = withLines(`${PASSPHRASE}\nmore\n`, ["env", "--", "sh", "-c", reads]);
  assert.equal(ran.exit, 0, ran.err);
  assert.match(ran.out, /^gone\n/);
  assert.ok(!`${ran.out}${ran.err}`.includes("more"));
  assert.equal(withLines(PASSPHRASE, ["secret", "get", "api/key"]).out, "a value");
});

test("[KEYS-5] without a terminal or a descriptor nothing is guessed, and the remedy is named", () => {
  const get = ["secret", "get", "api/key"];
  for (const [lines, more, exit, hint] of [
    ["wrong", {}, DENIED, /try again/],
    ["", {}, 65, /empty one is refused/],
    ["\n", {}, 65, /empty one is refused/],
    [PASSPHRASE, { SESAME_KEY_FD: "77" }, 64, /open descriptor/],
    [PASSPHRASE, { SESAME_KEY_FD: PASSPHRASE }, 64, /open descriptor/],
    [PASSPHRASE, { SESAME_KEY_FD: "" }, 64, /open descriptor/],
  ] as const) {
    const ran = withLines(lines, get, "", more);
    assert.equal(ran.exit, exit, ran.err);
    assert.match(ran.err, hint);
    assert.equal(ran.out, "");
    assert.ok(!ran.err.includes(PASSPHRASE));
  }
  const { SESAME_KEY_FD: none, ...env } = { ...home.env, SESAME_KEY_FD: "" };
  assert.equal(none, "");
  const lost = spawnSync("setsid", ["--wait", SESAME, ...get], {
    env,
    input: "",
    encoding: "utf8",
  });
  assert.equal(lost.status, 69, lost.stderr);
  assert.match(lost.stderr, /no terminal.*\n.*SESAME_KEY_FD=3/);
});

test("a passphrase can be changed and removed; each is safe to run again", () => {
  const file = readFileSync(keyFile("operator"));
  assert.match(withLines("", ["key", "protect"]).out, /already/);
  assert.deepEqual(readFileSync(keyFile("operator")), file);
  assert.equal(withLines(`wrong\nnext\n`, ["key", "protect", "--change"]).exit, DENIED);
  assert.deepEqual(readFileSync(keyFile("operator")), file);
  assert.equal(withLines(`${PASSPHRASE}\nnext\n`, ["key", "protect", "--change"]).exit, 0);
  assert.equal(withLines(PASSPHRASE, ["status"]).exit, DENIED);
  assert.equal(withLines("next", ["doctor"]).err.includes("passphrase"), false);
  assert.deepEqual(JSON.parse(withLines("next", ["key", "unprotect", "--json"]).out), {
    name: "operator",
    changed: true,
  });
  assert.equal(home.must(["secret", "get", "api/key"]), "a value");
  assert.match(home.must(["key", "unprotect"]), /No passphrase protects/);
});

test("[KEYS-6] daemons' keys take no passphrase", () => {
  for (const name of ["daemon-profile", "daemon-secrets"]) {
    const ran = withLines(PASSPHRASE, ["--as", name, "key", "protect"]);
    assert.equal(ran.exit, 64, ran.err);
    assert.equal(protectionOf(suite, keyFile(name)), "none");
  }
});

test("an agent's keys take one, and it is asked for once to enrol", () => {
  const enroll = ["agent", "enroll", "--name", "ci", "--kind", "ai"];
  home.must(enroll);
  assert.equal(withLines(PASSPHRASE, ["--as", "ci", "key", "protect"]).exit, 0);
  assert.match(withLines(PASSPHRASE, enroll).out, /ci waits/);
  home.must(["agent", "reject", "ci"]);
});

test(
  "[KEYS-9] a key of another program becomes an agent's, once it is let in",
  { skip: NO_PYTHON },
  () => {
    const path = join(home.path, "foreign.json");
    const program = `
import base64, hashlib, json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
salt, nonce = b"s" * 32, b"n" * 12
key = hashlib.pbkdf2_hmac("sha256", sys.argv[1].encode(), salt, 600000, 32)
text = lambda given: base64.b64encode(given).decode()
print(json.dumps({"kdf": "PBKDF2-HMAC-SHA256", "iterations": 600000, "salt": text(salt),
  "cipher": "AES-256-GCM", "nonce": text(nonce),
  "ciphertext": text(AESGCM(key).encrypt(nonce, b"k" * 32, None))}))`;
    const made = python(["-c", program, PASSPHRASE]);
    assert.equal(made.exit, 0, made.err);
    writeFileSync(path, made.out);
    const take = ["key", "import", path, "--name", "old-hand"];
    assert.equal(withLines("wrong", take).exit, DENIED);
    const taken = JSON.parse(withLines(PASSPHRASE, [...take, "--json"]).out) as {
      changed: boolean;
      signingKey: string;
    };
    assert.equal(taken.changed, true);
    const key = suite.ed25519PublicKey(Buffer.alloc(32, "k"));
    assert.equal(taken.signingKey, Buffer.from(key).toString("hex"));
    assert.match(withLines(PASSPHRASE, take).out, /already/);
    assert.equal(withLines(PASSPHRASE, ["--as", "old-hand", "secret", "list"]).exit, DENIED);
    const enroll = ["agent", "enroll", "--name", "old-hand", "--kind", "ai"];
    assert.equal(withLines(PASSPHRASE, enroll).exit, 0);
    home.must(["agent", "approve", "old-hand"], `${PASSWORD}\n`);
    assert.match(withLines(PASSPHRASE, ["--as", "old-hand", "secret", "list"]).out, /api\/key/);
    assert.equal(withLines(PASSPHRASE, ["key", "import", path, "--name", "operator"]).exit, 73);
  },
);

test("what is signed with protected keys asks for the passphrase once", () => {
  assert.equal(withLines(PASSPHRASE, ["key", "protect"]).exit, 0);
  const exported = withLines(PASSPHRASE, ["audit", "export"]);
  assert.equal(exported.exit, 0, exported.err);
  assert.match(exported.out, /"payloadType"/);
  const given = ["grant", "create", "--to", "old-hand", "--scope", "secret-list"];
  const made = withLines(PASSPHRASE, NO_PYTHON === false ? given : ["status"]);
  assert.equal(made.exit, 0, made.err);
  assert.equal(withLines(PASSPHRASE, ["key", "unprotect"]).exit, 0);
});

test("[KEYS-1] a key directory that others may enter is refused with the remedy", () => {
  chmodSync(home.paths.keys, 0o755);
  const ran = home.run(["secret", "get", "api/key"]);
  chmodSync(home.paths.keys, 0o700);
  assert.equal(ran.exit, 78, ran.err);
  assert.match(ran.err, /chmod 700 .*keys/);
});
