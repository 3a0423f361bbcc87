import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { POLICY_TYPE, stampPolicy } from "@sesame/core-policy";
import type { FormerKeys } from "@sesame/core-types";
import { handClock } from "../testing/pair.ts";
import { keysOf, recordOf, seedOf } from "../testing/certificates.ts";
import { PolicyKeeper } from "./policy-keeper.ts";

const [FIRST, SECOND] = [1, 2];
const record = recordOf();
const root = seedOf(9);

/** A daemon that signs with one key, and of which the record says something. */
function place(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "sesame-policy-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const clock = handClock();
  const rules = [{ name: "a", demand: { approval: true } }];
  const source = new TextEncoder().encode(JSON.stringify({ mode: "enforce", rules }));
  const open = (keys: number, former: readonly FormerKeys[] = []) =>
    new PolicyKeeper({
      suite,
      clock,
      kept: join(directory, "policy.kept"),
      own: () => ({ signingKey: keysOf(keys).signingKey, former }),
      seed: () => seedOf(keys),
      installation: () => record,
    });
  const signed = (): Uint8Array => {
    const stamp = { installation: record.id, version: 7, createdMs: clock.wallMs() };
    const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(root, message);
    const by = [{ publicKey: record.rootKey, sign }];
    return Buffer.from(signEnvelope(POLICY_TYPE, stampPolicy(source, stamp), by));
  };
  return { clock, open, signed };
}

test("[KEYS-22] [POLICY-18] a policy that was kept under a former key is there after its date", (t) => {
  // SECURITY: a machine that was off for two days after a rotation would have no vaults.
  const { clock, open, signed } = place(t);
  open(FIRST).offer(signed()).adopt();
  const untilMs = clock.wallMs() + 1_000;
  clock.turn(60_000);
  assert.equal(open(SECOND, [{ ...keysOf(FIRST), untilMs }]).version, 7);
  // SECURITY: the thief of a key would put a policy in force that allows everything.
  for (const former of [[], [{ ...keysOf(FIRST), untilMs: 0 }]])
    assert.throws(() => open(SECOND, former), { name: "Fault", exit: "integrity" });
});
