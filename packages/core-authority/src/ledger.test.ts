import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityError } from "./errors.ts";
import type { Grant, SignedGrant } from "./grant.ts";
import { Ledger, type LedgerOptions, type Now } from "./ledger.ts";
import { MAX_CHAIN } from "./limits.ts";
import {
  counting,
  grantFrom,
  HandClock,
  Member,
  MINUTE_MS,
  numbered,
  START_MS,
} from "./testing/fixture.ts";

const operator = new Member(1, ["admin"]);
const agent = new Member(2, []);
const helper = new Member(3, []);
const stranger = new Member(4, []);

const BOOT: LedgerOptions = { bootId: "first" };
const HOUR_MS = 60 * MINUTE_MS;

/** A ledger, its clock and a way to put grants into it. */
function bench(options: LedgerOptions = BOOT): {
  clock: HandClock;
  ledger: Ledger;
  make: (from: Member, to: Member, changes?: Partial<Grant>) => SignedGrant;
  put: (from: Member, to: Member, changes?: Partial<Grant>) => SignedGrant;
} {
  const clock = new HandClock();
  const ledger = new Ledger(options, clock.now());
  const random = counting();
  const make = (from: Member, to: Member, changes: Partial<Grant> = {}): SignedGrant =>
    from.sign({ ...grantFrom(random, from, to), issuedAtMs: clock.wallMs, ...changes });
  const put: typeof make = (from, to, changes) => {
    const signed = make(from, to, changes);
    assert.equal(ledger.issue(signed, clock.now()), null);
    return signed;
  };
  return { clock, ledger, make, put };
}

function state(ledger: Ledger, signed: SignedGrant, clock: HandClock): string {
  const standing = ledger.standing(signed, clock.now());
  return standing.live ? "live" : standing.reason;
}

test("[AUTH-24] a grant ends when its time is over by either clock, whichever is first", () => {
  // SECURITY: setting the wall clock back would prolong every grant.
  const long = { ttlMs: HOUR_MS, heartbeatMs: 15 * MINUTE_MS };
  const alive = (): ReturnType<typeof bench> & { signed: SignedGrant } => {
    const set = bench();
    return { ...set, signed: set.put(operator, agent, long) };
  };
  const beat = ({ clock, ledger, signed }: ReturnType<typeof alive>, minutes: number): void => {
    for (let i = 0; i < minutes; i += 10) {
      clock.pass(10 * MINUTE_MS);
      ledger.heartbeat(signed.grant.id, agent.id, clock.now());
    }
  };
  const ends = ({ clock, ledger }: ReturnType<typeof alive>): string[] =>
    ledger.tick(clock.now()).map(({ why }) => why);
  const plain = alive();
  beat(plain, 50);
  plain.clock.pass(10 * MINUTE_MS - 1);
  assert.deepEqual(ends(plain), []);
  plain.clock.pass(1);
  assert.deepEqual(ends(plain), ["expired"]);

  const back = alive();
  back.clock.wallMs -= 30 * MINUTE_MS;
  beat(back, 50);
  back.clock.pass(10 * MINUTE_MS - 1);
  assert.deepEqual(ends(back), []);
  back.clock.pass(1);
  assert.deepEqual(ends(back), ["expired"]);

  const forward = alive();
  forward.clock.wallMs += HOUR_MS;
  assert.deepEqual(ends(forward), ["expired"]);
  forward.clock.wallMs -= HOUR_MS;
  assert.equal(state(forward.ledger, forward.signed, forward.clock), "expired");
});

test("[AUTH-24] a grant that is registered late does not last longer for it", () => {
  const { clock, ledger, make } = bench();
  const signed = make(operator, agent, { ttlMs: HOUR_MS, heartbeatMs: 15 * MINUTE_MS });
  clock.pass(50 * MINUTE_MS);
  assert.equal(ledger.issue(signed, clock.now()), null);
  clock.wallMs -= 50 * MINUTE_MS;
  clock.pass(10 * MINUTE_MS - 1);
  assert.equal(state(ledger, signed, clock), "live");
  clock.pass(1);
  assert.equal(state(ledger, signed, clock), "expired");
});

