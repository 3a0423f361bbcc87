import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import {
  draftGrant,
  parseScope,
  signGrant,
  type Grant,
  type PointOfUse,
  type SignedGrant,
} from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { NO_TRUST, type AuditRecord, type Identity } from "@sesame/core-types";
import { Refusal, type Permit } from "../bus/gate.ts";
import { identity } from "../testing/pair.ts";
import { GrantKeeper } from "./grant-keeper.ts";
import { GrantStore } from "./grant-store.ts";

const seed = new Uint8Array(new ArrayBuffer(32)).fill(1);
const member = (name: string, changes: Partial<Identity> = {}): Identity => ({
  ...identity(name),
  id: randomUUID(),
  ...changes,
});
const operator = member("operator", {
  capabilities: ["admin"],
  signingKey: suite.ed25519PublicKey(seed),
});
const ci = member("ci");
const own = member("daemon-secrets", { kind: "daemon" });
const installation = {
  id: randomUUID(),
  rootKey: new Uint8Array(32),
  serial: 1,
  identities: [operator, ci, own],
  tokens: [],
};

let folder: string;
let path: string;
let bootMs: number;
let audit: (records: AuditRecord[]) => Promise<void>;
let records: AuditRecord[];
let ended: string[];
let logged: string[];
let asks: number;
let program: PointOfUse | null;
let posture = 0;
let keeper: GrantKeeper;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sesame-grants-"));
  path = join(folder, "grants.state");
  bootMs = 1_000_000;
  records = [];
  ended = [];
  logged = [];
  asks = 0;
  program = null;
  audit = (more) => Promise.resolve(void records.push(...more));
  keeper = open();
});

afterEach(async () => {
  await keeper.close().catch(() => undefined);
  rmSync(folder, { recursive: true });
});

function open(
  bootId: string | null = "one",
  record = installation,
  file: string = path,
): GrantKeeper {
  return new GrantKeeper({
    path: file,
    suite,
    own,
    installation: record,
    bootId,
    now: () => ({ wallMs: 1_763_000_000_000 + bootMs, bootMs }),
    posture,
    log: (_level, event) => void logged.push(event),
    programOf: async () => {
      asks += 1;
      return program;
    },
    audit: (more) => audit(more),
    ended: (id, why) => void ended.push(`${id} ${why}`),
  });
}

function given(changes: Partial<Grant> = {}): SignedGrant {
  const draft = draftGrant(
    {
      installation: installation.id,
      delegator: operator.id,
      delegatee: ci.id,
      kind: "service",
      parent: null,
      scope: parseScope("secret-read:ci/*"),
    },
    { wallMs: 1_763_000_000_000 + bootMs, random: (length) => suite.randomBytes(length) },
  );
  return signGrant({ ...draft, ...changes }, (message) => suite.ed25519Sign(seed, message));
}

const asked = {
  session: new Uint8Array(16),
  trust: { ...NO_TRUST, authentication: "key", posture: 100 },
  about: () => ({ profile: "work", names: ["ci/token"] }),
} as const;

async function permit(of = keeper): Promise<Permit> {
  const found = await of.permit(ci, "secret-read", asked);
  assert.ok(typeof found === "object" && found !== null, String(found));
  return found;
}

const refusedAs = (reason: string) => (cause: unknown) =>
  cause instanceof Refusal && cause.code === "capability-missing" && cause.reason === reason;

test("[AUTH-31] what was acknowledged is there after a crash", async () => {
  // SECURITY: who can crash an owner would have back what was revoked or used up.
  const once = given({ maxUses: 1 });
  const other = given();
  await keeper.issue([once], operator);
  await keeper.issue([other], operator);
  await keeper.revoke(other.grant.id, operator);
  assert.equal(open().size, 1);
  assert.deepEqual(await (await permit()).use(), [once.grant.id]);
  const after = open();
  assert.equal(await after.permit(ci, "secret-read", asked), null);
  for (const chain of [[once], [other]])
    await assert.rejects(after.issue(chain, operator), refusedAs("replayed"));
});

/** What was acknowledged of a grant: how often it may still be used, null for ever; 0: it ended. */
type Promised = { readonly chain: SignedGrant[]; readonly left: number | null };

