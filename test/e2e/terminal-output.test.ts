import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Denial } from "@sesame/core-types";
import { Home } from "../helpers/home.ts";

/** Control characters but the line feed, and what turns the direction of text or hides it. */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}]/u;

test("what an agent calls its program does nothing to the terminal of whoever reads the log", async () => {
  // SECURITY: an agent would hide its own entries from the operator, or type into its terminal.
  await using home = await Home.ready([{ name: "ci", kind: "ai" }]);
  const path = "/tmp/\u009b2J\u001b[8m\u202egood";
  const ci = await home.connect("ci");
  const command = { path, args: [path], directory: "/", plain: false };
  const start = { ticket: new Uint8Array(32), command, files: [] };
  await assert.rejects(ci.call("run.start", start), Denial);
  await ci.close();
  const shown = [
    ["audit", "tail"],
    ["audit", "tail", "--json"],
    ["trust", "show", "ci"],
    ["agent", "list"],
  ];
  for (const args of shown) assert.doesNotMatch(home.must(args), UNSAFE, args.join(" "));
  assert.doesNotMatch(readFileSync(home.paths.log, "utf8"), UNSAFE);
  const lines = home.must(["audit", "tail", "--json"]).trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { object: string | null });
  assert.ok(entries.some(({ object }) => object === `command:${path}`));
});