test("[AUTH-24] every operation first ends what is due", () => {
  // SECURITY: a grant whose time is over could be used, prolonged or counted once more.
  const by = { id: operator.id, admin: false };
  const operations: readonly ((ledger: Ledger, signed: SignedGrant, now: Now) => unknown)[] = [
    (ledger, signed, now) => assert.equal(ledger.issue(signed, now), "replayed"),
    (ledger, { grant }, now) =>
      assert.equal(ledger.heartbeat(grant.id, agent.id, now), "heartbeat-missed"),
    (ledger, { grant }, now) =>
      assert.equal(ledger.use(grant.id, agent.id, now), "heartbeat-missed"),
    (ledger, { grant }, now) => assert.equal(ledger.revoke(grant.id, by, now), "heartbeat-missed"),
    (ledger, _, now) => assert.equal(ledger.revokeIdentity(agent.id, by, now), "not-permitted"),
    (ledger, signed, now) => assert.equal(ledger.standing(signed, now).live, false),
    (ledger, _, now) => assert.equal(ledger.tick(now).length, 1),
    (ledger, _, now) =>
      assert.equal(Ledger.restore(BOOT, ledger.serialise(), now).living, 0, "and so a restart"),
  ];
  for (const operation of operations) {
    const { clock, ledger, put } = bench();
    const signed = put(operator, agent);
    clock.pass(2 * MINUTE_MS - 1);
    ledger.tick(clock.now());
    assert.equal(ledger.living, 1);
    operation(ledger, signed, clock.pass(1));
  }
});

test("[AUTH-24] of the time and the silence that end a grant, what came first is the reason", () => {
  const cases = [
    [2 * MINUTE_MS - 1, "expired"],
    [2 * MINUTE_MS, "expired"],
    [2 * MINUTE_MS + 1, "heartbeat-missed"],
  ] as const;
  for (const [ttlMs, expected] of cases) {
    const { clock, ledger, put } = bench();
    put(operator, agent, { ttlMs });
    clock.pass(HOUR_MS);
    assert.deepEqual(
      ledger.tick(clock.now()).map(({ why }) => why),
      [expected],
    );
  }
});

test("[AUTH-25] two intervals without a heartbeat end a grant, suspend included", () => {
  // SECURITY: an agent that is gone would leave its rights behind.
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent);
  clock.pass(2 * MINUTE_MS - 1);
  assert.equal(ledger.heartbeat(signed.grant.id, agent.id, clock.now()), null);
  clock.pass(2 * MINUTE_MS - 1);
  assert.equal(state(ledger, signed, clock), "live");
  clock.pass(1);
  assert.equal(state(ledger, signed, clock), "heartbeat-missed");
  assert.equal(ledger.heartbeat(signed.grant.id, agent.id, clock.now()), "heartbeat-missed");
  const asleep = put(operator, agent);
  clock.bootMs += 10 * MINUTE_MS;
  assert.equal(state(ledger, asleep, clock), "heartbeat-missed");
});

test("[AUTH-25] only the delegatee's heartbeats count", () => {
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent);
  clock.pass(MINUTE_MS);
  for (const other of [operator, helper])
    assert.equal(ledger.heartbeat(signed.grant.id, other.id, clock.now()), "not-delegatee");
  assert.equal(ledger.heartbeat(numbered(99), agent.id, clock.now()), "not-registered");
  clock.pass(MINUTE_MS);
  assert.equal(state(ledger, signed, clock), "heartbeat-missed");
});

test("[AUTH-26] what was found dead stays dead, without a tick, whatever the clocks do", () => {
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent, { ttlMs: HOUR_MS });
  clock.bootMs += 2 * MINUTE_MS;
  assert.equal(state(ledger, signed, clock), "heartbeat-missed");
  clock.bootMs -= 2 * MINUTE_MS;
  assert.equal(state(ledger, signed, clock), "heartbeat-missed");
  assert.equal(ledger.heartbeat(signed.grant.id, agent.id, clock.now()), "heartbeat-missed");
  assert.equal(ledger.use(signed.grant.id, agent.id, clock.now()), "heartbeat-missed");
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  assert.equal(
    ledger.revoke(signed.grant.id, { id: operator.id, admin: true }, clock.now()),
    "heartbeat-missed",
  );
});

