import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, decode, encode, list, NO_MINIMUM, struct, uint } from "@sesame/core-types";
import { GrantBook, type Asking, type BookOptions } from "./book.ts";
import type { Party, Trust } from "./chain.ts";
import { AuthorityError } from "./errors.ts";
import { encodeGrant, type Grant, type SignedGrant } from "./grant.ts";
import type { Now } from "./ledger.ts";
import { parseScope } from "./scope.ts";
import {
  counting,
  grantFrom,
  HandClock,
  Member,
  MINUTE_MS,
  numbered,
  START_MS,
  trustIn,
} from "./testing/fixture.ts";

const operator = new Member(1, ["admin"]);
const ci = new Member(2, ["secret-list"]);
const job = new Member(3, []);
const stranger = new Member(4, []);
const everybody = [operator, ci, job, stranger];

const OPTIONS: BookOptions = { bootId: "first", self: numbered(99) };
const ADMIN = { id: operator.id, admin: true };
const plain = (member: Member): { id: string; admin: boolean } => ({ id: member.id, admin: false });

/** What a restart finds: a state, and what was stored behind it. */
class Stored {
  readonly desk: Desk;
  #state: Uint8Array;
  #changes: Uint8Array[] = [];

  constructor(desk: Desk) {
    this.desk = desk;
    desk.book.takeChanges();
    this.#state = desk.book.serialise();
  }

  store(): void {
    this.#changes.push(this.desk.book.takeChanges());
  }

  read(): GrantBook {
    const { clock } = this.desk;
    const trust = trustIn(everybody);
    return GrantBook.restore(OPTIONS, trust, this.#state, clock.now(), this.#changes);
  }
}

class Desk {
  readonly clock = new HandClock();
  readonly random = counting();
  book = new GrantBook(OPTIONS, trustIn(everybody), this.clock.now());

  /** Signed, and registered by who gave it. */
  give(from: Member, to: Member, changes: Partial<Grant> = {}, above: SignedGrant[] = []) {
    const issuedAtMs = this.clock.wallMs;
    const parent = above[0]?.grant.id ?? null;
    const grant = grantFrom(this.random, from, to, { issuedAtMs, parent, ...changes });
    const chain = [from.sign(grant), ...above];
    assert.equal(this.book.issue(chain, from.id, this.clock.now()), null);
    return chain;
  }

  ask(changes: Partial<Asking> = {}): unknown {
    const drawing = this.book.permit(asking(changes), this.clock.now());
    return drawing === null || typeof drawing === "string" ? drawing : drawing.drawn();
  }

