import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { totpCode, totpStep } from "@sesame/core-crypto/totp";
import type { Identity } from "@sesame/core-types";
import type { Asker } from "./approval/desk.ts";
import { Throttles } from "./io/throttles.ts";
import { SecondFactor } from "./second-factor.ts";
import { denial, makeBench, PASSWORD, utf8 } from "./testing/fixture.ts";
import type { Vault } from "./vault/vault.ts";

const bench = makeBench();
after(() => bench.remove());
const { clock, vaults, directory } = bench;
const throttles = new Throttles(directory, clock);
const second = new SecondFactor({ suite: sodiumSuite, clock, throttles });
const asker: Asker = {
  identity: { id: "0198c2f4-0000-7000-8000-000000000001", name: "operator" } as Identity,
  session: new Uint8Array(16),
};

function enrolled(vault: Vault): () => Uint8Array {
  const secret = second.offer(vault, asker, null);
  const code = (): Uint8Array => utf8(totpCode(secret, totpStep(clock.wallMs())));
  second.confirm(vault, asker, code());
  return code;
}

test("[TOTP-4] good codes of one profile do not undo wrong ones of another", async () => {
  // SECURITY: who has the operator's keys would set up codes in a profile of its own, and guess
  // those of the operator's as often as it can give its own.
  const [theirs, own] = [await vaults.create("a", PASSWORD), await vaults.create("b", PASSWORD)];
  enrolled(theirs);
  const code = enrolled(own);
  assert.throws(() => second.verify(theirs, asker, utf8("000000")), denial("totp-rejected"));
  clock.wall += 30_000;
  second.verify(own, asker, code());
  assert.throws(() => second.verify(theirs, asker, utf8("000000")), denial("throttled"));
  clock.monotonic += 1_000;
  assert.throws(() => second.verify(theirs, asker, utf8("000000")), denial("totp-rejected"));
  for (const vault of [theirs, own]) vault.close();
});

test("[TOTP-5] a code that was given before a lock does not count after it", async () => {
  // SECURITY: a session would read after a lock and an unlock without giving a code again.
  const vault = await vaults.create("c", PASSWORD);
  const code = enrolled(vault);
  clock.wall += 30_000;
  const late = second.verify(vault, asker, code());
  second.forget();
  late();
  assert.equal(second.isFresh(asker, "c"), false);
  clock.wall += 30_000;
  second.verify(vault, asker, code())();
  assert.equal(second.isFresh(asker, "c"), true);
  vault.close();
});
