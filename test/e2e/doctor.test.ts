import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { landlockAbi } from "@sesame/native";
import { Home } from "../helpers/home.ts";

type Check = { name: string; verdict: string; found: string; remedy: string };
type Report = { healthy: boolean; checks: Check[] };

const NO_LANDLOCK = landlockAbi() === 0 && "this kernel has no Landlock";

function doctor(home: Home): { exit: number; healthy: boolean; checks: Check[] } {
  const { exit, out } = home.run(["doctor", "--json"]);
  return { exit, ...(JSON.parse(out) as Report) };
}

function bad({ checks }: Report): Check[] {
  return checks.filter(({ verdict }) => verdict !== "ok" && verdict !== "warning");
}

/** Names and verdicts of what is not well. */
function complaints(report: Report): string[] {
  return bad(report).map(({ name, verdict }) => `${name}: ${verdict}`);
}

test("a healthy home passes, measured in the running daemons", { skip: NO_LANDLOCK }, async () => {
  await using home = await Home.ready();
  const report = doctor(home);
  assert.deepEqual(bad(report), []);
  assert.equal(report.exit, 0);
  assert.equal(report.healthy, true);
  const alias = home.run(["status", "--doctor", "--json"]);
  assert.equal(alias.exit, 0);
  assert.equal((JSON.parse(alias.out) as Report).checks.length, report.checks.length);
  const verdicts = new Map(report.checks.map(({ name, verdict }) => [name, verdict]));
  for (const daemon of ["daemon-profile", "daemon-secrets"])
    for (const control of ["files", "system call filters", "tracing and core dumps"])
      assert.equal(verdicts.get(`${daemon}: ${control}`), "ok");
});

test("a file that others may read is found, with its remedy", { skip: NO_LANDLOCK }, async () => {
  // SECURITY: a copied or restored file with open permissions gives everything away.
  await using home = await Home.ready();
  const vault = join(home.paths.vaults, "default.vault");
  chmodSync(vault, 0o644);
  const report = doctor(home);
  assert.equal(report.exit, 78);
  assert.equal(report.healthy, false);
  assert.deepEqual(complaints(report), ["files and directories: failed"]);
  assert.equal(bad(report)[0]?.remedy, `chmod 600 ${vault}`);
  chmodSync(vault, 0o600);
  assert.equal(doctor(home).exit, 0, "the remedy helps");
});

test("a damaged key file is found", { skip: NO_LANDLOCK }, async () => {
  await using home = await Home.ready();
  writeFileSync(join(home.paths.keys, "stray.key"), "no key", { mode: 0o600 });
  const report = doctor(home);
  assert.equal(report.exit, 78);
  assert.deepEqual(complaints(report), ["key files: failed"]);
  assert.match(bad(report)[0]?.found ?? "", /stray\.key/);
});

test("what runs nowhere is unknown, and never well", async () => {
  // SECURITY: a doctor that passes daemons which it could not ask hides that they were replaced.
  await using home = await Home.ready();
  home.must(["daemon", "stop"]);
  const report = doctor(home);
  assert.equal(report.exit, 78);
  assert.equal(report.healthy, false);
  for (const { name, verdict, remedy } of report.checks) {
    if (!/^daemon-|^audit log$|^service manager$/.test(name)) continue;
    assert.equal(verdict, "unknown", name);
    assert.notEqual(remedy, "", name);
  }
  assert.ok(complaints(report).length >= 14, complaints(report).join());
});