  restart(options = OPTIONS, members = everybody): void {
    const state = this.book.serialise();
    this.book = GrantBook.restore(options, trustIn(members), state, this.clock.now());
  }
}

function asking(changes: Partial<Asking> = {}): Asking {
  return {
    caller: ci.id,
    capability: "secret-use",
    profile: "work",
    names: ["ci/token"],
    executable: null,
    trusted: NO_MINIMUM,
    ...changes,
  };
}

const idOf = ([leaf]: readonly SignedGrant[]): string => leaf?.grant.id ?? "";

test("[AUTH-43] a living grant that covers every name in the profile allows a call", () => {
  const desk = new Desk();
  assert.equal(desk.ask(), null, "who never had a grant has none to speak of");
  const id = idOf(desk.give(operator, ci, { profiles: ["home", "work"] }));
  assert.deepEqual(desk.ask(), [id]);
  const cases: readonly [Partial<Asking>, unknown][] = [
    [{ names: ["ci/token", "ci/deep/key"] }, [id]],
    [{ names: ["ci/token", "prod/key"] }, "capability-not-granted"],
    [{ names: "reachable" }, []],
    [{ names: [] }, []],
    [{ names: null }, "capability-not-granted"],
    [{ capability: "secret-read" }, "capability-not-granted"],
    [{ capability: "secret-read", names: [] }, "capability-not-granted"],
    [{ profile: "other" }, "profile-not-granted"],
    [{ profile: null }, "profile-not-granted"],
    [{ caller: stranger.id }, null],
    [{ caller: operator.id }, null],
  ];
  for (const [changes, expected] of cases)
    assert.deepEqual(desk.ask(changes), expected, JSON.stringify(changes));
});

test("[AUTH-43] a call that is about no secret draws on the grant that allows it", () => {
  // SECURITY: what was drawn on nothing would take no use, and have no grant on record.
  const desk = new Desk();
  const id = idOf(desk.give(operator, ci, { scope: parseScope("secret-list") }));
  assert.deepEqual(desk.ask({ capability: "secret-list", names: null }), [id]);
});

test("[AUTH-43] several grants allow together what none of them allows alone", () => {
  const desk = new Desk();
  const a = idOf(desk.give(operator, ci, { scope: parseScope("secret-use:a/*") }));
  const b = idOf(desk.give(operator, ci, { scope: parseScope("secret-use:b/*") }));
  const other = { scope: parseScope("secret-use:c/*"), profiles: ["other"] };
  desk.give(operator, ci, other);
  assert.deepEqual(desk.ask({ names: ["a/1", "b/1", "a/2"] }), [a, b]);
  assert.equal(desk.ask({ names: ["a/1", "c/1"] }), "capability-not-granted");
  const reachable = desk.book.permit(asking({ names: "reachable" }), desk.clock.now());
  assert.ok(typeof reachable === "object" && reachable !== null);
  assert.deepEqual(["a/1", "c/1", "b/2", "d"].filter(reachable.covers), ["a/1", "b/2"]);
  assert.deepEqual(reachable.drawn(), [a, b]);
});

test("[AUTH-43] narrowing keeps to the grants that fit, and asks again", () => {
  const desk = new Desk();
  const once = idOf(desk.give(operator, ci, { maxUses: 1 }));
  const free = idOf(desk.give(operator, ci));
  const permit = desk.book.permit(asking(), desk.clock.now());
  assert.ok(typeof permit === "object" && permit !== null);
  assert.deepEqual(permit.drawn(), [once].concat(free).sort().slice(0, 1));
  assert.equal(
    permit.narrow(({ links }) => links === 1),
    null,
  );
  assert.equal(
    permit.narrow(({ links }) => links === 2),
    "capability-not-granted",
  );
});

test("[AUTH-43] a call that keeps to no grant is refused, whatever it is about", () => {
  // SECURITY: a call that is about whatever can be reached would go on with no grant at all.
  const desk = new Desk();
  desk.give(operator, ci);
  for (const names of ["reachable", [], ["ci/token"]] as const) {
    const permit = desk.book.permit(asking({ names }), desk.clock.now());
    assert.ok(typeof permit === "object" && permit !== null);
    assert.equal(
      permit.narrow(() => false),
      "capability-not-granted",
    );
  }
});

test("[AUTH-20] a grant with a point of use is refused where the program is not known", () => {
  // SECURITY: a stolen key file would be of use to any program.
  const desk = new Desk();
  const sha256 = new Uint8Array(32).fill(7);
  const pointOfUse = { path: "/usr/bin/deploy", sha256 };
  desk.give(operator, ci, { pointOfUse });
  assert.equal(desk.ask(), "point-of-use");
  assert.equal(desk.ask({ executable: { ...pointOfUse, path: "/usr/bin/sh" } }), "point-of-use");
  assert.ok(Array.isArray(desk.ask({ executable: pointOfUse })));
});

test("[AUTH-52] a grant with a minimum is refused to a connection that is trusted less", () => {
  // SECURITY: a grant for daemons that keep their keys well would serve where they do not.
  const desk = new Desk();
  const minimum = { authentication: "key", posture: 50 } as const;
  const id = idOf(desk.give(operator, ci, { minimum }));
  assert.equal(desk.ask(), "trust-too-low");
  assert.equal(desk.ask({ trusted: { ...minimum, posture: 49 } }), "trust-too-low");
  assert.deepEqual(desk.ask({ trusted: minimum }), [id]);
  const other = idOf(desk.give(operator, ci));
  assert.deepEqual(desk.ask(), [other], "one that asks nothing serves");
});

test("[TRUST-6] how deep the longest living chain of each delegatee is", () => {
  const desk = new Desk();
  const depths = () => Object.fromEntries(desk.book.depths(desk.clock.now()));
  assert.deepEqual(depths(), {});
  const above = desk.give(operator, ci, { scope: parseScope("secret-use+2") });
  const below = desk.give(ci, job, { scope: parseScope("secret-use+1") }, above);
  desk.give(operator, job);
  assert.deepEqual(depths(), { [ci.id]: 1, [job.id]: 2 });
  const same = desk.book.depths(desk.clock.now());
  assert.equal(desk.book.depths(desk.clock.now()), same, "the same map until one changes");
  desk.restart();
  assert.deepEqual(depths(), { [ci.id]: 1, [job.id]: 2 });
  desk.book.revoke(idOf(below), ADMIN, desk.clock.now());
  assert.deepEqual(depths(), { [ci.id]: 1, [job.id]: 1 });
  desk.clock.pass(3 * MINUTE_MS);
  assert.deepEqual(depths(), {});
});

test("[AUTH-18] a clock that was set back makes a grant not count, and not end", () => {
  const desk = new Desk();
  desk.give(operator, ci);
  desk.clock.wallMs -= MINUTE_MS;
  assert.equal(desk.ask(), "not-yet-valid");
  desk.clock.wallMs += MINUTE_MS;
  assert.ok(Array.isArray(desk.ask()));
});

test("[AUTH-40] a chain is registered by the parties to its leaf, with its links", () => {
  // SECURITY: whoever overhears a grant could start its clock, or fill the ledger with others'.
  const desk = new Desk();
  const { random, clock } = desk;
  const root = operator.sign(grantFrom(random, operator, ci));
  const leaf = ci.sign(grantFrom(random, ci, job, { parent: root.grant.id }));
  for (const by of [stranger, operator])
    assert.equal(desk.book.issue([leaf, root], by.id, clock.now()), "not-permitted");
  assert.equal(desk.book.size, 0);
  assert.equal(desk.book.issue([leaf, root], job.id, clock.now()), null);
  assert.equal(desk.book.size, 2);
  assert.equal(desk.book.issue([leaf, root], ci.id, clock.now()), null, "again, no change");
  assert.deepEqual(desk.ask({ caller: job.id }), [leaf.grant.id]);
});

test("[AUTH-40] each link of a chain that is registered at once gives what it gives by itself", () => {
  // SECURITY: the links above would give what their leaf does, in its profiles and to its program.
  const desk = new Desk();
  const { random, clock } = desk;
  const root = operator.sign(grantFrom(random, operator, ci));
  const pointOfUse = { path: "/usr/bin/deploy", sha256: new Uint8Array(32).fill(7) };
  const narrow = { parent: root.grant.id, profiles: ["other"], pointOfUse };
  const leaf = ci.sign(grantFrom(random, ci, job, narrow));
  assert.equal(desk.book.issue([leaf, root], ci.id, clock.now()), null);
  assert.deepEqual(desk.ask(), [root.grant.id]);
  assert.equal(desk.ask({ caller: job.id }), "profile-not-granted");
});

test("[AUTH-24] every operation first ends what is due", () => {
  // SECURITY: a grant whose time is over would be counted, listed or stored as one that lives.
  const operations: readonly ((book: GrantBook, id: string, now: Now) => unknown)[] = [
    (book, _id, now) => assert.equal(book.issue([], ci.id, now), "chain-empty"),
    (book, id, now) => assert.deepEqual(book.heartbeat([id], ci.id, now), [id]),
    (book, id, now) => assert.equal(book.revoke(id, ADMIN, now), false),
    (book, _id, now) => assert.equal(book.revokeIdentity(ci.id, ADMIN, now), false),
    (book, id, now) => assert.equal(book.use([id], ci.id, now), "not-registered"),
    (book, _id, now) => assert.deepEqual(book.list(ADMIN, null, 9, now), []),
    (book, id, now) => assert.equal(book.chain(id, ADMIN, now), null),
    (book, id, now) => assert.equal(book.holds(id, now), false),
    (book, _id, now) => assert.equal(book.permit(asking(), now), "expired"),
    (book, _id, now) => assert.equal(book.demandsProgram(asking(), now), false),
    (book, _id, now) => assert.equal(book.depths(now).size, 0),
    (book, _id, now) => assert.equal(book.tick(now).length, 1),
    (book, _id, now) => book.trust(trustIn(everybody), now),
    (book, _id, now) => book.endAll(now),
  ];
  for (const operation of operations) {
    const desk = new Desk();
    const pointOfUse = { path: "/usr/bin/deploy", sha256: new Uint8Array(32).fill(7) };
    const id = idOf(desk.give(operator, ci, { ttlMs: MINUTE_MS, pointOfUse }));
    desk.clock.pass(MINUTE_MS - 1);
    desk.book.tick(desk.clock.now());
    assert.equal(desk.book.size, 1);
    operation(desk.book, id, desk.clock.pass(1));
    assert.equal(desk.book.size, 0, operation.toString());
  }
});

test("[AUTH-35] what was verified of a chain is not verified again, nor a party compared twice", () => {
  const desk = new Desk();
  const counts = { verified: 0, asked: 0 };
  const { installation, verifier, party } = trustIn(everybody);
  const trust: Trust = {
    installation,
    verifier: {
      ed25519Verify: (...given) => {
        counts.verified += 1;
        return verifier.ed25519Verify(...given);
      },
    },
    party: (id) => {
      counts.asked += 1;
      return party(id);
    },
  };
  const sinceThen = (): unknown => {
    const { verified, asked } = counts;
    Object.assign(counts, { verified: 0, asked: 0 });
    return [verified, asked];
  };
  desk.book.trust(trust, desk.clock.now());
  const root = operator.sign(grantFrom(desk.random, operator, ci));
  const leaf = ci.sign(grantFrom(desk.random, ci, job, { parent: root.grant.id }));
  desk.book.issue([leaf, root], ci.id, desk.clock.now());
  assert.equal(counts.verified, 3, "both for the leaf, and its own for the root");
  sinceThen();
  desk.book.trust(trustIn(everybody), desk.clock.now());
  assert.deepEqual(sinceThen(), [0, 3], "three identities are in the two chains");
});

test("[AUTH-27] a grant that ends takes those below it out of use at once", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci);
  const below = desk.give(ci, job, {}, above);
  assert.equal(desk.book.revoke(idOf(above), ADMIN, desk.clock.now()), true);
  assert.equal(desk.ask(), "revoked");
  assert.equal(desk.ask({ caller: job.id }), "parent-ended");
  const ends = desk.book.tick(desk.clock.now());
  assert.deepEqual(
    ends.map(({ id, why, origin }) => [id, why, origin]),
    [
      [idOf(above), "revoked", idOf(above)],
      [idOf(below), "parent-ended", idOf(above)],
    ],
  );
  assert.deepEqual(desk.book.tick(desk.clock.now()), [], "told once");
  assert.equal(desk.book.revoke(idOf(above), ADMIN, desk.clock.now()), false);
});

