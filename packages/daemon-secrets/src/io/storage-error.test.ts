import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { Denial } from "@sesame/core-types";
import {
  type Bench,
  CHEAP,
  denial,
  handClock,
  makeBench,
  PASSWORD,
  tamper,
  utf8,
} from "../testing/fixture.ts";
import { storing } from "./storage-error.ts";
import { Vaults } from "./vaults.ts";

// This file is also the program that may not write large files.
const [, , role, directory] = process.argv;

const VALUE_BYTES = 20_000;

async function fill(at: string): Promise<void> {
  const vaults = new Vaults({ directory: at, suite: sodiumSuite, clock: handClock(), kdf: CHEAP });
  const vault = await vaults.unlock("work", PASSWORD);
  for (let i = 0; ; i++) {
    const before = vault.list();
    try {
      vault.set(`name-${i}`, new Uint8Array(VALUE_BYTES).fill(i));
    } catch (error) {
      assert.ok(error instanceof Denial);
      assert.deepEqual(vault.list(), before, "nothing is changed");
      for (const { name } of before) vault.get(name);
      writeSync(1, `${i} ${error.code}: ${error.message}\n`);
      return;
    }
  }
}

/** Runs this file with a limit on the size of the files that it writes. */
function runLimited(kib: number, at: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Without the trap the first write beyond the limit would be the process' last act.
    const script = `trap '' XFSZ; ulimit -f ${kib * 2}; exec "$0" "$@"`;
    const given = [process.execPath, import.meta.filename, "fill", at];
    const child = spawn("sh", ["-c", script, ...given], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => (output += text));
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
}

function defineTests(): void {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  test("[VAULT-26] what the file system refuses is a denial that shows no path", () => {
    const full = openSync("/dev/full", "w");
    assert.throws(
      () => storing("work", () => writeSync(full, "x")),
      denial("storage-failed", "no space left"),
    );
    closeSync(full);
    const bug = new TypeError("a bug");
    assert.throws(
      () =>
        storing("work", () => {
          throw bug;
        }),
      bug,
    );
  });

  test("[VAULT-26] a database that cannot grow refuses the write and keeps the rest", async () => {
    (await bench.vaults.create("work", PASSWORD)).close();
    await tamper(bench, "work", (db) => {
      db.pragma("max_page_count = 6");
      assert.throws(
        () =>
          storing("work", () =>
            db.exec("CREATE TABLE x (b); INSERT INTO x VALUES (zeroblob(1e5))"),
          ),
        denial("storage-failed", "no space left"),
      );
    });
    const vault = await bench.vaults.unlock("work", PASSWORD);
    vault.set("a", utf8("1"));
    vault.close();
  });

  test("[VAULT-26] with no room left nothing that was acknowledged is lost", async () => {
    (await bench.vaults.create("work", PASSWORD)).close();
    const output = await runLimited(512, bench.directory);
    const [, count = "", code] = /^(\d+) ([a-z-]+): .*\n$/.exec(output) ?? [];
    assert.equal(code, "storage-failed", output);
    assert.ok(Number(count) > 0);
    assert.ok(!output.includes(bench.directory));
    const vault = await bench.vaults.unlock("work", PASSWORD);
    assert.equal(vault.list().length, Number(count));
    for (let i = 0; i < Number(count); i++) {
      const { value } = vault.get(`name-${i}`);
      assert.ok(value.length === VALUE_BYTES && value.every((byte) => byte === i));
    }
    vault.close();
  });

  test("[VAULT-26] a database that is a directory cannot be opened", async () => {
    (await bench.vaults.create("work", PASSWORD)).close();
    rmSync(bench.path("work.db"));
    mkdirSync(bench.path("work.db"));
    await assert.rejects(bench.vaults.unlock("work", PASSWORD), denial("storage-failed"));
  });
}

if (role === "fill" && directory !== undefined) await fill(directory);
else defineTests();
