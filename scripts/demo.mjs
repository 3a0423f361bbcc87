// The main job on real daemons in a throw-away home: prints what a user would type and see, and
// fails if any step does not do what it says.
import { spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../node_modules/.bin", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "sesame-demo-"));
const runtime = join(home, "run");
mkdirSync(runtime, { mode: 0o700 });

const env = {
  PATH: `${bin}:${process.env.PATH}`,
  HOME: home,
  XDG_RUNTIME_DIR: runtime,
  LANG: "C.UTF-8",
  TERM: "dumb",
};

let failures = 0;

/**
 * Runs one command line and shows it.
 *
 * @param line what a user types
 * @param expected exit code, and texts that the output has or lacks
 */
function step(line, { exit = 0, has = [], lacks = [], input = "" } = {}) {
  console.log(`$ ${line}`);
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", line], {
    env,
    input,
    cwd: home,
    encoding: "utf8",
    timeout: 30_000,
  });
  const output = stdout + stderr;
  process.stdout.write(output === "" || output.endsWith("\n") ? output : `${output}\n`);
  const wrong = [
    ...(status === exit ? [] : [`exit code ${status} instead of ${exit}`]),
    ...has.filter((text) => !output.includes(text)).map((text) => `no "${text}" in the output`),
    ...lacks.filter((text) => output.includes(text)).map((text) => `"${text}" in the output`),
  ];
  for (const what of wrong) console.log(`!! ${what}`);
  failures += wrong.length;
  console.log();
}

const say = (text) => console.log(`# ${text}`);

try {
  say(
    "Set up: keys, a signed installation record, the default vault. Daemons start by themselves.",
  );
  step("printf 'correct horse\\n' | sesame init", { has: ["is ready"] });
  say("Running it again is safe.");
  step("sesame init </dev/null", { has: ["nothing was changed"] });

  say(
    "A second profile with a vault of its own. Values come from stdin, never from the command line.",
  );
  step("printf 'battery staple\\n' | sesame profile create work", { has: ["is made"] });
  step("printf 'AKIAEXAMPLE' | sesame secret set -p work aws-access-key-id", {
    has: ["version 1"],
  });
  step(
    "printf 's3cr3t/with \"quotes\" & $dollars' | sesame secret set -p work aws-secret-access-key",
    {
      has: ["version 1"],
    },
  );
  step("sesame secret list -p work", { has: ["aws-secret-access-key"], lacks: ["s3cr3t"] });

  say("The everyday job: a program with the secrets in its environment.");
  step(`sesame env -p work -- sh -c 'echo "id=$AWS_ACCESS_KEY_ID secret=$AWS_SECRET_ACCESS_KEY"'`, {
    has: ['id=AKIAEXAMPLE secret=s3cr3t/with "quotes" & $dollars'],
  });
  step("sesame env -p work -- sh -c 'exit 42'", { exit: 42 });

  say(
    "The same request without the operator's key: an unregistered client may ask for the status only.",
  );
  step("mv .config/pds/keys/operator.key operator.key");
  step("sesame status", { has: ["unregistered"], lacks: ["work"] });
  step("sesame secret get -p work aws-access-key-id", {
    exit: 77,
    has: ["not cleared"],
    lacks: ["AKIA"],
  });
  step("mv operator.key .config/pds/keys/operator.key");

  say("Everything is on record; the log holds neither values nor names.");
  step("sesame audit tail -n 5", {
    has: ["secret.fetch", "refused:clearance-too-low"],
    lacks: ["AKIA", "aws-access"],
  });
  step("sesame audit verify", { has: ["OK", "matches"] });

  say("A locked vault is ciphertext.");
  step("sesame lock", { has: ["work is locked"] });
  step("sesame env -p work -- true", { exit: 79, has: ["locked", "sesame unlock -p work"] });
  step("printf 'wrong\\n' | sesame unlock -p work", { exit: 77, has: ["wrong password"] });
  step("grep -rlE 'AKIAEXAMPLE|s3cr3t|aws-access' .config .local || echo 'no plaintext on disk'", {
    has: ["no plaintext on disk"],
  });
  step("sesame daemon stop", { has: ["Stopped"] });
} finally {
  spawnSync(join(bin, "sesame"), ["daemon", "stop"], { env, stdio: "ignore" });
  rmSync(home, { recursive: true, force: true });
}

console.log(failures === 0 ? "Every step did what it says." : `${failures} expectations failed.`);
process.exitCode = failures === 0 ? 0 : 1;