/** What a kill at some byte of a write leaves: a part of it, or the one or the other file. */
function leftBy(before: Buffer, after: Buffer): Buffer[] {
  if (!after.subarray(0, before.length).equals(before)) return [before, after];
  const added = after.length - before.length;
  const cuts = [0, 1, 4, 15, 16, 17, added >> 1, added - 32, added - 1, added];
  return cuts
    .filter((cut) => cut >= 0 && cut <= added)
    .map((cut) => after.subarray(0, before.length + cut));
}

test("[AUTH-47] killed at any write, it loses no acknowledged change and revives nothing", async () => {
  // SECURITY: who can crash an owner would have back what was revoked or used up.
  const act = fc.record({
    do: fc.constantFrom("issue" as const, "use" as const, "revoke" as const),
    at: fc.nat({ max: 5 }),
    uses: fc.constantFrom(null, 1, 2),
    restart: fc.boolean(),
  });
  const check = async (file: Buffer, promised: readonly Promised[], meant: number) => {
    const copy = join(folder, "copy.state");
    writeFileSync(copy, file);
    const after = open("one", installation, copy);
    assert.ok(after.intact);
    const held = new Map(
      after.list(operator, null, 99).map(({ signed, usesLeft }) => [signed.grant.id, usesLeft]),
    );
    for (const [i, { chain, left }] of promised.entries()) {
      const id = chain[0]?.grant.id ?? "";
      if (left === 0) {
        assert.ok(!held.has(id), "what has ended lives");
        await assert.rejects(after.issue(chain, operator), refusedAs("replayed"));
      } else if (i !== meant) assert.equal(held.get(id), left);
    }
    await after.close();
  };
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 8 }), async (acts) => {
      await keeper.close();
      rmSync(path, { force: true });
      keeper = open();
      await keeper.save();
      const promised: Promised[] = [];
      for (const { do: what, at, uses, restart } of acts) {
        const before = readFileSync(path);
        const known = [...promised];
        const one = promised[at];
        const id = one?.chain[0]?.grant.id ?? "";
        if (what === "issue") {
          const chain = [given({ maxUses: uses })];
          assert.equal(await keeper.issue(chain, operator), true);
          promised.push({ chain, left: uses });
        } else if (one === undefined || one.left === 0) continue;
        else if (what === "revoke") {
          assert.equal(await keeper.revoke(id, operator), true);
          promised[at] = { ...one, left: 0 };
        } else {
          const found = await permit();
          const drawn = await found.use();
          for (const [i, { chain, left }] of promised.entries())
            if (drawn.includes(chain[0]?.grant.id ?? "") && left !== null)
              promised[i] = { chain, left: left - 1 };
        }
        const changed = promised.findIndex((now, i) => now !== known[i]);
        const after = readFileSync(path);
        for (const left of leftBy(before, after)) await check(left, known, changed);
        await check(after, promised, -1);
        if (!restart) continue;
        await keeper.close();
        keeper = open();
      }
    }),
    { numRuns: 25 },
  );
});

test("[AUTH-47] changes that come during a write share the next one", async () => {
  await keeper.save();
  const first = keeper.issue([given()], operator);
  await new Promise(setImmediate);
  const more = Array.from({ length: 20 }, () => keeper.issue([given()], operator));
  await Promise.all([first, ...more]);
  assert.equal(new GrantStore(suite, path).load()?.changes.length, 2);
  assert.equal(open().size, 21);
});

test("[AUTH-47] who is told that a grant has ended already is told once that is on disk", async () => {
  // SECURITY: a crash would bring back what somebody was told is over.
  const one = given();
  await keeper.issue([one], operator);
  const first = keeper.revoke(one.grant.id, operator);
  assert.equal(await keeper.revoke(one.grant.id, operator), false);
  assert.equal(open().size, 0);
  assert.equal(await first, true);
});