test("clocks that give no number are refused", () => {
  const { clock, ledger } = bench();
  for (const broken of [{ wallMs: Number.NaN }, { bootMs: Number.POSITIVE_INFINITY }])
    assert.throws(() => ledger.tick({ ...clock.now(), ...broken }), RangeError);
});

test("[AUTH-27] the end of a grant ends all below it, and each end is told once", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const child = put(agent, helper, { parent: root.grant.id });
  const grandchild = put(helper, stranger, { parent: child.grant.id });
  const other = put(operator, helper);
  assert.deepEqual(ledger.tick(clock.now()), []);
  assert.equal(ledger.living, 4);
  const by = { id: operator.id, admin: false };
  assert.equal(ledger.revoke(root.grant.id, by, clock.now()), null);
  assert.equal(ledger.living, 1);
  assert.equal(state(ledger, root, clock), "revoked");
  assert.equal(state(ledger, child, clock), "parent-ended");
  assert.equal(state(ledger, grandchild, clock), "parent-ended");
  assert.equal(state(ledger, other, clock), "live");
  const origin = root.grant.id;
  const common = { origin, by: operator.id };
  assert.deepEqual(ledger.tick(clock.now()), [
    { id: origin, delegator: operator.id, delegatee: agent.id, why: "revoked", ...common },
    {
      id: child.grant.id,
      delegator: agent.id,
      delegatee: helper.id,
      why: "parent-ended",
      ...common,
    },
    {
      id: grandchild.grant.id,
      delegator: helper.id,
      delegatee: stranger.id,
      why: "parent-ended",
      ...common,
    },
  ]);
  assert.deepEqual(ledger.tick(clock.now()), []);
});

test("[AUTH-27] ends are told in the order in which they were due", () => {
  const { clock, ledger, put } = bench();
  const slow = put(operator, agent, { heartbeatMs: 90_000 });
  const late = put(operator, helper);
  clock.pass(100_000);
  assert.equal(ledger.heartbeat(late.grant.id, helper.id, clock.now()), null);
  clock.pass(HOUR_MS);
  assert.deepEqual(
    ledger.tick(clock.now()).map(({ id }) => id),
    [slow.grant.id, late.grant.id],
  );
});

test("[AUTH-27] below a grant that ended nothing new is registered", () => {
  const { clock, ledger, put, make } = bench();
  const root = put(operator, agent);
  const late = make(agent, helper, { parent: root.grant.id });
  ledger.revoke(root.grant.id, { id: operator.id, admin: false }, clock.now());
  assert.equal(ledger.issue(late, clock.now()), "parent-ended");
  assert.equal(
    ledger.issue(make(agent, helper, { parent: numbered(9) }), clock.now()),
    "not-registered",
  );
  const second = put(operator, agent);
  const foreign = make(helper, stranger, { parent: second.grant.id });
  assert.equal(ledger.issue(foreign, clock.now()), "link-broken");
});

test("[AUTH-28] delegators of the chain and administrators revoke, nobody else", () => {
  // SECURITY: an agent could end the grants of another one, or a revocation could be ignored.
  const attempt = (by: Member, admin: boolean): string => {
    const { clock, ledger, put } = bench();
    const root = put(operator, agent);
    const leaf = put(agent, helper, { parent: root.grant.id });
    const reason = ledger.revoke(leaf.grant.id, { id: by.id, admin }, clock.now());
    assert.equal(state(ledger, leaf, clock), reason === null ? "revoked" : "live");
    assert.equal(state(ledger, root, clock), "live");
    return reason ?? "revoked";
  };
  assert.equal(attempt(agent, false), "revoked");
  assert.equal(attempt(operator, false), "revoked");
  assert.equal(attempt(stranger, true), "revoked");
  assert.equal(attempt(helper, false), "not-permitted");
  assert.equal(attempt(stranger, false), "not-permitted");
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const by = { id: agent.id, admin: false };
  assert.equal(ledger.revoke(root.grant.id, by, clock.now()), "not-permitted");
  assert.equal(ledger.revoke(numbered(9), { ...by, admin: true }, clock.now()), "not-registered");
});

