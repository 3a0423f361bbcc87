import assert from "node:assert/strict";
import { existsSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyDirectory, keyFileOf } from "@sesame/core-ipc/daemon";
import { DAEMONS } from "@sesame/core-types";
import { Home, PASSWORD } from "../helpers/home.ts";

test("[KEYS-18] a home of an older release starts, and keeps its keys", async () => {
  await using home = await Home.ready();
  home.must(["secret", "set", "kept"], "value");
  home.must(["daemon", "stop"]);
  const { paths } = home;
  for (const daemon of DAEMONS) {
    renameSync(keyFileOf(paths, daemon), join(paths.keys, `${daemon}.key`));
    rmdirSync(keyDirectory(paths, daemon));
  }
  home.must(["unlock"], `${PASSWORD}\n`);
  assert.equal(home.must(["secret", "get", "kept"]), "value");
  for (const daemon of DAEMONS) {
    assert.deepEqual(readdirSync(keyDirectory(paths, daemon)), [`${daemon}.key`]);
    assert.ok(!existsSync(join(paths.keys, `${daemon}.key`)));
  }
});
