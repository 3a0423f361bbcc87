import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial } from "@sesame/core-types";
import { eventually } from "../../helpers/eventually.ts";
import { Home, PASSWORD } from "../../helpers/home.ts";

test("a client with an end-to-end session gets the truth from a restarted owner", async () => {
  // SECURITY: whoever can crash the owner could answer a client in the owner's place.
  await using home = await Home.ready();
  const bus = await home.connect();
  const get = async (): Promise<string> => {
    const { value } = await bus.call("secret.get", { profile: "default", name: "a" });
    return Buffer.from(value).toString();
  };
  await bus.call("secret.set", { profile: "default", name: "a", value: Buffer.from("one") });
  assert.equal(await get(), "one");
  assert.equal(await get(), "one");

  const before = home.pidOf("daemon-secrets");
  process.kill(before, "SIGKILL");
  const refusals = new Set<string>();
  const locked = await eventually("the restarted owner", async () => {
    try {
      return await get();
    } catch (cause) {
      assert.ok(cause instanceof Denial, String(cause));
      refusals.add(cause.code);
      return cause.code === "vault-locked" && "locked";
    }
  });
  assert.equal(locked, "locked", "a restarted owner has no keys");
  for (const code of refusals) assert.match(code, /^(owner-absent|vault-locked)$/);
  assert.notEqual(home.pidOf("daemon-secrets"), before);

  const password = Buffer.from(PASSWORD);
  await bus.call("vault.unlock", { profile: "default", password });
  assert.equal(await get(), "one");
  assert.equal(await get(), "one");
  await bus.close();
});