test("[AUTH-28] nobody revokes what is not below them", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci);
  const below = desk.give(ci, job, {}, above);
  const now = desk.clock.now();
  assert.equal(desk.book.revoke(idOf(above), plain(ci), now), "not-permitted");
  assert.equal(desk.book.revokeIdentity(ci.id, plain(ci), now), "not-permitted");
  assert.equal(desk.book.revoke(idOf(below), plain(ci), now), true);
  assert.equal(desk.book.revokeIdentity(ci.id, plain(operator), now), true);
  assert.equal(desk.book.size, 0);
});

test("[AUTH-25] silence ends a grant, heartbeats of its delegatee alone do not let it", () => {
  const desk = new Desk();
  const id = idOf(desk.give(operator, ci, { heartbeatMs: MINUTE_MS }));
  for (let i = 0; i < 5; i++)
    assert.deepEqual(desk.book.heartbeat([id], ci.id, desk.clock.pass(MINUTE_MS)), []);
  assert.ok(Array.isArray(desk.ask()));
  const unknown = numbered(4242);
  assert.deepEqual(desk.book.heartbeat([id, unknown], job.id, desk.clock.pass(MINUTE_MS)), [
    id,
    unknown,
  ]);
  desk.clock.pass(MINUTE_MS);
  assert.equal(desk.ask(), "heartbeat-missed");
  assert.deepEqual(desk.book.heartbeat([id], ci.id, desk.clock.now()), [id]);
});

