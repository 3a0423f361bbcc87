import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { pathsFrom } from "@sesame/core-ipc/daemon";
import { DAEMONS } from "@sesame/core-types";
import { Home, PASSWORD } from "../helpers/home.ts";

type Report = { readonly ok: boolean };

test("[AUDIT-47] a session with another runtime directory starts no second daemons", async () => {
  // SECURITY: two owners of the same grants would let a grant for one use be used twice, and two
  // writers of one log would damage it, so that nothing is released any more.
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "value");
  const other = join(home.path, "run2");
  mkdirSync(other, { mode: 0o700 });
  const elsewhere = { XDG_RUNTIME_DIR: other };
  assert.equal(pathsFrom({ ...home.env, ...elsewhere }).recordLock, home.paths.recordLock);
  const { exit, err } = home.run(["unlock"], "", elsewhere);
  assert.equal(exit, 78, err);
  assert.match(err, /running already \(pid \d+\), with another runtime directory/);
  // Each by itself: the others are not kept apart by the first one alone.
  for (const daemon of DAEMONS) {
    const bundle = fileURLToPath(new URL(`../../packages/cli/dist/${daemon}.mjs`, import.meta.url));
    const env = { ...home.env, ...elsewhere };
    const { status, stderr } = spawnSync(process.execPath, [bundle], { env, encoding: "utf8" });
    assert.equal(status, 78, `${daemon}: ${stderr}`);
    assert.match(stderr, /with another runtime directory/);
  }
  assert.equal(home.must(["secret", "get", "a"]), "value");
  assert.equal((home.json(["audit", "verify"]) as Report).ok, true);
});

test("[PANIC-8] a panic in a session with another runtime directory ends what goes on", async () => {
  // SECURITY: whoever saw something wrong would be told that all is refused, while everything went on.
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "value");
  const other = join(home.path, "run2");
  mkdirSync(other, { mode: 0o700 });
  const before = home.pidOf("daemon-secrets");
  const { exit, out, err } = home.run(["panic"], "", { XDG_RUNTIME_DIR: other });
  assert.equal(exit, 0, err);
  assert.match(out, /The daemons are stopped/);
  const refused = home.run(["secret", "get", "a"]);
  assert.equal(refused.exit, 77, refused.out);
  assert.match(refused.err, /a panic holds/);
  assert.notEqual(home.pidOf("daemon-secrets"), before);
  home.must(["panic", "--lift"], `${PASSWORD}\n`);
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.must(["secret", "get", "a"]), "value");
});
