import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, rmSync, writeSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import {
  type Bench,
  CHEAP,
  denial,
  handClock,
  makeBench,
  PASSWORD,
  utf8,
} from "../testing/fixture.ts";
import { Vaults } from "./vaults.ts";

// This file is also the program that is killed.
const [, , role, directory, start] = process.argv;

function acknowledge(what: string): void {
  writeSync(1, `${what}\n`);
}

function openHere(at: string): Vaults {
  return new Vaults({ directory: at, suite: sodiumSuite, clock: handClock(), kdf: CHEAP });
}

async function writeForever(at: string, first: number): Promise<void> {
  const vault = await openHere(at).unlock("work", PASSWORD);
  for (let i = first; ; i++) {
    const name = `name-${i % 7}`;
    if (i % 11 === 10) {
      // Announced first: a delete that was begun may or may not have happened.
      acknowledge(`deleting ${name}`);
      if (vault.list().some((secret) => secret.name === name)) vault.delete(name);
      acknowledge(`deleted ${name}`);
    } else {
      vault.set(name, utf8(`${i} `.repeat(1 + (i % 1_500))));
      acknowledge(`set ${name} ${i}`);
    }
  }
}

async function createForever(at: string): Promise<void> {
  const vaults = openHere(at);
  for (let i = 0; ; i++) {
    const vault = await vaults.create(`p${i}`, PASSWORD);
    vault.set("a", utf8(String(i)));
    acknowledge(`created p${i}`);
    vault.close();
  }
}

/** Runs this file and kills it as soon as it has acknowledged `lines` things. */
function killAfter(given: string[], lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [import.meta.filename, ...given], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      output += text;
      if (output.split("\n").length > lines) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (signal === "SIGKILL") resolve(output.split("\n").slice(0, -1));
      else reject(new Error(`ended by itself with ${code}`));
    });
  });
}

function defineTests(): void {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench.remove());

  test("[VAULT-16] a writer that is killed loses nothing that it acknowledged", async () => {
    (await bench.vaults.create("work", PASSWORD)).close();
    const latest = new Map<string, number>();
    for (let round = 0; round < 20; round++) {
      const maybeDeleted = new Set<string>();
      // Values count on from round to round, so that any later write has a higher one.
      const writer = ["write", bench.directory, String(100_000 * round)];
      for (const line of await killAfter(writer, 1 + round * 7)) {
        const [what, name = "", i] = line.split(" ");
        if (what === "set") {
          latest.set(name, Number(i));
          maybeDeleted.delete(name);
        } else if (what === "deleting") maybeDeleted.add(name);
        else {
          latest.delete(name);
          maybeDeleted.delete(name);
        }
      }
      rmSync(bench.path("work.throttle"), { force: true });
      const vault = await bench.restart().unlock("work", PASSWORD);
      const found = new Map(
        vault.list().map(({ name }) => {
          const words = Buffer.from(vault.get(name).value).toString().trim().split(" ");
          assert.equal(new Set(words).size, 1, "a value is whole");
          return [name, Number(words[0])];
        }),
      );
      for (const [name, i] of latest) {
        if (!found.has(name) && maybeDeleted.has(name)) continue;
        const value = found.get(name) ?? -1;
        assert.ok(value >= i, `${name}: ${value}, acknowledged ${i}`);
      }
      latest.clear();
      for (const [name, i] of found) latest.set(name, i);
      vault.close();
    }
  });

  test("[VAULT-2] a creation that is killed leaves a whole vault or none", async () => {
    for (let round = 0; round < 10; round++) {
      const lines = await killAfter(["create", bench.directory], 1 + round);
      const vaults = bench.restart();
      const listed = vaults.list();
      assert.ok(listed.length === lines.length || listed.length === lines.length + 1);
      for (const profile of listed) {
        const vault = await vaults.unlock(profile, PASSWORD);
        const held = vault.list().map(({ name }) => Buffer.from(vault.get(name).value).toString());
        const expected = `p${held[0] ?? ""}`;
        if (lines.includes(`created ${profile}`)) assert.equal(expected, profile);
        vault.close();
      }
      const next = `p${listed.length}`;
      (await vaults.create(next, PASSWORD)).close();
      await assert.rejects(vaults.create(next, PASSWORD), denial("vault-exists", next));
      for (const file of readdirSync(bench.directory)) rmSync(bench.path(file));
    }
  });
}

if (role === "write" && directory !== undefined) await writeForever(directory, Number(start));
else if (role === "create" && directory !== undefined) await createForever(directory);
else defineTests();