test("[AUTH-28] the root's delegator revokes what is furthest below", () => {
  // SECURITY: what was handed on twice would be out of the reach of whoever it came from.
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const child = put(agent, helper, { parent: root.grant.id });
  const leaf = put(helper, stranger, { parent: child.grant.id });
  const by = { id: operator.id, admin: false };
  assert.equal(ledger.revoke(leaf.grant.id, by, clock.now()), null);
});

test("[AUTH-28] what has ended of an identity is in nobody's way who revokes the rest", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const own = put(agent, stranger);
  const revoke = (): string | null =>
    ledger.revokeIdentity(agent.id, { id: operator.id, admin: false }, clock.now());
  assert.equal(revoke(), "not-permitted", "its own grant is not the operator's");
  ledger.revoke(own.grant.id, { id: agent.id, admin: false }, clock.now());
  assert.equal(revoke(), null);
  assert.equal(state(ledger, root, clock), "revoked");
});

test("[AUTH-28] an identity is revoked with all that it was given and has given", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const child = put(agent, helper, { parent: root.grant.id });
  const own = put(agent, stranger);
  const other = put(operator, helper);
  const revoke = (by: Member, admin: boolean): string | null =>
    ledger.revokeIdentity(agent.id, { id: by.id, admin }, clock.now());
  assert.equal(revoke(operator, false), "not-permitted", "its own grant is not the operator's");
  assert.equal(revoke(stranger, false), "not-permitted");
  for (const signed of [root, child, own]) assert.equal(state(ledger, signed, clock), "live");
  assert.equal(revoke(operator, true), null);
  for (const signed of [root, child, own]) assert.notEqual(state(ledger, signed, clock), "live");
  assert.equal(state(ledger, other, clock), "live");
  assert.equal(ledger.tick(clock.now()).length, 3);
  assert.equal(revoke(operator, true), null);
  assert.equal(revoke(operator, false), "not-permitted");
});

test("[AUTH-29] a use counts for a grant and for every one above it", () => {
  // SECURITY: whoever may use something once would hand it on for a hundred times.
  const { clock, ledger, put } = bench();
  const root = put(operator, agent, { maxUses: 3 });
  const child = put(agent, helper, { parent: root.grant.id, maxUses: 100 });
  const unlimited = put(agent, stranger, { parent: root.grant.id });
  const use = (signed: SignedGrant, by: Member): string | null =>
    ledger.use(signed.grant.id, by.id, clock.now());
  assert.equal(use(child, agent), "not-delegatee");
  assert.equal(use(child, helper), null);
  assert.deepEqual(ledger.standing(child, clock.now()), { live: true, usesLeft: 99 });
  assert.deepEqual(ledger.standing(root, clock.now()), { live: true, usesLeft: 2 });
  assert.deepEqual(ledger.standing(unlimited, clock.now()), { live: true, usesLeft: null });
  assert.equal(use(unlimited, stranger), null);
  assert.equal(use(root, agent), null, "the last one");
  assert.equal(use(child, helper), "parent-ended");
  assert.equal(use(root, agent), "used-up");
  assert.deepEqual(
    ledger.tick(clock.now()).map(({ why }) => why),
    ["used-up", "parent-ended", "parent-ended"],
  );
  const once = put(operator, agent, { maxUses: 1 });
  assert.equal(use(once, agent), null);
  assert.equal(use(once, agent), "used-up");
});

test("[AUTH-29] a use counts up to the root, and of several last uses the root's is the cause", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent, { maxUses: 1 });
  const child = put(agent, helper, { parent: root.grant.id });
  const leaf = put(helper, stranger, { parent: child.grant.id, maxUses: 1 });
  assert.equal(ledger.use(leaf.grant.id, stranger.id, clock.now()), null);
  assert.deepEqual(
    ledger.tick(clock.now()).map(({ id, why, origin }) => [id, why, origin]),
    [
      [root.grant.id, "used-up", root.grant.id],
      [child.grant.id, "parent-ended", root.grant.id],
      [leaf.grant.id, "parent-ended", root.grant.id],
    ],
  );
});

