import assert from "node:assert/strict";
import { test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { CHEAP, PASSWORD, WRONG } from "../testing/fixture.ts";
import { isWeaker, raised, unwrapWithPassword, wrapWithPassword } from "./factors.ts";
import type { Header } from "./header.ts";

const MASTER = new Uint8Array(32).fill(9);
const OWNER = { vaultId: new Uint8Array(16).fill(1), profile: "work" };
const ID = new Uint8Array(8).fill(2);

async function makeHeader(): Promise<Header> {
  const factor = await wrapWithPassword(sodiumSuite, OWNER, ID, MASTER, PASSWORD, CHEAP);
  return { ...OWNER, policy: "any", revision: 1, createdMs: 0, factors: [factor] };
}

test("[VAULT-6] a password unwraps the master key that it wrapped, no other does", async () => {
  const header = await makeHeader();
  const opened = await unwrapWithPassword(sodiumSuite, header, PASSWORD);
  assert.deepEqual(Buffer.from(opened?.master ?? []), Buffer.from(MASTER));
  assert.equal(await unwrapWithPassword(sodiumSuite, header, WRONG), null);
});

test("[VAULT-6] any of several factors unwraps, and says which it was", async () => {
  const header = await makeHeader();
  const id = new Uint8Array(8).fill(3);
  const other = await wrapWithPassword(sodiumSuite, OWNER, id, MASTER, WRONG, CHEAP);
  const both = { ...header, factors: [...header.factors, other] };
  assert.deepEqual((await unwrapWithPassword(sodiumSuite, both, WRONG))?.factor.id, id);
  assert.deepEqual((await unwrapWithPassword(sodiumSuite, both, PASSWORD))?.factor.id, ID);
});

test("[VAULT-6] a wrap opens only with its own vault, profile, factor id and cost", async () => {
  // SECURITY: a wrap that could be moved would let the owner of one vault stand in for another's.
  const header = await makeHeader();
  const [factor] = header.factors;
  assert.ok(factor !== undefined);
  const moved: Header[] = [
    { ...header, vaultId: new Uint8Array(16) },
    { ...header, profile: "home" },
    { ...header, factors: [{ ...factor, id: new Uint8Array(8) }] },
    { ...header, factors: [{ ...factor, kdf: { ...CHEAP, memoryKiB: 9 } }] },
    { ...header, factors: [{ ...factor, kdf: { ...CHEAP, passes: 2 } }] },
    { ...header, factors: [{ ...factor, salt: new Uint8Array(16) }] },
    { ...header, factors: [{ ...factor, nonce: new Uint8Array(24) }] },
    { ...header, factors: [{ ...factor, wrap: new Uint8Array(48) }] },
  ];
  for (const edited of moved) {
    assert.equal(await unwrapWithPassword(sodiumSuite, edited, PASSWORD), null);
  }
});

test("[VAULT-9] a cost is raised in every dimension and never lowered", () => {
  const configured = { memoryKiB: 65_536, passes: 3, lanes: 4 };
  const large = { memoryKiB: 131_072, passes: 1, lanes: 1 };
  assert.equal(isWeaker(configured, configured), false);
  assert.equal(isWeaker({ ...configured, lanes: 1 }, configured), false);
  assert.equal(isWeaker(large, configured), true);
  assert.deepEqual(raised(large, configured), { memoryKiB: 131_072, passes: 3, lanes: 4 });
});