test("[AUTH-47] who asks again after a write that failed is told once the end is on disk", async () => {
  // SECURITY: a revocation would be taken for done, and a crash would bring back the grant.
  const one = given();
  await keeper.issue([one], operator);
  const aside = `${folder}.full`;
  renameSync(folder, aside);
  const failed = { code: "storage-failed" };
  await assert.rejects(keeper.revoke(one.grant.id, operator), failed);
  await assert.rejects(keeper.revoke(one.grant.id, operator), failed);
  renameSync(aside, folder);
  assert.equal(await keeper.revoke(one.grant.id, operator), false);
  assert.equal(open().size, 0);
});

test("[AUTH-41] a grant that comes as another one ends is new, and not in force if it is not stored", async () => {
  // SECURITY: a grant whose delegator was told that there is none would live.
  await keeper.issue([given({ ttlMs: 5_000 })], operator);
  bootMs += 5_000;
  assert.equal(await keeper.issue([given({ ttlMs: 5_000 })], operator), true);
  bootMs += 5_000;
  rmSync(folder, { recursive: true });
  await assert.rejects(keeper.issue([given()], operator), { code: "storage-failed" });
  assert.equal(keeper.size, 0);
  mkdirSync(folder, { mode: 0o700 });
});

test("[PANIC-2] a panic ends every grant, for good", async () => {
  // SECURITY: who holds a grant would go on after the operator has locked everything.
  const grants = [given(), given({ heartbeatMs: 1_000 }), given()];
  for (const grant of grants) await keeper.issue([grant], operator);
  keeper.endAll();
  assert.equal(keeper.size, 0);
  assert.equal(typeof (await keeper.permit(ci, "secret-read", asked)), "string");
  assert.deepEqual(ended.toSorted(), grants.map(({ grant }) => `${grant.id} revoked`).toSorted());
  await keeper.save();
  const after = open();
  assert.equal(after.size, 0);
  for (const grant of grants)
    await assert.rejects(after.issue([grant], operator), refusedAs("replayed"));
});

test("[AUTH-29] of two calls at once on a last use one goes on", async () => {
  // SECURITY: a limit on uses would be a limit on patience.
  await keeper.issue([given({ maxUses: 1 })], operator);
  const [one, two] = [await permit(), await permit()];
  const results = await Promise.allSettled([one.use(), two.use(), one.use()]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
    "a call takes its use once",
  );
});

test("[AUTH-41] what cannot be stored is not acknowledged, and not in force", async () => {
  await keeper.issue([given({ maxUses: 2 })], operator);
  const before = readFileSync(path);
  rmSync(folder, { recursive: true });
  const failed = { code: "storage-failed" };
  await assert.rejects(keeper.issue([given()], operator), failed);
  await assert.rejects((await permit()).use(), failed);
  assert.equal(keeper.size, 1);
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(path, before);
  assert.equal(open().size, 1);
});

test("[AUTH-41] a damaged state is kept, and no grant is taken", async () => {
  // SECURITY: damage would otherwise be a way to begin with a ledger that remembers nothing.
  await keeper.issue([given()], operator);
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += 7) {
    const state = Buffer.from(whole);
    state[at] = (state[at] ?? 0) ^ 4;
    writeFileSync(path, state);
    const damaged = open();
    assert.equal(damaged.intact, false);
    assert.equal(await damaged.permit(ci, "secret-read", asked), "ledger-damaged");
    await assert.rejects(damaged.issue([given()], operator), refusedAs("ledger-damaged"));
    assert.deepEqual(damaged.list(operator, null, 9), []);
    await damaged.close();
    assert.deepEqual(readFileSync(path), state);
  }
  assert.match(logged[0] ?? "", /grants\.state is damaged/);
});

test("[AUTH-45] every end is on record once, also if the log could not be written at first", async () => {
  // SECURITY: a full disk would hide that somebody lost, or never lost, a right.
  const one = given();
  await keeper.issue([one], operator);
  audit = () => Promise.reject(new Error("ENOSPC"));
  await keeper.revoke(one.grant.id, operator);
  const two = given({ heartbeatMs: 1_000 });
  await keeper.issue([two], operator);
  audit = (more) => Promise.resolve(void records.push(...more));
  bootMs += 2_000;
  assert.equal(await keeper.permit(ci, "secret-read", asked), "heartbeat-missed");
  // The keeper's own tick may be recording at this moment; the next one has the rest.
  while (records.length < 2) await new Promise(setImmediate);
  assert.deepEqual(
    records.map(({ action, outcome, object, caller }) => [action, outcome, object, caller]),
    [
      ["grant.end", "revoked", `grant:${one.grant.id} to ci`, own.name],
      ["grant.end", "heartbeat-missed", `grant:${two.grant.id} to ci`, own.name],
    ],
  );
  assert.deepEqual(ended, [`${one.grant.id} revoked`, `${two.grant.id} heartbeat-missed`]);
});

