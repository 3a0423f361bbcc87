import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arbitraryOf } from "../../../test/helpers/arbitrary.ts";
import { RUNS } from "../../../test/helpers/runs.ts";
import { CAPABILITIES } from "./capability.ts";
import { BUS_HOST, LAUNCHER, VAULT_OWNER } from "./identity.ts";
import { MAX_ENVELOPE_BYTES } from "./limits.ts";
import { messageByTag, MESSAGES, TOPIC_TAG, type MessageName } from "./messages.ts";
import { isTopicName } from "./names.ts";
import { redact, type Node } from "./schema.ts";

const rows = Object.entries(MESSAGES) as [MessageName, (typeof MESSAGES)[MessageName]][];

test("[MESSAGE-1] a tag belongs to one kind", () => {
  const tags = rows.map(([, { tag }]) => tag);
  assert.equal(new Set([...tags, TOPIC_TAG]).size, tags.length + 1);
  for (const [name, { tag }] of rows) {
    assert.ok(tag > 0 && tag <= 0xffff);
    assert.equal(messageByTag(tag)?.name, name);
  }
  assert.equal(messageByTag(TOPIC_TAG), undefined);
  assert.equal(messageByTag(0), undefined);
});

// The tags of this version. A kind that goes away leaves its line here, and nobody gets its tag.
const TAGS: Readonly<Record<string, number>> = {
  "bus.subscribe": 0x0101,
  "bus.unsubscribe": 0x0102,
  "bus.serve": 0x0103,
  "bus.missed": 0x0104,
  "status.get": 0x0110,
  "bus.posture": 0x0111,
  "bus.reload": 0x0112,
  "bus.panic": 0x0114,
  "agent.enroll": 0x0120,
  "agent.status": 0x0121,
  "agent.list": 0x0122,
  "agent.reject": 0x0123,
  "agent.certify": 0x0124,
  "agent.settle": 0x0125,
  "profile.list": 0x0201,
  "profile.create": 0x0202,
  "profile.activate": 0x0203,
  "profile.deactivate": 0x0204,
  "profile.set-default": 0x0205,
  "profile.changed": 0x0206,
  "audit.append": 0x0210,
  "audit.checkpoint": 0x0211,
  "audit.checkpointed": 0x0212,
  "audit.files": 0x021c,
  "audit.read": 0x021d,
  "audit.grown": 0x021e,
  "vault.create": 0x0301,
  "vault.unlock": 0x0302,
  "vault.lock": 0x0303,
  "vault.status": 0x0304,
  "vault.changed": 0x0305,
  "vault.anchors": 0x0306,
  "vault.anchor": 0x0307,
  "vault.posture": 0x0308,
  "vault.reload": 0x0309,
  "vault.certify": 0x0318,
  "vault.certificates": 0x0319,
  "vault.certified": 0x031a,
  "secret.set": 0x0310,
  "secret.get": 0x0311,
  "secret.list": 0x0312,
  "secret.delete": 0x0313,
  "secret.fetch": 0x0314,
  "grant.issue": 0x0320,
  "grant.heartbeat": 0x0321,
  "grant.revoke": 0x0322,
  "grant.list": 0x0323,
  "grant.show": 0x0324,
  "grant.ended": 0x0325,
  "vault.panic": 0x0350,
  "vault.lift": 0x0351,
  "secret.use": 0x0315,
  "secret.redeem": 0x0316,
  "secret.standing": 0x0317,
  "run.start": 0x0601,
  "run.read": 0x0602,
  "run.write": 0x0603,
  "run.signal": 0x0604,
  "process.describe": 0x0605,
  "run.reload": 0x060e,
  "run.posture": 0x060f,
  "bus-grant.issue": 0x0328,
  "bus-grant.heartbeat": 0x0329,
  "bus-grant.revoke": 0x032a,
  "bus-grant.list": 0x032b,
  "bus-grant.show": 0x032c,
  "bus-grant.ended": 0x032d,
  "app.call": 0x0501,
  "trust.own": 0x0115,
  "trust.show": 0x0116,
  "trust.report": 0x0117,
  "trust.delegations": 0x011f,
};

test("[MESSAGE-1] a tag that was given is never given to another kind", () => {
  const givenTo = new Map(Object.entries(TAGS).map(([name, tag]) => [tag, name]));
  for (const [name, { tag }] of rows) if (givenTo.has(tag)) assert.equal(givenTo.get(tag), name);
});

test("[MESSAGE-2] every kind above internal is sealed", () => {
  // SECURITY: the bus host would read the payload of a kind that is not.
  for (const [name, row] of rows) {
    const above = row.level === "profile-scoped" || row.level === "secrets-only";
    if (above) assert.ok(row.form === "request" && row.sealed, name);
  }
});

test("[MESSAGE-2] a kind that carries a secret is sealed and secrets-only", () => {
  const holdsSecret = (node: Node): boolean => {
    if (node.type === "secret") return true;
    if (node.type === "list" || node.type === "nullable") return holdsSecret(node.of);
    return node.type === "struct" && Object.values(node.fields).some(holdsSecret);
  };
  let found = 0;
  for (const [name, row] of rows) {
    const secret = holdsSecret(row.params) || (row.form === "request" && holdsSecret(row.result));
    if (!secret) continue;
    found++;
    assert.ok(row.form === "request" && row.sealed && row.level === "secrets-only", name);
  }
  assert.ok(found >= 5);
});

test("[MESSAGE-3] every kind names who answers it and what that takes", () => {
  for (const [name, row] of rows) {
    assert.ok(isTopicName(name), name);
    if (row.form === "event") {
      assert.ok(row.from === BUS_HOST || row.from === VAULT_OWNER, name);
      continue;
    }
    assert.ok([BUS_HOST, VAULT_OWNER, LAUNCHER, "*"].includes(row.owner), name);
    const { needs } = row;
    assert.ok(needs === null || needs === "daemon" || CAPABILITIES.includes(needs), name);
    assert.ok(row.deadlineMs > 0 && row.deadlineMs <= 600_000, name);
    // Nobody who is not registered reaches an owner through a seal.
    if (row.sealed) assert.ok(needs !== null || row.level !== "open", name);
    if (row.level === "secrets-only") assert.equal(row.audit, "always", name);
  }
  assert.ok(MAX_ENVELOPE_BYTES >= 1024 * 1024);
});

test("[MESSAGE-4] the log's copy of a message holds none of its secrets", () => {
  // SECURITY: whoever reads a log must not find passwords and values in it.
  const password = new TextEncoder().encode("correct horse");
  const shown = redact(MESSAGES["vault.unlock"].params, { profile: "work", password });
  assert.deepEqual(shown, { profile: "work", password: "[13 secret bytes]" });
  const value = new Uint8Array(5);
  const fetched = redact(MESSAGES["secret.fetch"].result, { secrets: [{ name: "a", value }] });
  assert.deepEqual(fetched, { secrets: [{ name: "a", value: "[5 secret bytes]" }] });
});

test("[MESSAGE-4] no byte string of any message reaches the log", () => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(...rows)
        .chain(([, { params }]) => fc.tuple(fc.constant(params as Node), arbitraryOf(params))),
      ([schema, value]) => {
        const holdsBytes = (given: unknown): boolean =>
          given instanceof Uint8Array ||
          (typeof given === "object" && given !== null && Object.values(given).some(holdsBytes));
        assert.ok(!holdsBytes(redact(schema, value)));
      },
    ),
    { numRuns: RUNS },
  );
});
