import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditActor, AuditEvent } from "@sesame/core-audit";
import { BLOCKED, type Holder, type Peer } from "@sesame/core-ipc/server";
import { NO_TRUST } from "@sesame/core-types";
import { Recorder, type Reported } from "./recorder.ts";
import { REFUSALS_PER_MINUTE } from "./refusals.ts";

const SELF: AuditActor = {
  name: "daemon-profile",
  identity: "id-bus",
  session: null,
  pid: 7,
  uid: 1000,
  exe: "/bin/node",
  unit: null,
};
const PEER: Peer = {
  pid: 42,
  uid: 1000,
  gid: 1000,
  certain: true,
  executable: "/bin/agent",
  sha256: null,
  unit: "agent.service",
};
const session = new Uint8Array(16).fill(1);
const HOLDER: Holder = {
  peer: PEER,
  sender: { name: "ci", session, kind: "ai", clearance: "internal", trust: NO_TRUST },
  key: new Uint8Array(32),
};

function bench(): { recorder: Recorder; entries: AuditEvent[] } {
  const entries: AuditEvent[] = [];
  const recorder = new Recorder({
    audit: {
      append: (event) => Promise.resolve(entries.push(event)),
      get sequence() {
        return entries.length;
      },
    },
    clock: { monotonicMs: () => 0 },
    log: () => undefined,
    self: SELF,
    idOf: (name) => `id-${name}`,
    holderOf: () => HOLDER,
  });
  return { recorder, entries };
}

const report = (changes: Partial<Reported> = {}): Reported => ({
  session,
  caller: "other",
  action: "secret.get",
  profile: "work",
  object: null,
  outcome: "ok",
  ...changes,
});

test("an entry has the name that a daemon saw proved, and the identity of the connection", async () => {
  // SECURITY: an agent with two identities would have one answer for what it does as the other.
  const { recorder, entries } = bench();
  await recorder.reported("daemon-secrets", report());
  const { actor } = entries[0] ?? {};
  assert.deepEqual(
    [actor?.name, actor?.identity, actor?.pid, actor?.by],
    ["other", "id-ci", 42, "daemon-secrets"],
  );
});

test("what a daemon does by itself is its own, and nobody's process", async () => {
  const { recorder, entries } = bench();
  const caller = "daemon-secrets";
  await recorder.reported(caller, report({ session: null, caller }));
  const { actor } = entries[0] ?? {};
  assert.deepEqual(
    [actor?.name, actor?.identity, actor?.pid, actor?.by],
    [caller, `id-${caller}`, 0, undefined],
  );
});

test("refusals beyond their number are counted; what the operator did to a connection is not", async () => {
  // SECURITY: a refused client would fill the disk, or keep the end of its connection off the record.
  const { recorder, entries } = bench();
  const refused = report({ outcome: "refused:capability-missing" });
  const attempts = REFUSALS_PER_MINUTE + 5;
  for (let i = 0; i < attempts; i++) await recorder.calls([refused]);
  assert.equal(entries.length, REFUSALS_PER_MINUTE);
  const incident = { action: "bus.connection", object: null, peer: PEER, name: "ci", session };
  recorder.incident({ ...incident, outcome: BLOCKED });
  recorder.suppressed();
  const [, more] = entries.slice(REFUSALS_PER_MINUTE);
  assert.deepEqual([more?.action, more?.object], ["bus.refusals", "5 more"]);
  assert.equal(more?.actor?.name, "ci");
});