test("[AUTH-22] a grant is alive only if it is the very one that was registered", () => {
  // SECURITY: a second grant with the id of a living one, but for more, would pass for it.
  const { clock, ledger, put, make } = bench();
  const signed = put(operator, agent);
  const other = make(operator, agent, { id: signed.grant.id });
  assert.deepEqual(ledger.standing(other, clock.now()), { live: false, reason: "grant-differs" });
  const unknown = make(operator, agent);
  assert.deepEqual(ledger.standing(unknown, clock.now()), {
    live: false,
    reason: "not-registered",
  });
});

test("[AUTH-30] a grant is registered once; the same again changes nothing", () => {
  const { clock, ledger, put, make } = bench();
  const signed = put(operator, agent, { maxUses: 2 });
  ledger.use(signed.grant.id, agent.id, clock.now());
  clock.pass(MINUTE_MS);
  assert.equal(ledger.issue(signed, clock.now()), null);
  assert.deepEqual(ledger.standing(signed, clock.now()), { live: true, usesLeft: 1 });
  clock.pass(MINUTE_MS);
  assert.equal(state(ledger, signed, clock), "heartbeat-missed", "showing it is no heartbeat");
  const sameId = make(operator, agent, { id: signed.grant.id });
  assert.equal(ledger.issue(sameId, clock.now()), "grant-differs");
  const sameNonce = make(operator, agent, { nonce: signed.grant.nonce });
  assert.equal(ledger.issue(sameNonce, clock.now()), "nonce-reused");
});

test("[AUTH-30] a grant that was registered never comes back, remembered or forgotten", () => {
  // SECURITY: an agent keeps its old grants; setting the clock back would make them good again.
  const { clock, ledger, put, make } = bench();
  const signed = put(operator, agent, { ttlMs: 5 * MINUTE_MS });
  ledger.revoke(signed.grant.id, { id: operator.id, admin: false }, clock.now());
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  clock.pass(5 * MINUTE_MS - 1);
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  assert.equal(ledger.size, 1);
  clock.pass(1);
  assert.equal(ledger.issue(signed, clock.now()), "expired");
  assert.equal(ledger.size, 0, "it is forgotten");
  clock.wallMs = START_MS + 1;
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  const behind = make(operator, agent, { ttlMs: 2 * MINUTE_MS });
  assert.equal(ledger.issue(behind, clock.now()), "replayed", "it would be over by now");
  assert.equal(ledger.issue(make(operator, agent), clock.now()), null);
});

test("[AUTH-30] nothing is forgotten before its time is over by both clocks", () => {
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent, { ttlMs: 5 * MINUTE_MS });
  clock.wallMs += HOUR_MS;
  ledger.tick(clock.now());
  assert.equal(ledger.size, 1);
  clock.wallMs -= HOUR_MS;
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  clock.bootMs += HOUR_MS;
  ledger.tick(clock.now());
  assert.equal(ledger.size, 1);
  assert.equal(ledger.issue(signed, clock.now()), "replayed");
  clock.pass(5 * MINUTE_MS);
  ledger.tick(clock.now());
  assert.equal(ledger.size, 0);
});

test("[AUTH-30] what is over by both clocks is forgotten with all of it, however it ended", () => {
  const { clock, ledger, put, make } = bench();
  const signed = put(operator, agent, { ttlMs: 5 * MINUTE_MS });
  clock.pass(2 * MINUTE_MS);
  assert.equal(state(ledger, signed, clock), "heartbeat-missed");
  clock.wallMs += HOUR_MS;
  ledger.tick(clock.now());
  assert.equal(ledger.size, 1);
  clock.bootMs += 3 * MINUTE_MS;
  ledger.tick(clock.now());
  assert.equal(ledger.size, 0);
  const sameNonce = make(operator, agent, { nonce: signed.grant.nonce });
  assert.equal(ledger.issue(sameNonce, clock.now()), null);
});

