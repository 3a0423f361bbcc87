// The owner's process is killed with SIGKILL while grants are given, used up and revoked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { decodeGrant, type SignedGrant } from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault, type Result } from "@sesame/core-types";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { eventually } from "../helpers/eventually.ts";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home } from "../helpers/home.ts";
import { Random, SEED } from "../helpers/random.ts";

const KILLS = process.env["SLOW"] === "1" ? 200 : 12;
const AT_ONCE = 4;

/** What somebody was told of a grant; null: an answer did not come. */
type Told = { readonly chain: SignedGrant[]; lives: boolean | null };

/** Gives grants and revokes some of them, until the owner is gone. */
async function load(home: Home, client: BusClient, told: Told[]): Promise<void> {
  for (let turn = 0; ; turn++) {
    const one: Told = { chain: signedChain(home, { to: "ci", scope: "secret-list" }), lives: null };
    told.push(one);
    try {
      const id = await issue(client, one.chain);
      one.lives = true;
      if (turn % 2 === 0) continue;
      one.lives = null;
      await client.call("grant.revoke", { grant: id, identity: null });
      one.lives = false;
    } catch (cause) {
      if (isGone(cause)) return;
      throw cause;
    }
  }
}

function isGone(cause: unknown): boolean {
  return cause instanceof Fault || (cause instanceof Denial && cause.code === "owner-absent");
}

async function living(client: BusClient): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let after: string | null = null; ;) {
    const page: Result<"grant.list"> = await client.call("grant.list", { after });
    for (const { grant } of page.grants) ids.add((after = decodeGrant(grant).grant.id));
    if (page.grants.length === 0) return ids;
  }
}

test(`no grant is lost or lives again after ${KILLS} kills of its owner (SEED=${SEED})`, async () => {
  // SECURITY: who can crash an owner would have back what was revoked.
  const random = new Random(SEED);
  await using home = await Home.ready([{ name: "ci", capabilities: [] }]);
  home.must(["daemon", "stop"]);
  const bus = new DirectDaemon(home, "daemon-profile");
  const owner = new DirectDaemon(home, "daemon-secrets");
  await using stack = new AsyncDisposableStack();
  stack.defer(() => bus.kill());
  stack.defer(() => owner.kill());
  await bus.start();
  await owner.start();
  const client = await home.connect();
  stack.defer(() => client.close());

  const told: Told[] = [];
  for (let left = KILLS; left > 0; left--) {
    const clients = Array.from({ length: AT_ONCE }, () => load(home, client, told));
    await delay(random.below(150));
    await owner.kill();
    await Promise.all(clients);
    await owner.start();
    await eventually("the owner serves", () =>
      client.call("grant.list", { after: null }).then(
        () => true,
        (cause: unknown) => !isGone(cause),
      ),
    );
    const alive = await living(client);
    for (const { chain, lives } of told)
      if (lives !== null) assert.equal(alive.has(chain[0]?.grant.id ?? ""), lives);
    for (const one of told) one.lives ??= alive.has(one.chain[0]?.grant.id ?? "");
  }
  const revoked = told.filter(({ lives }) => lives === false);
  assert.ok(revoked.length > 0 && revoked.length < told.length);
});
