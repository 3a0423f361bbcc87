import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";
import { Fault, Violation } from "@sesame/core-types";
import { Adversary } from "../../helpers/adversary.ts";
import { recorded } from "../../helpers/audit-log.ts";
import { Home } from "../../helpers/home.ts";

let home: Home;

before(async () => {
  home = await Home.ready();
});

after(async () => home[Symbol.asyncDispose]());

/** What becomes of the operator who connects to the relay instead of the bus. */
async function outcome(mode: string): Promise<unknown> {
  const paths = { ...home.paths, socket: join(home.paths.runtime, `${mode}.sock`) };
  try {
    const bus = await openBus({ suite, as: "operator", paths });
    await bus.close();
    return null;
  } catch (cause) {
    return cause;
  }
}

test("[HELLO-3] a client refuses a bus that sees another process than itself", async () => {
  // SECURITY: a program between a client and the bus would act with that client's name and rights.
  await using relay = Adversary.start(home, "relay-process", ["relay"]);
  assert.deepEqual(await relay.said(), { event: "ready" });
  const refusal = await outcome("relay");
  assert.ok(refusal instanceof Fault && refusal.cause instanceof Violation, String(refusal));
  assert.equal(refusal.cause.rule, "HELLO-3");
  // The relay did bring it the hello of the real bus, and never got a handshake message for it.
  assert.deepEqual(await relay.said(), { event: "downstream" });
  assert.deepEqual(await relay.said(), { event: "closed" });
});

test("[HELLO-5] a relay that rewrites the hello breaks the handshake with the bus", async () => {
  // SECURITY: rewriting one number of the clear hello would hide the relay from the client.
  await using relay = Adversary.start(home, "relay-process", ["forge", String(process.pid)]);
  assert.deepEqual(await relay.said(), { event: "ready" });
  const refusal = await outcome("forge");
  assert.ok(refusal instanceof Fault, String(refusal));
  const events = [await relay.said(), await relay.said(), await relay.said()];
  assert.deepEqual(events, [{ event: "downstream" }, { event: "upstream" }, { event: "closed" }]);
  await recorded(
    home,
    "the handshake that did not fit",
    ({ object, actor }) => object === "HANDSHAKE-1" && actor?.pid === relay.pid,
  );
});

test("the same client, without a relay, is welcome", async () => {
  const bus = await home.connect();
  assert.equal(bus.welcome.name, "operator");
  await bus.close();
});