test("[AUTH-30] what is forgotten has no part in a later grant with its id", () => {
  // SECURITY: whoever knows the ids of old grants would have new ones end with what is not theirs.
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const child = put(agent, helper, { parent: root.grant.id, ttlMs: MINUTE_MS });
  clock.pass(MINUTE_MS);
  const later = put(operator, stranger, { id: child.grant.id });
  const by = { id: operator.id, admin: true };
  assert.equal(ledger.revokeIdentity(helper.id, by, clock.now()), null);
  assert.equal(ledger.revoke(root.grant.id, by, clock.now()), null);
  assert.equal(state(ledger, later, clock), "live");
});

test("[AUTH-18] what is not valid by now is not registered", () => {
  const { clock, ledger, make } = bench();
  const ahead = make(operator, agent, { issuedAtMs: START_MS + 30_001 });
  assert.equal(ledger.issue(ahead, clock.now()), "not-yet-valid");
  clock.pass(1);
  assert.equal(ledger.issue(ahead, clock.now()), null);
  const over = make(operator, agent, { issuedAtMs: START_MS, ttlMs: 1_000 });
  clock.pass(1_000);
  assert.equal(ledger.issue(over, clock.now()), "expired");
});

test("[AUTH-31] a ledger that was stored and restored behaves as before", () => {
  // SECURITY: a restart would bring revoked grants back.
  const { clock, ledger, put, make } = bench();
  const root = put(operator, agent, { maxUses: 2 });
  const child = put(agent, helper, { parent: root.grant.id });
  const dead = put(operator, helper);
  ledger.revoke(dead.grant.id, { id: operator.id, admin: false }, clock.now());
  ledger.use(root.grant.id, agent.id, clock.now());
  clock.pass(MINUTE_MS);
  ledger.tick(clock.now());
  const stored = ledger.serialise();
  const again = Ledger.restore(BOOT, stored, clock.now());
  assert.deepEqual(again.serialise(), stored);
  assert.equal(again.living, 2);
  assert.equal(state(again, child, clock), "live");
  assert.equal(state(again, dead, clock), "revoked");
  assert.equal(again.issue(dead, clock.now()), "replayed");
  assert.equal(
    again.issue(make(operator, agent, { nonce: dead.grant.nonce }), clock.now()),
    "nonce-reused",
  );
  assert.equal(again.use(root.grant.id, agent.id, clock.now()), null);
  assert.equal(again.use(root.grant.id, agent.id, clock.now()), "used-up");
  assert.equal(state(again, child, clock), "parent-ended");
});

test("[AUTH-31] one state has one encoding, in whatever order its grants came", () => {
  const { clock } = bench();
  const signed = [10, 30, 20].map((number) =>
    operator.sign({
      ...grantFrom(counting(), operator, agent, { id: numbered(number) }),
      nonce: new Uint8Array(16).fill(number),
    }),
  );
  const stored = [signed, signed.toReversed()].map((given) => {
    const ledger = new Ledger(BOOT, clock.now());
    for (const one of given) assert.equal(ledger.issue(one, clock.now()), null);
    return ledger.serialise();
  });
  assert.deepEqual(stored[0], stored[1]);
  assert.equal(Ledger.restore(BOOT, stored[0] ?? new Uint8Array(), clock.now()).size, 3);
});