test("[AUTH-29] a use counts for each grant that was drawn on, and is to be stored", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci, { maxUses: 3 });
  const id = idOf(desk.give(ci, job, {}, above));
  const use = (): unknown => desk.book.use([id], job.id, desk.clock.now());
  assert.deepEqual([use(), use(), use(), use()], [true, true, true, "parent-ended"]);
  const free = new Desk();
  const unlimited = idOf(free.give(operator, ci));
  assert.equal(free.book.use([unlimited], ci.id, free.clock.now()), false);
});

test("[AUTH-42] what the record no longer bears ends, when it changes and after a restart", () => {
  // SECURITY: a revoked agent would keep what was given to it, and what it gave.
  const revoked = [operator, job, stranger];
  const lesser = [operator, new Member(2, []), job, stranger];
  for (const how of ["at once", "after a restart"] as const) {
    const desk = new Desk();
    const change = (members: readonly Member[]): void =>
      how === "at once"
        ? desk.book.trust(trustIn(members), desk.clock.now())
        : desk.restart(OPTIONS, [...members]);
    desk.give(ci, job, {}, desk.give(operator, ci));
    const kept = idOf(desk.give(operator, job));
    change(lesser);
    assert.equal(desk.book.size, 3, "its enrolment is not what it hands on");
    change(revoked);
    assert.deepEqual(desk.ask({ caller: job.id }), [kept]);
    assert.equal(desk.book.size, 1);
    assert.deepEqual(
      desk.book.tick(desk.clock.now()).map(({ why }) => why),
      ["revoked", "parent-ended"],
    );
    change([...everybody]);
    assert.equal(desk.book.size, 1, "what has ended does not come back with the identity");
  }
});

test("[AUTH-42] a delegator that was given less hands on less", () => {
  const member = (...words: ("delegate" | "secret-use" | "secret-read")[]): Member =>
    new Member(5, words);
  const giver = member("delegate", "secret-use", "secret-read");
  const desk = new Desk();
  desk.book.trust(trustIn([...everybody, giver]), desk.clock.now());
  desk.give(giver, ci, { scope: parseScope("secret-read:ci/* secret-use:ci/*") });
  assert.ok(Array.isArray(desk.ask({ capability: "secret-read" })));
  desk.book.trust(trustIn([...everybody, member("delegate", "secret-use")]), desk.clock.now());
  assert.equal(desk.ask({ capability: "secret-read" }), "capability-not-granted");
  assert.ok(Array.isArray(desk.ask()));
});

test("[AUTH-31] a book that was stored and restored goes on as it was", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci, { maxUses: 2, profiles: ["work"] });
  const below = desk.give(ci, job, {}, above);
  const ended = desk.give(operator, stranger);
  desk.book.revoke(idOf(ended), ADMIN, desk.clock.now());
  desk.book.use([idOf(below)], job.id, desk.clock.now());
  desk.restart();
  assert.deepEqual(desk.ask({ caller: job.id }), [idOf(below)]);
  assert.equal(desk.book.issue(ended, operator.id, desk.clock.now()), "replayed");
  assert.deepEqual(
    desk.book.list(ADMIN, null, 9, desk.clock.now()).map(({ usesLeft }) => usesLeft),
    [1, null],
  );
  assert.equal(desk.book.use([idOf(below)], job.id, desk.clock.now()), true);
  assert.equal(desk.ask(), "used-up");
});

test("[AUTH-31] a new start of the machine ends what was alive", () => {
  const desk = new Desk();
  desk.give(operator, ci);
  desk.restart({ ...OPTIONS, bootId: "second" });
  assert.equal(desk.book.size, 0);
  assert.equal(desk.ask(), "rebooted");
});

test("[AUTH-34] a state that is not one of ours is refused as a whole", () => {
  // SECURITY: half a state would let come back what was revoked in the other half.
  const desk = new Desk();
  desk.give(ci, job, {}, desk.give(operator, ci));
  const state = desk.book.serialise();
  const restore = (from: Uint8Array): GrantBook =>
    GrantBook.restore(OPTIONS, trustIn(everybody), from, desk.clock.now());
  assert.equal(restore(state).size, 2);
  let damaged = 0;
  for (let at = 0; at < state.length; at++) {
    const changed = Uint8Array.from(state, (byte, i) => (i === at ? byte ^ 1 : byte));
    try {
      assert.ok(restore(changed).size <= 2);
    } catch (cause) {
      assert.ok(cause instanceof AuthorityError, String(cause));
      damaged++;
    }
  }
  assert.ok(damaged > 0);
  assert.throws(() => restore(state.subarray(0, state.length - 1)), AuthorityError);
  assert.throws(() => restore(new Uint8Array()), AuthorityError);
});

// What `serialise` writes, with all that it may hold.
const anyState = struct({ version: uint, ledger: bytes(65_536), grants: list(bytes(8_192), 9) });

test("[AUTH-34] a state whose parts do not belong together is refused, or nothing of it lives", () => {
  // SECURITY: whoever can write the file would have an owner that does not start, or counts wrong.
  const desk = new Desk();
  const above = desk.give(operator, ci);
  const [leaf, root] = desk.give(ci, job, {}, above);
  assert.ok(leaf !== undefined && root !== undefined);
  const state = decode(anyState, desk.book.serialise());
  const restored = (changes: Partial<typeof state>): GrantBook => {
    const from = encode(anyState, { ...state, ...changes });
    return GrantBook.restore(OPTIONS, trustIn(everybody), from, desk.clock.now());
  };
  assert.equal(restored({}).size, 2);
  for (const changes of [{ version: 2 }, { grants: [] }, { grants: state.grants.slice(0, 1) }])
    assert.throws(() => restored(changes), { code: "state-invalid" }, Object.keys(changes).join());
  const circle = { ...root, grant: { ...root.grant, parent: leaf.grant.id } };
  assert.equal(restored({ grants: [circle, leaf].map(encodeGrant) }).size, 0);
  const unknown = operator.sign(grantFrom(desk.random, operator, stranger));
  assert.equal(restored({ grants: [...state.grants, encodeGrant(unknown)] }).size, 2);
});

