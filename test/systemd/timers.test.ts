import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { eventually } from "../helpers/eventually.ts";
import { PASSWORD, type Ran } from "../helpers/home.ts";
import { Machine, type As } from "../helpers/machine.ts";

// The units of docs/OPERATIONS.md, as they stand there, under a really booted systemd.

const UID = 4242;
const HOME = "/home/user";
const FOLDER = `${HOME}/.config/systemd/user`;
const KEYS = `${HOME}/.config/pds/keys`;
const OPERATIONS = new URL("../../docs/OPERATIONS.md", import.meta.url);
const AS: As = { uid: UID, env: { HOME, XDG_RUNTIME_DIR: `/run/user/${UID}` } };
/** Now instead of at night. */
const AT_ONCE = `[Timer]
OnCalendar=
OnActiveSec=0
RandomizedDelaySec=0
AccuracySec=1ms
`;

const booted = await Machine.boot(UID);
const skip = typeof booted === "string" ? booted : false;
after(async () => {
  if (typeof booted !== "string") await booted.stop();
});

function machine(): Machine {
  if (typeof booted === "string") throw new Error(booted);
  return booted;
}

const must = (argv: readonly string[], input = ""): Promise<string> =>
  machine().must(argv, { ...AS, input });
const sesame = (args: readonly string[], input = ""): Promise<string> =>
  must(["sesame", ...args], input);
const systemctl = (...args: string[]): Promise<string> => must(["systemctl", "--user", ...args]);
const show = (unit: string, property: string): Promise<string> =>
  systemctl("show", `--property=${property}`, "--value", unit);
const write = (path: string, text: string): Promise<string> =>
  must(["sh", "-c", 'mkdir -p "$(dirname "$1")"; umask 077; cat >"$1"', "sh", path], text);

/** Files that stand under their path in the document. */
function documented(): ReadonlyMap<string, string> {
  const text = readFileSync(OPERATIONS, "utf8");
  const blocks = [...text.matchAll(/^```ini\n([^]*?)^```$/gm)].map(([, block]) => block ?? "");
  const files = blocks.flatMap((block) => block.split(/^# ~\/\.config\/systemd\/user\//m).slice(1));
  return new Map(files.map((file) => [file.split("\n")[0] ?? "", file]));
}

/** Lets a timer start its service; resolves with what that has written. */
async function elapse(unit: string): Promise<string> {
  const service = `${unit}.service`;
  const before = await show(service, "InvocationID");
  await systemctl("restart", `${unit}.timer`);
  await eventually(`${service} has ended`, async () => {
    const again = (await show(service, "InvocationID")) !== before;
    return again && ["inactive", "failed"].includes(await show(service, "ActiveState"));
  });
  await machine().must(["journalctl", "--sync"]);
  const id = await show(service, "InvocationID");
  const said = await machine().must([
    "journalctl",
    "-o",
    "cat",
    `_SYSTEMD_INVOCATION_ID=${id}`,
    "+",
    `USER_INVOCATION_ID=${id}`,
  ]);
  assert.equal(await show(service, "Result"), "success", said);
  return said;
}

const keyOf = async (path: string): Promise<string> =>
  machine().must(["sha256sum", `${KEYS}/${path}`]);
const works = async (): Promise<Ran> =>
  machine().run(["sesame", "--as", "ci", "secret", "list"], AS);

/** Has the record say that all keys are so old, and the daemons read it. */
async function age(days: number): Promise<void> {
  await must(["node", "/opt/sesame/test/helpers/age-keys-main.ts", String(days)]);
  await sesame(["record", "renew"], `${PASSWORD}\n`);
}

test("systemd boots where it has to", { skip: process.env["CI"] !== "true" && skip }, () => {
  assert.equal(skip, false);
});

describe("the timers of the manual", { skip }, () => {
  test("they are files that systemd takes", async () => {
    await must(["mkdir", "-p", `${HOME}/.local/bin`]);
    await must(["ln", "-s", "/opt/sesame/packages/cli/bin/sesame", `${HOME}/.local/bin/sesame`]);
    const files = documented();
    assert.deepEqual(
      [...files.keys()],
      [
        "sesame-rotate@.service",
        "sesame-rotate@.timer",
        "sesame-keys.service",
        "sesame-keys.timer",
      ],
    );
    for (const [name, text] of files)
      await write(`${FOLDER}/${name}`, text.replace("/path/to/the/password", `${HOME}/root`));
    await write(`${HOME}/root`, `${PASSWORD}\n`);
    await systemctl("daemon-reload");
    // As the manual says, with its own times.
    await systemctl("enable", "--now", "sesame-rotate@ci.timer", "sesame-keys.timer");
    for (const timer of ["sesame-rotate@ci.timer", "sesame-keys.timer"]) {
      assert.equal(await show(timer, "ActiveState"), "active");
      assert.notEqual(await show(timer, "NextElapseUSecRealtime"), "", timer);
      await write(`${FOLDER}/${timer}.d/now.conf`, AT_ONCE);
    }
    await systemctl("daemon-reload");
  });

  test("[ENROL-32] an agent's keys are replaced once they are old, and left alone before and after", async () => {
    await sesame(["daemon", "install"]);
    await sesame(["init"], `${PASSWORD}\n`);
    await sesame(["secret", "set", "api-token"], "t0ken");
    await sesame(["agent", "enroll", "--name", "ci", "--kind", "ai"]);
    await sesame(["agent", "approve", "ci"], `${PASSWORD}\n`);
    const young = await keyOf("ci.key");
    assert.match(await elapse("sesame-rotate@ci"), /younger/);
    assert.equal(await keyOf("ci.key"), young);
    await age(31);
    assert.match(await elapse("sesame-rotate@ci"), /ci has new keys/);
    const next = await keyOf("ci.key");
    assert.notEqual(next, young);
    assert.match((await works()).out, /api-token/);
    assert.match(await elapse("sesame-rotate@ci"), /younger/);
    assert.equal(await keyOf("ci.key"), next);
  });

  test("[KEYS-18] so are those of the daemons, and nothing is interrupted", async () => {
    const keys = (): Promise<string> => must(["find", `${KEYS}/daemon-secrets`, "-name", "*.key"]);
    const young = await keys();
    assert.match(await elapse("sesame-keys"), /younger/);
    assert.equal(await keys(), young);
    await age(91);
    assert.match(await elapse("sesame-keys"), /New keys for daemon-/);
    const next = await keys();
    assert.notEqual(next, young);
    assert.match((await works()).out, /api-token/);
    assert.match(await elapse("sesame-keys"), /younger/);
    assert.equal(await keys(), next);
  });
});