test("[AUTH-45] an end that a crash kept off the record is on it after the next start", async () => {
  // SECURITY: who kills the owner at the right instant would hide that a right was taken away.
  const [one, two, last] = [given(), given(), given()];
  for (const grant of [one, two, last]) await keeper.issue([grant], operator);
  // It is killed while it waits for the log.
  audit = () => Promise.withResolvers<void>().promise;
  await keeper.revoke(one.grant.id, operator);
  const state = readFileSync(path);
  await keeper.revoke(two.grant.id, operator);
  // Between the two files: the second grant has not ended.
  const left = join(folder, "left.state");
  writeFileSync(left, state);
  writeFileSync(`${left}.ends`, readFileSync(`${path}.ends`));
  audit = (more) => Promise.resolve(void records.push(...more));
  const next = open("one", installation, left);
  assert.equal(next.size, 2);
  await next.revoke(last.grant.id, operator);
  await next.close();
  const recordedOf = ({ grant }: SignedGrant): number =>
    records.filter(({ object }) => object === `grant:${grant.id} to ci`).length;
  assert.deepEqual([one, two, last].map(recordedOf), [1, 0, 1]);
  // Recorded, and on disk as recorded: another start has nothing to say.
  const again = open("one", installation, left);
  await again.revoke(two.grant.id, operator);
  await again.close();
  assert.deepEqual([one, two, last].map(recordedOf), [1, 1, 1]);
});

test("[AUTH-45] a damaged list of ends is told, and keeps nobody from starting", async () => {
  await keeper.close();
  writeFileSync(`${path}.ends`, "not one of ours");
  await open().close();
  assert.match(logged.join(), /grants\.state\.ends is damaged/);
});

