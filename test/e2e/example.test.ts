import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Home } from "../helpers/home.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/client.ts", import.meta.url));

test("the example of the client library runs as it stands", async () => {
  await using home = await Home.ready([{ name: "ci", kind: "service" }]);
  const listener = await home.connect();
  const heard: string[] = [];
  await listener.subscribe("builds/started", (body, { sender }) => {
    heard.push(`${sender.name}: ${Buffer.from(body).toString()}`);
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", EXAMPLE, "ci"], {
    env: home.env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "profiles: default\n");
  // Whatever was published before the program's call was answered has arrived after ours is.
  await listener.call("status.get", {});
  assert.deepEqual(heard, ["ci: release 42"]);
  await listener.close();
});
