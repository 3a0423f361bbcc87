import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BusClient } from "@sesame/core-ipc/client";
import { totpCode, totpStep } from "@sesame/core-crypto/totp";
import { Denial, type DenialCode } from "@sesame/core-types";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD, SESAME } from "../helpers/home.ts";
import { onTerminal } from "../helpers/terminal.ts";

const PROD = { profile: "default", name: "prod/db" };
const profile = "default";
const DENIED = 77;
const CODES = {
  name: "codes",
  what: { capabilities: ["secret-read"], secrets: ["prod/**"] },
  demand: { totp: true },
};

let home: Home;
let operator: BusClient;
let secret: Buffer;
let lastStep = 0;

before(async () => {
  home = await Home.ready();
  home.must(["secret", "set", "prod/db"], "prod value");
  home.must(["secret", "set", "dev/db"], "dev value");
  operator = await home.connect();
});

after(async () => {
  await operator.close();
  await home[Symbol.asyncDispose]();
});

const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

function ofBase32(text: string): Buffer {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...text].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0"));
  return Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

/** A code that was not used yet: the next step's is good already. */
async function fresh(): Promise<string> {
  const step = await eventually(
    "a step whose code was not used",
    () => [0, 1].map((ahead) => totpStep(Date.now()) + ahead).find((one) => one > lastStep),
    70_000,
  );
  lastStep = step;
  return totpCode(secret, step);
}

function installRules(rules: readonly object[]): void {
  writeFileSync(join(home.path, "rules.json"), JSON.stringify({ mode: "enforce", rules }));
  const out = join(home.path, "policy.json");
  home.must(["policy", "sign", join(home.path, "rules.json"), "--out", out], `${PASSWORD}\n`);
  home.must(["policy", "install", out]);
}

const give = (bus: BusClient, code: string): Promise<unknown> =>
  bus.call("totp.verify", { profile, code: Buffer.from(code) });

async function read(bus: BusClient): Promise<string> {
  return Buffer.from((await bus.call("secret.get", PROD)).value).toString();
}

test("[TOTP-3] codes come into force with a first code, and are replaced with one", async () => {
  // SECURITY: who drives the operator's shell would set up codes of its own in their place.
  const { uri } = home.json(["totp", "enroll"]) as { uri: string };
  secret = ofBase32(/secret=([A-Z2-7]{32})&/.exec(uri)?.[1] ?? "");
  assert.equal(secret.length, 20);
  await assert.rejects(
    give(operator, totpCode(secret, totpStep(Date.now()))),
    denial("totp-rejected"),
  );
  const confirm = (code: string): number => home.run(["totp", "confirm"], `${code}\n`).exit;
  await eventually("the wait after a wrong code", () => confirm("000000") === DENIED);
  await eventually("the wait after two", () => {
    lastStep = totpStep(Date.now());
    return confirm(totpCode(secret, lastStep)) === 0;
  });
  const again = home.run(["totp", "enroll"]);
  assert.equal(again.exit, DENIED);
  assert.match(again.err, /one-time code/);
  assert.equal(home.run(["secret", "get", ".sesame/totp"]).exit, 65);
});

test("[TOTP-5] a rule's secret takes a code, on this connection, also from the operator", async () => {
  // SECURITY: a program that reads the operator's key file would read every secret.
  installRules([CODES]);
  await assert.rejects(read(operator), denial("totp-needed"));
  const cli = home.run(["secret", "get", "prod/db"]);
  assert.equal(cli.exit, DENIED);
  assert.match(cli.err, /one-time code of profile default/);
  assert.equal(home.must(["secret", "get", "dev/db"]), "dev value");
  const all = { profile, names: null };
  await assert.rejects(operator.call("secret.fetch", all), denial("totp-needed"));
  await give(operator, await fresh());
  assert.equal(await read(operator), "prod value");
  const other = await home.connect();
  await assert.rejects(read(other), denial("totp-needed"));
  await other.close();
});

test("[TOTP-5] a rule demands codes for what changes, is approved or is read elsewhere, too", async () => {
  // SECURITY: who may not read without a code would write, approve or read the log instead.
  const capabilities = ["secret-write", "secret-delete", "secret-list", "admin", "audit-read"];
  installRules([{ name: "codes", what: { capabilities }, demand: { totp: true } }]);
  const bus = await home.connect();
  const attempts = [
    () => bus.call("secret.set", { profile, name: "new", value: Buffer.from("new") }),
    () => bus.call("secret.list", { profile }),
    () => bus.call("approval.list", {}),
    () => bus.call("agent.list", {}),
    () => bus.call("audit.files", {}),
    () => bus.call("secret.delete", { profile, name: "new" }),
  ];
  for (const attempt of attempts) await assert.rejects(attempt(), denial("totp-needed"));
  await give(bus, await fresh());
  for (const attempt of attempts) await attempt();
  // Reading is no part of the rule; who has no code can still lock, look, and change the policy.
  assert.equal(await read(operator), "prod value");
  home.must(["status"]);
  home.must(["policy", "show"]);
  await bus.call("vault.lock", { profile: null });
  await assert.rejects(bus.call("audit.files", {}), denial("totp-missing"));
  await bus.close();
  home.must(["unlock"], `${PASSWORD}\n`);
  const typed = await fresh();
  const session = await onTerminal([SESAME, "secret", "list"], { env: home.env, cwd: home.path }, [
    ["One-time code of profile default", `${typed}\r`],
  ]);
  assert.equal(session.exit, 0, session.shown);
  assert.match(session.shown, /prod\/db/);
  assert.ok(!session.shown.includes(typed));
  installRules([CODES]);
});

test("[TOTP-2] a code that was used is refused, also after a restart", async () => {
  // SECURITY: who looks over a shoulder would use the code again within its minute.
  const code = await fresh();
  await give(operator, code);
  assert.equal(await read(operator), "prod value");
  const other = await home.connect();
  await assert.rejects(give(other, code), denial("totp-rejected"));
  await other.close();
  await operator.close();
  home.must(["daemon", "stop"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  operator = await home.connect();
  await assert.rejects(read(operator), denial("totp-needed"));
  await eventually("a refusal after the wait of before the restart", async () => {
    const cause: unknown = await give(operator, code).catch((denied: unknown) => denied);
    assert.ok(cause instanceof Denial);
    if (cause.code === "throttled") return false;
    assert.equal(cause.code, "totp-rejected");
    return true;
  });
});

test("[TOTP-4] wrong codes make the next try wait", async () => {
  // SECURITY: a million codes are few for a program.
  for (let wrong = 0; ; wrong++) {
    assert.ok(wrong < 3, "no wait after three wrong codes");
    const cause: unknown = await give(operator, "000000").catch((denied: unknown) => denied);
    if (denial("throttled")(cause)) break;
    assert.ok(denial("totp-rejected")(cause), String(cause));
  }
  await operator.call("vault.lock", { profile: null });
  await assert.rejects(give(operator, "000000"), denial("vault-locked"));
});