test("[AUTH-31] where the machine's start has no name, every start of the daemon is one", async () => {
  await keeper.issue([given()], operator);
  assert.equal(open(null).size, 0);
  assert.match(logged.join(), /the machine's start has no name/);
});

test("[AUTH-42] who is suspended loses what was given, and resuming brings it not back", async () => {
  // SECURITY: an agent under suspicion would go on with what it was given.
  for (const name of ["ci", "operator"]) {
    await keeper.issue([given()], operator);
    const identities = installation.identities.map((one) =>
      one.name === name ? { ...one, state: "suspended" as const } : one,
    );
    keeper.adopt({ ...installation, identities });
    assert.equal(keeper.size, 0);
    await assert.rejects(keeper.issue([given()], operator), refusedAs("identity-revoked"));
    keeper.adopt(installation);
    assert.equal(await keeper.permit(ci, "secret-read", asked), "revoked");
  }
});

test("[AUTH-42] an id that two identities bear is nobody's", async () => {
  // SECURITY: a grant would serve whoever of the two asks.
  const twin = member("twin", { id: ci.id });
  const record = { ...installation, identities: [...installation.identities, twin] };
  await assert.rejects(
    open("one", record).issue([given()], operator),
    refusedAs("identity-unknown"),
  );
});

test("[AUTH-25] heartbeats are stored in time, without a write for each", async () => {
  const one = given({ heartbeatMs: 30_000 });
  await keeper.issue([one], operator);
  const before = readFileSync(path);
  bootMs += 25_000;
  assert.deepEqual(keeper.heartbeat([one.grant.id], ci), []);
  assert.deepEqual(readFileSync(path), before);
  await keeper.close();
  bootMs += 50_000;
  assert.equal(open().size, 1);
});

test("[ENROL-15] grants from and to a suspended identity end, and stay ended", async () => {
  // SECURITY: an agent under suspicion would go on through the agents that it has let in.
  await keeper.issue([given()], operator);
  await permit();
  const held = (name: string) => ({
    ...installation,
    identities: [operator, ci, own].map((one) =>
      one.name === name ? { ...one, state: "suspended" as const } : one,
    ),
  });
  keeper.adopt(held("operator"));
  assert.notEqual(typeof (await keeper.permit(ci, "secret-read", asked)), "object");
  keeper.adopt(installation);
  assert.notEqual(typeof (await keeper.permit(ci, "secret-read", asked)), "object");
  await keeper.issue([given()], operator);
  await permit();
  keeper.adopt(held("ci"));
  assert.notEqual(typeof (await keeper.permit(ci, "secret-read", asked)), "object");
});

test("[ENROL-17] a grant outlives its delegator's new keys, and ends with the former one", async (t) => {
  // SECURITY: who holds a key that was given up would go on through what it signed before.
  t.mock.timers.enable({ apis: ["setInterval"] });
  await keeper.close();
  keeper = open();
  await keeper.issue([given()], operator);
  const fresh = suite.ed25519PublicKey(new Uint8Array(new ArrayBuffer(32)).fill(2));
  const { noiseKey, sealingKey, signingKey } = operator;
  const untilMs = 1_763_000_000_000 + bootMs + 5_000;
  const rotated = {
    ...operator,
    signingKey: fresh,
    former: [{ noiseKey, sealingKey, signingKey, untilMs }],
  };
  keeper.adopt({ ...installation, identities: [rotated, ci, own] });
  await permit();
  await keeper.issue([given()], rotated);
  bootMs += 4_000;
  t.mock.timers.tick(2_000);
  await permit();
  bootMs += 1_000;
  t.mock.timers.tick(2_000);
  assert.notEqual(typeof (await keeper.permit(ci, "secret-read", asked)), "object");
  await assert.rejects(keeper.issue([given()], rotated), refusedAs("signature-invalid"));
});

test("[AUTH-20] a program is asked for where a grant that would do demands one, and counts", async () => {
  // SECURITY: a grant for one program would serve whatever else runs in the delegatee's name.
  const sha256 = new Uint8Array(32).fill(7);
  const pointOfUse = { path: "/usr/bin/deploy", sha256 };
  await keeper.issue([given({ pointOfUse, scope: parseScope("secret-read:ci/*") })], operator);
  await keeper.issue([given({ scope: parseScope("secret-read:open/*") })], operator);
  const ask = (...names: string[]) =>
    keeper.permit(ci, "secret-read", { ...asked, about: () => ({ profile: "work", names }) });
  const outcome = (of: Awaited<ReturnType<typeof ask>>) => (typeof of === "object" ? "yes" : of);

  assert.equal(outcome(await ask("open/a")), "yes");
  assert.equal(asks, 0, "who needs no such grant is not waited for");
  assert.equal(outcome(await ask("ci/token")), "capability-not-granted");
  program = { ...pointOfUse, sha256: new Uint8Array(32) };
  assert.equal(outcome(await ask("ci/token")), "capability-not-granted");
  program = { ...pointOfUse, path: "/tmp/deploy" };
  assert.equal(outcome(await ask("ci/token")), "capability-not-granted");
  program = pointOfUse;
  assert.equal(outcome(await ask("ci/token")), "yes");
  assert.equal(outcome(await ask("ci/token")), "yes");
  assert.equal(asks, 5, "each time");
});

test("[AUTH-52] [TRUST-4] a posture is the lesser of the bus's word and the owner's own measure", async () => {
  // SECURITY: a lying bus would let grants be used that demand better kept keys than there are.
  const minimum = { authentication: "key", posture: 75 } as const;
  await keeper.issue([given({ minimum })], operator);
  const ask = async (measured: number, said: number) => {
    posture = measured;
    await keeper.close();
    keeper = open();
    const trust = { ...asked.trust, posture: said };
    const found = await keeper.permit(ci, "secret-read", { ...asked, trust });
    return typeof found === "object" ? "served" : found;
  };
  assert.equal(await ask(50, 100), "trust-too-low");
  assert.equal(await ask(100, 50), "trust-too-low");
  assert.equal(await ask(75, 75), "served");
});