test("[AUTH-44] grants are shown to their parties and to administrators", () => {
  // SECURITY: which secrets somebody may use tells where to attack.
  const desk = new Desk();
  const above = desk.give(operator, ci);
  const below = desk.give(ci, job, {}, above);
  const now = desk.clock.now();
  const seen = (viewer: { id: string; admin: boolean }): number =>
    desk.book.list(viewer, null, 9, now).length;
  assert.deepEqual([ADMIN, plain(ci), plain(job), plain(stranger)].map(seen), [2, 2, 1, 0]);
  const chains = (viewer: { id: string; admin: boolean }): (number | undefined)[] =>
    [above, below].map((chain) => desk.book.chain(idOf(chain), viewer, now)?.length);
  assert.deepEqual(chains(plain(job)), [undefined, 2], "its own, with what it rests on");
  assert.deepEqual(chains(plain(operator)), [1, 2]);
  assert.deepEqual(chains(plain(stranger)), [undefined, undefined]);
});

test("lists come in pages, in the order of ids", () => {
  const desk = new Desk();
  for (let i = 0; i < 5; i++) desk.give(operator, ci);
  const ids: string[] = [];
  for (let after: string | null = null; ;) {
    const page = desk.book.list(ADMIN, after, 2, desk.clock.now());
    if (page.length === 0) break;
    ids.push(...page.map(({ signed }) => signed.grant.id));
    after = ids.at(-1) ?? null;
  }
  assert.equal(new Set(ids).size, 5);
  assert.deepEqual(ids, ids.toSorted());
});

test("[AUTH-24] what expires is out of use at its time", () => {
  const desk = new Desk();
  desk.give(operator, ci, { ttlMs: MINUTE_MS, heartbeatMs: 10 * MINUTE_MS });
  desk.clock.wallMs = START_MS + MINUTE_MS;
  assert.equal(desk.ask(), "expired");
});

test("[RUN-5] what ended by its last use holds for that use, until it is revoked", () => {
  // SECURITY: whoever revokes a grant would find what runs under its last use out of reach.
  const revokers: readonly ((desk: Desk, id: string) => unknown)[] = [
    ({ book, clock }, id) => book.revoke(id, ADMIN, clock.now()),
    ({ book, clock }, id) => book.revoke(id, plain(operator), clock.now()),
    ({ book, clock }) => book.revokeIdentity(ci.id, ADMIN, clock.now()),
    ({ book, clock }) => book.revokeIdentity(operator.id, ADMIN, clock.now()),
    ({ book, clock }) => book.endAll(clock.now()),
    ({ book, clock }) => book.trust(trustIn([operator]), clock.now()),
  ];
  for (const revoke of revokers) {
    const desk = new Desk();
    const [leaf] = desk.give(operator, ci, { maxUses: 1 });
    const id = leaf?.grant.id ?? "";
    const holds = (): boolean => desk.book.holds(id, desk.clock.now());
    assert.equal(desk.book.use([id], ci.id, desk.clock.now()), true);
    assert.ok(holds());
    assert.equal(desk.book.size, 0);
    assert.equal(desk.book.revoke(id, plain(stranger), desk.clock.now()), "not-permitted");
    assert.ok(holds());
    assert.notEqual(revoke(desk, id), false);
    assert.ok(!holds());
  }
});

test("[RUN-5] a grant that was revoked before its use is over holds no more", () => {
  // SECURITY: revoked while the ticket is put on record, it would pass for one that was used up.
  const desk = new Desk();
  const [leaf] = desk.give(operator, ci);
  const id = leaf?.grant.id ?? "";
  desk.book.use([id], ci.id, desk.clock.now());
  assert.ok(desk.book.holds(id, desk.clock.now()));
  desk.book.revoke(id, ADMIN, desk.clock.now());
  assert.ok(!desk.book.holds(id, desk.clock.now()));
});

test("[AUTH-31] a book is what was stored of it and the changes since", () => {
  // SECURITY: a revocation that is only a change would be lost with the next start.
  const desk = new Desk();
  const early = desk.give(operator, ci);
  const stored = new Stored(desk);
  const above = desk.give(operator, ci, { scope: parseScope("secret-use:ci/**+1") });
  stored.store();
  const below = desk.give(ci, job, {}, above);
  const once = desk.give(operator, job, { maxUses: 2 });
  desk.book.revoke(early[0]?.grant.id ?? "", ADMIN, desk.clock.now());
  const gone = desk.give(operator, ci);
  desk.book.revoke(gone[0]?.grant.id ?? "", ADMIN, desk.clock.now());
  stored.store();
  desk.clock.pass(MINUTE_MS);
  desk.book.heartbeat([above[0]?.grant.id ?? ""], ci.id, desk.clock.now());
  desk.book.use([once[0]?.grant.id ?? ""], job.id, desk.clock.now());
  stored.store();
  assert.deepEqual(stored.read().serialise(), desk.book.serialise());
  desk.clock.pass(MINUTE_MS);
  const read = stored.read();
  const living = (of: GrantBook) =>
    of.list(ADMIN, null, 9, desk.clock.now()).map(({ signed }) => signed.grant.id);
  assert.deepEqual(living(read), [above[0]?.grant.id], "only it had a heartbeat");
  assert.equal(read.chain(below[0]?.grant.id ?? "", ADMIN, desk.clock.now()), null);
  for (const chain of [early, gone])
    assert.equal(read.issue(chain, operator.id, desk.clock.now()), "replayed");
});

