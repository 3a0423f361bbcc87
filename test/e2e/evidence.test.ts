import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { AuditEntry } from "@sesame/core-audit";
import { Denial } from "@sesame/core-types";
import { auditEntries } from "../helpers/audit-log.ts";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

// The programs are copies of the Node that runs the command; one runs it as another does.

const COMMAND = fileURLToPath(new URL("../../packages/cli/dist/sesame.cjs", import.meta.url));
const NODE = realpathSync(process.execPath);

let home: Home;
let deploy: string;

before(async () => {
  home = await Home.ready([{ name: "ci", clearance: "secrets-only", capabilities: [] }]);
  home.must(["secret", "set", "ci/token"], "the token");
  deploy = join(realpathSync(home.path), "deploy");
  copyFileSync(NODE, deploy);
  const scope = "secret-read:ci/*";
  home.must(["grant", "create", "--to", "ci", "--scope", scope, "--exe", deploy, "--ttl", "1h"]);
});

after(() => home[Symbol.asyncDispose]());

const digest = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** What `ci` gets by a program; empty if it is refused. */
function got(program: string): string {
  const args = [
    "--no-warnings",
    COMMAND,
    "--as",
    "ci",
    "secret",
    "get",
    "ci/token",
    "-p",
    "default",
  ];
  const { stdout, stderr, status } = spawnSync(program, args, {
    env: home.env,
    cwd: home.path,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status === 0, stdout !== "", stderr);
  return stdout;
}

/** The last entry of an action of somebody. */
async function lastOf(name: string, action: string): Promise<AuditEntry | undefined> {
  const entries = await auditEntries(home);
  return entries.findLast((entry) => entry.actor?.name === name && entry.action === action);
}

async function refusedLast(): Promise<string | undefined> {
  const found = await eventually("refusal on record", async () => {
    const entry = await lastOf("ci", "secret.get");
    return entry?.outcome.startsWith("refused:") === true && entry;
  });
  return found.outcome;
}

test("[RUN-20] [AUDIT-39] an entry names the program that called, and its digest", async () => {
  // What is not found out yet when a call comes is null: the next one says it.
  const entry = await eventually("an entry with its program", async () => {
    home.must(["secret", "get", "ci/token"]);
    const found = await lastOf("operator", "secret.get");
    return found?.actor?.exe === NODE && found;
  });
  assert.equal(entry.actor?.exe, NODE);
  assert.equal(entry.actor.sha256, digest(NODE));
  assert.equal(home.run(["audit", "verify"]).exit, 0);
});

test("[RUN-19] nobody but the bus host has processes described, daemons neither", async () => {
  // SECURITY: any client would learn which programs the user's other processes run.
  for (const name of ["operator", "daemon-secrets"]) {
    const client = await home.connect(name);
    try {
      await assert.rejects(
        client.call("process.describe", { pid: process.pid }),
        (cause) => cause instanceof Denial && cause.code === "capability-missing",
      );
    } finally {
      await client.close();
    }
  }
});

test("[AUTH-46] a grant with a point of use serves its program, and no other", async () => {
  // SECURITY: whatever runs in the delegatee's name would have what one program was given.
  await eventually("the program is known", () => got(deploy) === "the token");
  assert.equal(got(NODE), "", "the same content at another path");
  assert.equal(await refusedLast(), "refused:capability-missing/point-of-use");
  await eventually("the program is known", () => got(deploy) === "the token");
});

test("[AUTH-46] another program in the place of the one that was named is refused", async () => {
  // SECURITY: who may write the program's file would have its rights.
  const original = `${deploy}.original`;
  renameSync(deploy, original);
  assert.equal(got(original), "", "the program itself, elsewhere");
  copyFileSync(original, deploy);
  appendFileSync(deploy, "changed");
  assert.equal(got(deploy), "");
  assert.equal(await refusedLast(), "refused:capability-missing/point-of-use");
  rmSync(deploy);
  renameSync(original, deploy);
  await eventually("the program is known", () => got(deploy) === "the token");
});

test("[RUN-21] without a launcher no program is known, and none is good enough", async () => {
  // SECURITY: whoever ends the launcher would be free of every point of use.
  home.must(["daemon", "stop"]);
  const bus = new DirectDaemon(home, "daemon-profile");
  const owner = new DirectDaemon(home, "daemon-secrets");
  await bus.start();
  await owner.start();
  try {
    home.must(["unlock"], `${PASSWORD}\n`);
    assert.equal(got(deploy), "");
    assert.equal(await refusedLast(), "refused:capability-missing/point-of-use");
    assert.equal((await lastOf("ci", "secret.get"))?.actor?.exe, null);
    home.must(["secret", "get", "ci/token"]);
    assert.equal((await lastOf("operator", "secret.get"))?.actor?.exe, null);
  } finally {
    await owner.stop();
    await bus.stop();
  }
});
