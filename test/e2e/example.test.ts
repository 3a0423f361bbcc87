import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home } from "../helpers/home.ts";

const AGENT = fileURLToPath(new URL("../../examples/agent.ts", import.meta.url));
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

test("the example of an agent uses a secret that it cannot read", async () => {
  // SECURITY: an agent that sees the secret can be talked into giving it away.
  await using home = await Home.ready([{ name: "bot", kind: "ai" }]);
  home.must(["secret", "set", "api/token"], "tok-1234567890");
  const operator = await home.connect();
  const path = "/usr/bin/printenv";
  const admitted = { path, sha256: null, args: ["API_TOKEN"], directory: "/", plain: false };
  const changes = { commands: [admitted] };
  await issue(operator, signedChain(home, { to: "bot", scope: "secret-use:api/*", changes }));
  const run = (args: readonly string[]) => {
    const command = ["--no-warnings", AGENT, "bot", "default", path, ...args];
    return spawnSync(process.execPath, command, { env: home.env, encoding: "utf8" });
  };
  const { status, stdout, stderr } = run(["API_TOKEN"]);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "[redacted api/token]\n");
  const refused = run(["HOME"]);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /may not do that/);
  await operator.close();
});