test("[AUTH-31] a change is given out once", () => {
  const desk = new Desk();
  const id = idOf(desk.give(operator, ci));
  const given = (): number => decode(anyState, desk.book.takeChanges()).grants.length;
  assert.deepEqual([given(), given()], [1, 0]);
  desk.book.revoke(idOf(desk.give(operator, ci)), ADMIN, desk.clock.now());
  assert.deepEqual([given(), desk.ask()], [0, [id]]);
});

test("[AUTH-42] another record is checked against the chains of whom it says something else", () => {
  // SECURITY: who was revoked would keep what it was given, or what it has handed on.
  const desk = new Desk();
  const above = desk.give(operator, ci, { scope: parseScope("secret-use:ci/**+1") });
  const below = desk.give(ci, job, {}, above);
  const other = desk.give(operator, stranger);
  let verified = 0;
  const adopt = (members: readonly Member[], changes: Partial<Trust> = {}): void => {
    const { verifier, ...trust } = trustIn(members);
    const counted: Trust["verifier"] = {
      ed25519Verify: (...given) => {
        verified += 1;
        return verifier.ed25519Verify(...given);
      },
    };
    desk.book.trust({ ...trust, verifier: counted, ...changes }, desk.clock.now());
  };
  const living = () =>
    [above, below, other].map(([leaf]) => desk.book.holds(leaf?.grant.id ?? "", desk.clock.now()));
  adopt(everybody);
  assert.equal(verified, 0, "it says the same");
  assert.deepEqual(living(), [true, true, true]);

  const changed = (changes: Partial<Party>): Member[] => [
    operator,
    Object.assign(Object.create(ci) as Member, { party: { ...ci.party, ...changes } }),
    job,
    stranger,
  ];
  adopt(changed({ scope: parseScope("secret-list lock") }));
  assert.equal(verified, 3, "the chains of two grants, of one and of two links");
  assert.deepEqual(living(), [true, true, true]);
  adopt(changed({ signingKey: job.party.signingKey, formerKeys: [ci.party.signingKey] }));
  assert.deepEqual(living(), [true, true, true]);
  adopt(changed({ signingKey: job.party.signingKey }));
  assert.deepEqual(living(), [true, false, true], "what it signed itself is not its own any more");
  adopt(changed({ revoked: true }));
  assert.deepEqual(living(), [false, false, true]);
  verified = 0;
  adopt(everybody.filter((member) => member !== stranger));
  assert.deepEqual(living(), [false, false, false]);
  assert.equal(verified, 0);
  desk.give(operator, ci);
  adopt(everybody, { installation: numbered(1) });
  assert.equal(desk.book.size, 0);
});

test("[AUTH-44] parties to grants see theirs in pages, administrators see all", () => {
  const desk = new Desk();
  const scope = parseScope("secret-use:ci/**+1");
  const chains = [
    desk.give(operator, ci, { scope }),
    desk.give(operator, ci),
    desk.give(operator, job),
  ];
  chains.push(desk.give(ci, stranger, {}, chains[0]));
  const ids = chains.map(([leaf]) => leaf?.grant.id ?? "");
  const seen = (member: Member, admin = false, after: string | null = null, most = 9): string[] =>
    desk.book
      .list({ id: member.id, admin }, after, most, desk.clock.now())
      .map(({ signed }) => signed.grant.id);
  const sorted = (...which: number[]) => which.map((i) => ids[i] ?? "").sort();
  assert.deepEqual(seen(operator, true), sorted(0, 1, 2, 3));
  assert.deepEqual(seen(operator), sorted(0, 1, 2));
  assert.deepEqual(seen(ci), sorted(0, 1, 3));
  assert.deepEqual(seen(stranger), sorted(3));
  const [first = "", second = ""] = sorted(0, 1, 3);
  assert.deepEqual(seen(ci, false, null, 1), [first]);
  assert.deepEqual(seen(ci, false, first, 1), [second]);
  desk.book.revoke(ids[0] ?? "", ADMIN, desk.clock.now());
  assert.deepEqual(seen(ci), sorted(1));
  assert.deepEqual(seen(stranger), []);
});

test("[AUTH-46] a program matters where a grant with a point of use could serve, and only there", () => {
  // SECURITY: where it is not asked for, a grant for one program would serve any; where it is asked
  // for without need, a slow answer would hold up every call.
  const desk = new Desk();
  const pointOfUse = { path: "/usr/bin/deploy", sha256: new Uint8Array(32).fill(7) };
  const demands = (changes: Partial<Asking> = {}): boolean =>
    desk.book.demandsProgram(asking(changes), desk.clock.now());
  assert.equal(demands(), false, "there is no grant");
  desk.give(operator, ci, { scope: parseScope("secret-use:open/*") });
  assert.equal(demands({ names: ["open/a"] }), false);
  desk.give(operator, ci, { pointOfUse });
  assert.equal(demands(), true);
  assert.equal(demands({ names: ["open/a"] }), false);
  assert.equal(demands({ names: ["open/a", "ci/token"] }), true);
  assert.equal(demands({ names: "reachable" }), true);
  assert.equal(demands({ names: [] }), false);
  assert.equal(demands({ capability: "secret-read" }), false);
  assert.equal(demands({ names: null }), false, "a pattern is about names");
  assert.equal(demands({ caller: job.id }), false);
  desk.give(operator, job, { pointOfUse, scope: parseScope("secret-list") });
  assert.equal(demands({ caller: job.id, capability: "secret-list", names: null }), true);
});

