import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Denial, limits, type DenialCode } from "@sesame/core-types";
import fc from "fast-check";
import { Approvals, type Answer, type Ask, type Moment } from "./approvals.ts";

const OPERATOR = "operator's id";
const MINUTE_MS = 60_000;
const ASK: Ask = {
  identity: "agent's id",
  capability: "secret-read",
  profile: "work",
  names: ["prod/a", "prod/b"],
};

let approvals: Approvals;
let now: Moment;

beforeEach(() => {
  let ids = 0;
  approvals = new Approvals(() => (++ids).toString(16).padStart(8, "0"));
  now = { wallMs: 1_763_000_000_000, monotonicMs: 1_000 };
});

function pass(ms: number): void {
  now = { wallMs: now.wallMs + ms, monotonicMs: now.monotonicMs + ms };
}

function asked(ask = ASK): string {
  const standing = approvals.demand(ask, now);
  assert.equal(standing.state, "asked");
  return standing.state === "asked" ? standing.id : "";
}

const stateOf = (ask = ASK): string => approvals.demand(ask, now).state;
const answer = (id: string, given: Answer): unknown => approvals.answer(id, OPERATOR, given, now);
const denial =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

test("[APPROVE-2] asking the same again joins what waits; it ends after five minutes", () => {
  const id = asked();
  assert.equal(asked({ ...ASK, names: ["prod/b", "prod/a", "prod/b"] }), id);
  assert.equal(approvals.list(now).length, 1);
  pass(limits.ASKED_TTL_MS - 1);
  assert.equal(asked(), id);
  pass(1);
  assert.throws(() => answer(id, { word: "once" }), denial("not-asked"));
  assert.equal(approvals.progress(id, ASK.identity, now), "gone");
  assert.notEqual(asked(), id);
});

test("[APPROVE-2] what waits is bounded, for one identity and for all", () => {
  // SECURITY: one agent could hide the request that matters among thousands of its own.
  for (let i = 0; i < limits.MAX_ASKED_EACH; i++) asked({ ...ASK, names: [`n${i}`] });
  assert.throws(() => asked({ ...ASK, names: ["more"] }), denial("busy"));
  for (let i = limits.MAX_ASKED_EACH; i < limits.MAX_ASKED; i++)
    asked({ ...ASK, identity: `agent ${i}` });
  assert.throws(() => asked({ ...ASK, identity: "one more" }), denial("busy"));
  const names = Array.from({ length: limits.MAX_ASKED_NAMES + 1 }, (_, i) => `n${i}`);
  pass(limits.ASKED_TTL_MS);
  assert.throws(() => asked({ ...ASK, names }), denial("busy"));
});

test("[APPROVE-4] approved once is once, for the whole of what was asked", () => {
  // SECURITY: an agent would come back for more with the yes that it was given for one use.
  answer(asked(), { word: "once" });
  assert.equal(stateOf({ ...ASK, names: ["prod/a"] }), "asked");
  assert.equal(stateOf(), "approved");
  assert.equal(stateOf(), "asked");
});

test("[APPROVE-4] an approval that nobody uses ends", () => {
  answer(asked(), { word: "once" });
  pass(limits.ONCE_TTL_MS);
  assert.equal(stateOf(), "asked");
});

test("[APPROVE-4] approved for a time is for these names until then", () => {
  answer(asked(), { word: "for", forMs: 10 * MINUTE_MS });
  for (const names of [ASK.names, ["prod/a"], ["prod/b"]])
    assert.equal(stateOf({ ...ASK, names }), "approved");
  pass(10 * MINUTE_MS - 1);
  assert.equal(stateOf(), "approved");
  pass(1);
  assert.equal(stateOf(), "asked");
});

test("[APPROVE-4] of several names those that are approved are not asked for again", () => {
  answer(asked({ ...ASK, names: ["prod/a"] }), { word: "for", forMs: 10 * MINUTE_MS });
  asked();
  assert.deepEqual(approvals.list(now)[0]?.names, ["prod/b"]);
});

test("[APPROVE-4] a call without names is approved as a whole", () => {
  const all = { ...ASK, names: [] };
  answer(asked(all), { word: "for", forMs: MINUTE_MS });
  assert.equal(stateOf(all), "approved");
  assert.equal(stateOf({ ...all, profile: null }), "asked");
  assert.equal(stateOf(), "asked");
  answer(asked({ ...all, profile: null }), { word: "never" });
  assert.equal(stateOf({ ...all, profile: null }), "refused");
});

test("[APPROVE-4] no approval is longer than the longest", () => {
  answer(asked(), { word: "for", forMs: Number.MAX_SAFE_INTEGER });
  pass(limits.MAX_APPROVAL_MS);
  assert.equal(stateOf(), "asked");
});