test("[AUTH-31] changes say what is new, what changed and what is forgotten, each once", () => {
  // SECURITY: a change that is not stored is undone by a restart; one too many damages the state.
  const { clock, ledger, put } = bench();
  const old = put(operator, agent, { ttlMs: 4 * MINUTE_MS, maxUses: 2 });
  ledger.takeChanges();
  const stored = ledger.serialise();
  const changes: Uint8Array[] = [];
  const store = (): number => {
    changes.push(ledger.takeChanges());
    const restored = Ledger.restore(BOOT, stored, clock.now(), changes);
    ledger.tick(clock.now());
    assert.deepEqual(restored.serialise(), ledger.serialise());
    return changes.at(-1)?.length ?? 0;
  };
  const nothing = store();
  clock.pass(MINUTE_MS);
  ledger.heartbeat(old.grant.id, agent.id, clock.now());
  assert.ok(store() > nothing, "a heartbeat");
  ledger.use(old.grant.id, agent.id, clock.now());
  assert.ok(store() > nothing, "a use");
  assert.equal(store(), nothing);

  const brief = (): SignedGrant => put(operator, agent, { ttlMs: MINUTE_MS, maxUses: 5 });
  brief();
  const one = store();
  ledger.use(brief().grant.id, agent.id, clock.now());
  assert.equal(store(), one, "what is new is stored as it is now");
  const [gone] = [brief(), clock.pass(MINUTE_MS)];
  assert.equal(state(ledger, gone, clock), "not-registered");
  store();
  clock.pass(2 * MINUTE_MS);
  ledger.tick(clock.now());
  assert.equal(ledger.size, 0);
  store();
});

test("[AUTH-31] time goes on while a ledger is stored", () => {
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent);
  const stored = ledger.serialise();
  clock.pass(2 * MINUTE_MS);
  const again = Ledger.restore(BOOT, stored, clock.now());
  assert.equal(state(again, signed, clock), "heartbeat-missed");
  const early = { wallMs: clock.wallMs, bootMs: 0 };
  const behind = Ledger.restore(BOOT, again.serialise(), early);
  assert.equal(state(behind, signed, clock), "heartbeat-missed");
});

test("[AUTH-31] after a new start of the machine nothing lives, and nothing comes back", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  const child = put(agent, helper, { parent: root.grant.id });
  const stored = ledger.serialise();
  const rebooted = new HandClock();
  rebooted.wallMs = clock.wallMs;
  rebooted.bootMs = 5;
  const again = Ledger.restore({ bootId: "second" }, stored, rebooted.now());
  assert.deepEqual(
    again.tick(rebooted.now()).map(({ id, why }) => [id, why]),
    [
      [root.grant.id, "rebooted"],
      [child.grant.id, "rebooted"],
    ],
  );
  assert.equal(again.issue(root, rebooted.now()), "replayed");
  rebooted.bootMs += root.grant.ttlMs - 1;
  again.tick(rebooted.now());
  assert.equal(again.size, 2, "by the new start's clock their time is not over");
  assert.equal(again.issue(child, rebooted.now()), "replayed");
  rebooted.pass(1);
  rebooted.wallMs += root.grant.ttlMs;
  again.tick(rebooted.now());
  assert.equal(again.size, 0);
});

test("[AUTH-32] a ledger without a past takes no grant from before it was opened", () => {
  // SECURITY: deleting the ledger's file would bring back every grant that was revoked.
  const { clock, ledger, put } = bench();
  const signed = put(operator, agent, { ttlMs: HOUR_MS });
  ledger.revoke(signed.grant.id, { id: operator.id, admin: false }, clock.now());
  clock.pass(1);
  const empty = new Ledger(BOOT, clock.now());
  assert.equal(empty.issue(signed, clock.now()), "replayed");
  const restored = Ledger.restore(BOOT, empty.serialise(), clock.now());
  assert.equal(restored.issue(signed, clock.now()), "replayed");
});

test("[AUTH-33] a ledger is bounded as a whole and for each delegator", () => {
  const { clock, ledger, put, make } = bench({ ...BOOT, maxGrants: 4, maxGrantsPerDelegator: 3 });
  const first = put(operator, agent, { ttlMs: MINUTE_MS });
  put(operator, agent);
  put(operator, agent);
  assert.equal(ledger.issue(make(operator, agent), clock.now()), "ledger-full");
  put(agent, helper);
  assert.equal(ledger.issue(make(helper, agent), clock.now()), "ledger-full");
  ledger.revoke(first.grant.id, { id: operator.id, admin: false }, clock.now());
  assert.equal(ledger.issue(make(helper, agent), clock.now()), "ledger-full", "it is remembered");
  clock.pass(MINUTE_MS);
  assert.equal(ledger.issue(make(helper, agent), clock.now()), null, "it is forgotten");
  const few = bench({ ...BOOT, maxGrantsPerDelegator: 1 });
  few.put(operator, agent, { ttlMs: MINUTE_MS });
  few.clock.pass(MINUTE_MS);
  few.put(operator, agent);
});