test("[PANIC-2] ending all leaves nothing that holds, also of what is still being used", () => {
  // SECURITY: a run under a last use would go on through a panic.
  const desk = new Desk();
  const once = idOf(desk.give(operator, ci, { maxUses: 1 }));
  const other = idOf(desk.give(operator, job));
  assert.equal(desk.book.use([once], ci.id, desk.clock.now()), true);
  const holding = () => [once, other].map((id) => desk.book.holds(id, desk.clock.now()));
  assert.deepEqual(holding(), [true, true]);
  desk.book.endAll(desk.clock.now());
  assert.deepEqual(holding(), [false, false]);
  assert.equal(desk.book.size, 0);
});

test("[AUTH-43] a name is drawn from a grant that is drawn on already, if it covers it", () => {
  const desk = new Desk();
  const [first, second] = [
    idOf(desk.give(operator, ci, { scope: parseScope("secret-use:a/*") })),
    idOf(desk.give(operator, ci, { scope: parseScope("secret-use:b/*") })),
  ];
  const both = desk.give(operator, ci, { scope: parseScope("secret-use:c/* secret-use:a/*") });
  assert.deepEqual(desk.ask({ names: ["b/1", "a/1"] }), [second, first]);
  assert.deepEqual(desk.ask({ names: ["c/1", "a/1"] }), [idOf(both)]);
  const drawing = desk.book.permit(asking({ names: ["a/1"] }), desk.clock.now());
  assert.ok(typeof drawing === "object" && drawing !== null);
  assert.deepEqual(
    drawing.authorities().map(({ grant }) => grant),
    [first],
  );
  assert.equal(drawing.covers("d/1"), false);
  assert.equal(drawing.covers("b/1"), true);
  assert.deepEqual(drawing.drawn(), [first, second]);
  assert.equal(
    drawing.narrow(({ grant }) => grant === idOf(both)),
    null,
  );
  assert.deepEqual(drawing.drawn(), [idOf(both)]);
});

test("[RUN-5] what is used for the last time holds no longer than what it was given through", () => {
  // SECURITY: a run would go on after the grant above its own was revoked or left without heartbeats.
  const endings: readonly (readonly [string, (desk: Desk, above: string) => unknown, boolean])[] = [
    ["revoked", (desk, above) => desk.book.revoke(above, ADMIN, desk.clock.now()), false],
    ["silent", (desk) => desk.clock.pass(2 * MINUTE_MS), false],
    [
      "of another",
      (desk) => desk.book.revoke(idOf(desk.give(operator, stranger)), ADMIN, desk.clock.now()),
      true,
    ],
    ["unknown", (desk) => desk.book.revoke(numbered(77), ADMIN, desk.clock.now()), true],
    ["its giver", (desk) => desk.book.revokeIdentity(ci.id, ADMIN, desk.clock.now()), false],
    ["its user", (desk) => desk.book.revokeIdentity(job.id, ADMIN, desk.clock.now()), false],
    ["a stranger", (desk) => desk.book.revokeIdentity(stranger.id, ADMIN, desk.clock.now()), true],
  ];
  for (const [what, end, holds] of endings) {
    const desk = new Desk();
    const above = desk.give(operator, ci, { heartbeatMs: MINUTE_MS });
    const once = idOf(desk.give(ci, job, { maxUses: 1, heartbeatMs: 15 * MINUTE_MS }, above));
    assert.equal(desk.book.use([once], job.id, desk.clock.now()), true);
    assert.equal(desk.book.holds(once, desk.clock.now()), true);
    end(desk, idOf(above));
    assert.equal(desk.book.holds(once, desk.clock.now()), holds, what);
  }
});

test("[RUN-5] the last use of a grant above ends its own by being used, not by being ended", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci, { maxUses: 1 });
  const id = idOf(desk.give(ci, job, { ttlMs: MINUTE_MS }, above));
  assert.equal(desk.book.use([id], job.id, desk.clock.now()), true);
  assert.equal(desk.ask({ caller: job.id }), "parent-ended");
  assert.equal(desk.book.holds(id, desk.clock.now()), true);
  assert.equal(desk.book.holds(id, desk.clock.pass(MINUTE_MS - 1)), true);
  assert.equal(desk.book.holds(id, desk.clock.pass(1)), false, "its time is over");
});

test("[RUN-5] what ends by the last use of another holds no more", () => {
  // SECURITY: of a grant for one use, every run that began before the last would go on.
  const desk = new Desk();
  const above = desk.give(operator, ci, { maxUses: 2 });
  const [first, last] = [idOf(desk.give(ci, job, {}, above)), idOf(desk.give(ci, job, {}, above))];
  const held: unknown[] = [];
  for (const id of [first, last]) {
    assert.equal(desk.book.use([id], job.id, desk.clock.now()), true);
    held.push([first, last].map((one) => desk.book.holds(one, desk.clock.now())));
  }
  assert.deepEqual(held, [
    [true, true],
    [false, true],
  ]);
});