test("[APPROVE-4] never stays, also for a part and after a lock", () => {
  // SECURITY: an agent that was refused would ask until somebody is tired of it.
  answer(asked(), { word: "never" });
  approvals.forget(null);
  pass(24 * 60 * MINUTE_MS);
  for (const names of [ASK.names, ["prod/a"], ["prod/b", "other"]])
    assert.equal(stateOf({ ...ASK, names }), "refused");
  assert.equal(stateOf({ ...ASK, names: ["other"] }), "asked");
});

test("[APPROVE-5] either clock ends an approval", () => {
  // SECURITY: a laptop that sleeps, or a clock that is set back, would prolong what was given.
  for (const clock of ["wallMs", "monotonicMs"] as const) {
    answer(asked(), { word: "for", forMs: MINUTE_MS });
    now = { ...now, [clock]: now[clock] + MINUTE_MS };
    assert.equal(stateOf(), "asked", clock);
    approvals.forget(null);
  }
});

test("[APPROVE-8] who is nobody keeps no approval and no request; what was refused stays refused", () => {
  answer(asked(), { word: "for", forMs: MINUTE_MS });
  const refused = { ...ASK, names: ["refused"] };
  answer(asked(refused), { word: "never" });
  const other = { ...ASK, identity: "another" };
  answer(asked(other), { word: "once" });
  const waits = asked({ ...ASK, names: ["other"] });
  assert.equal(
    approvals.retain((identity) => identity !== ASK.identity),
    true,
  );
  assert.equal(
    approvals.retain((identity) => identity !== ASK.identity),
    false,
  );
  assert.equal(approvals.progress(waits, ASK.identity, now), "gone");
  assert.equal(stateOf(), "asked");
  assert.equal(stateOf(refused), "refused");
  assert.equal(stateOf(other), "approved");
});

test("[APPROVE-5] a lock ends what is approved and what waits in its profile", () => {
  answer(asked(), { word: "for", forMs: MINUTE_MS });
  const elsewhere = { ...ASK, profile: "home" };
  answer(asked(elsewhere), { word: "once" });
  const waits = asked({ ...ASK, names: ["other"] });
  approvals.forget("work");
  assert.equal(stateOf(), "asked");
  assert.equal(approvals.progress(waits, ASK.identity, now), "gone");
  assert.equal(stateOf(elsewhere), "approved");
});

test("[APPROVE-3] nobody approves what it asked for itself", () => {
  // SECURITY: an agent that was lent `admin` for something else would agree with itself.
  const id = asked();
  assert.throws(
    () => approvals.answer(id, ASK.identity, { word: "once" }, now),
    denial("capability-missing"),
  );
  assert.equal(stateOf(), "asked");
});

test("[APPROVE-6] another identity learns nothing and explains nothing", () => {
  // SECURITY: an agent would put its own words to another's request.
  const id = asked();
  assert.equal(approvals.progress(id, "another", now), "gone");
  assert.equal(approvals.explain(id, "another", "trust me"), false);
  assert.equal(approvals.list(now)[0]?.reason, null);
  assert.ok(approvals.explain(id, ASK.identity, "deploy"));
  assert.ok(approvals.explain(id, ASK.identity, "something else"));
  assert.equal(approvals.list(now)[0]?.reason, "deploy");
  answer(id, { word: "once" });
  assert.equal(approvals.progress(id, "another", now), "gone");
  assert.equal(approvals.progress(id, ASK.identity, now), "approved");
});

test("[APPROVE-4] answers to one identity are bounded, and leave room for the others", () => {
  // SECURITY: one agent, refused name after name, would leave nobody an answer.
  for (let i = 0; i < limits.MAX_ANSWERS; i++)
    answer(asked({ ...ASK, names: [`n${i}`] }), { word: "never" });
  assert.throws(() => answer(asked({ ...ASK, names: ["x"] }), { word: "never" }), denial("busy"));
  const other = { ...ASK, identity: "another" };
  answer(asked(other), { word: "once" });
  assert.equal(stateOf(other), "approved");
});

test("[APPROVE-1] an approval fits no other identity, capability, profile or name", () => {
  // SECURITY: another agent would ride on what was approved for this one.
  const word = fc.constantFrom("a", "b", '","', "]", "a/b");
  const anyAsk = fc.record({
    identity: word,
    capability: fc.constantFrom("secret-read" as const, "secret-use" as const),
    profile: word,
    names: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }),
  });
  const given = fc.constantFrom<Answer>({ word: "once" }, { word: "for", forMs: MINUTE_MS });
  fc.assert(
    fc.property(anyAsk, anyAsk, given, (one, other, said) => {
      let ids = 0;
      const room = new Approvals(() => String(++ids).padStart(8, "0"));
      assert.equal(room.demand(one, now).state, "asked");
      room.answer("00000001", OPERATOR, said, now);
      const fits =
        one.identity === other.identity &&
        one.capability === other.capability &&
        one.profile === other.profile &&
        other.names.every((name) => one.names.includes(name)) &&
        (said.word === "for" || one.names.length === other.names.length);
      assert.equal(room.demand(other, now).state, fits ? "approved" : "asked");
    }),
  );
});