test("[AUTH-33] chains in a ledger are as long as chains may be", () => {
  const { clock, ledger, put, make } = bench();
  const cast = Array.from({ length: MAX_CHAIN + 2 }, (_, i) => new Member(50 + i, []));
  let parent: string | null = null;
  const link = (i: number): [Member, Member] => [cast[i] ?? operator, cast[i + 1] ?? operator];
  for (let i = 0; i < MAX_CHAIN; i += 1) parent = put(...link(i), { parent }).grant.id;
  assert.equal(ledger.issue(make(...link(MAX_CHAIN), { parent }), clock.now()), "chain-too-long");
});

test("[AUTH-34] bytes that no ledger wrote are refused", () => {
  const { clock, ledger, put } = bench();
  const root = put(operator, agent);
  put(agent, helper, { parent: root.grant.id });
  const stored = ledger.serialise();
  const refused = (from: Uint8Array): boolean => {
    try {
      Ledger.restore(BOOT, from, clock.now());
      return false;
    } catch (cause) {
      return cause instanceof AuthorityError && cause.code === "state-invalid";
    }
  };
  for (let length = 0; length < stored.length; length += 1)
    assert.ok(refused(stored.subarray(0, length)), `${length} bytes`);
  assert.ok(refused(Uint8Array.of(...stored, 0)));
  const newer = stored.slice();
  newer[1] = 2;
  assert.ok(refused(newer));
  assert.ok(!refused(stored));
});

test("[AUTH-35] ten thousand grants: each check sees its own chain, each end only what is below", () => {
  const { clock, ledger, put } = bench();
  const delegators = Array.from({ length: 100 }, (_, i) => new Member(100 + i, []));
  const roots = delegators.map((one) => put(operator, one, { ttlMs: HOUR_MS }));
  // Signatures cost more than all else here and are not the ledger's concern.
  const random = counting();
  const unsigned = (from: Member, parent: string, i: number): SignedGrant => ({
    grant: { ...grantFrom(random, from, helper, { parent }), id: numbered(100_000 + i) },
    signature: new Uint8Array(64).fill(i % 251),
  });
  const leaves = Array.from({ length: 9_900 }, (_, i) => {
    const root = roots[i % 100];
    const from = delegators[i % 100];
    assert.ok(root !== undefined && from !== undefined);
    const draft = unsigned(from, root.grant.id, i);
    const nonce = new Uint8Array(16).fill(7);
    new DataView(nonce.buffer).setUint32(0, i);
    return { ...draft, grant: { ...draft.grant, nonce } };
  });
  for (const leaf of leaves) assert.equal(ledger.issue(leaf, clock.now()), null);
  assert.equal(ledger.size, 10_000);
  const by = { id: operator.id, admin: false };
  assert.equal(ledger.revoke(roots[7]?.grant.id ?? "", by, clock.now()), null);
  assert.equal(ledger.tick(clock.now()).length, 100);
  const living = leaves.filter((leaf) => state(ledger, leaf, clock) === "live");
  assert.equal(living.length, 9_900 - 99);
  clock.pass(2 * MINUTE_MS - 1);
  for (const { grant } of living.slice(0, 10)) ledger.heartbeat(grant.id, helper.id, clock.now());
  for (const { grant } of roots.slice(0, 10))
    ledger.heartbeat(grant.id, grant.delegatee, clock.now());
  clock.pass(1);
  // The tenth leaf's root was silent, the eighth root had ended: nine pairs stay.
  assert.equal(ledger.tick(clock.now()).length, 9_900 - 18);
  const restored = Ledger.restore(BOOT, ledger.serialise(), clock.now());
  assert.deepEqual(restored.serialise(), ledger.serialise());
});