test("[RUN-5] a last use goes on when what it was given through is used up, too", () => {
  const desk = new Desk();
  const root = desk.give(operator, ci, { maxUses: 2 });
  const middle = desk.give(ci, job, {}, root);
  const once = idOf(desk.give(job, stranger, { maxUses: 1 }, middle));
  assert.equal(desk.book.use([once], stranger.id, desk.clock.now()), true);
  assert.equal(desk.book.use([idOf(root)], ci.id, desk.clock.now()), true);
  assert.deepEqual(
    desk.book.tick(desk.clock.now()).map(({ why }) => why),
    ["used-up", "used-up", "parent-ended"],
  );
  assert.equal(desk.book.holds(once, desk.clock.now()), true);
});

test("[RUN-5] a last use goes on under another record that bears its chain", () => {
  const desk = new Desk();
  const once = idOf(desk.give(operator, ci, { maxUses: 1 }));
  assert.equal(desk.book.use([once], ci.id, desk.clock.now()), true);
  desk.book.trust(trustIn([operator, ci]), desk.clock.now());
  assert.equal(desk.book.holds(once, desk.clock.now()), true);
  desk.book.trust(trustIn([operator, job]), desk.clock.now());
  assert.equal(desk.book.holds(once, desk.clock.now()), false);
});

test("[RUN-5] what has ended for a last use stays ended when the clock is set back", () => {
  const desk = new Desk();
  const id = idOf(desk.give(operator, ci, { maxUses: 1, ttlMs: MINUTE_MS }));
  desk.book.use([id], ci.id, desk.clock.now());
  assert.equal(desk.book.holds(id, desk.clock.pass(MINUTE_MS)), false);
  desk.clock.wallMs -= MINUTE_MS;
  assert.equal(desk.book.holds(id, desk.clock.now()), false);
});

test("[AUTH-28] what is used for the last time is revoked by those above it alone", () => {
  // SECURITY: anybody could stop what others run; or who gave it could not.
  const desk = new Desk();
  const above = desk.give(operator, ci);
  const once = idOf(desk.give(ci, job, { maxUses: 1 }, above));
  assert.equal(desk.book.use([once], job.id, desk.clock.now()), true);
  for (const by of [job, stranger])
    assert.equal(desk.book.revoke(once, plain(by), desk.clock.now()), "not-permitted");
  assert.equal(desk.book.revoke(numbered(77), ADMIN, desk.clock.now()), false, "it is unknown");
  assert.equal(desk.book.holds(once, desk.clock.now()), true);
  assert.equal(desk.book.revoke(once, plain(ci), desk.clock.now()), true);
  assert.equal(desk.book.holds(once, desk.clock.now()), false);
  assert.equal(desk.book.revoke(once, plain(ci), desk.clock.now()), false);
});

test("[AUTH-28] who handed on what is used for the last time revokes that, not what is above", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci, { maxUses: 1 });
  const once = idOf(desk.give(ci, job, {}, above));
  assert.equal(desk.book.use([once], job.id, desk.clock.now()), true);
  const revoke = (by: Member): unknown =>
    desk.book.revoke(idOf(above), plain(by), desk.clock.now());
  assert.equal(revoke(ci), "not-permitted");
  assert.equal(desk.book.holds(once, desk.clock.now()), true);
  assert.equal(revoke(operator), true);
  assert.equal(desk.book.holds(once, desk.clock.now()), false);
});

test("[AUTH-15] a chain that does not hold leaves nothing behind", () => {
  // SECURITY: what was refused would stand in the ledger, and be in the way of the real one.
  const desk = new Desk();
  const before = desk.book.serialise();
  const forged = stranger.sign(grantFrom(desk.random, operator, ci));
  assert.equal(desk.book.issue([forged], ci.id, desk.clock.now()), "signature-invalid");
  assert.equal(desk.book.issue([], ci.id, desk.clock.now()), "chain-empty");
  assert.deepEqual(desk.book.serialise(), before);
  assert.equal(desk.book.revokeIdentity(ci.id, ADMIN, desk.clock.now()), false);
});

test("[AUTH-18] of a chain the latest date of issue counts, up to the clocks' tolerance", () => {
  const desk = new Desk();
  const above = desk.give(operator, ci);
  desk.clock.pass(MINUTE_MS / 2);
  const id = idOf(desk.give(ci, job, {}, above));
  desk.clock.wallMs -= MINUTE_MS / 2;
  assert.deepEqual(desk.ask({ caller: job.id }), [id], "30 s ahead");
  desk.clock.wallMs -= 1;
  assert.equal(desk.ask({ caller: job.id }), "not-yet-valid");
});

test("[AUTH-42] one party of a long chain is enough to go through it again", () => {
  // SECURITY: who was revoked at the end of a chain would keep what reached it.
  const desk = new Desk();
  const scope = parseScope("secret-use:ci/**+1");
  const id = idOf(desk.give(ci, job, {}, desk.give(operator, ci, { scope })));
  const kept = idOf(desk.give(operator, stranger));
  desk.book.trust(trustIn([operator, ci, stranger]), desk.clock.now());
  const holding = [id, kept].map((one) => desk.book.holds(one, desk.clock.now()));
  assert.deepEqual(holding, [false, true]);
  assert.equal(desk.book.size, 2);
});

test("lists are in the order of ids, in whatever order grants came", () => {
  const desk = new Desk();
  for (const number of [30, 10, 20]) desk.give(operator, ci, { id: numbered(number) });
  const ids = desk.book.list(ADMIN, null, 9, desk.clock.now()).map(({ signed }) => signed.grant.id);
  assert.deepEqual(ids, [10, 20, 30].map(numbered));
  const own = desk.book.list(plain(ci), numbered(10), 1, desk.clock.now());
  assert.deepEqual(
    own.map(({ signed }) => signed.grant.id),
    [numbered(20)],
  );
});
