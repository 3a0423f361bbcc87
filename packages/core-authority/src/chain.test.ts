import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { resolveChain, verifyChain, type Request, type Trust, type Verdict } from "./chain.ts";
import type { Grant, SignedGrant } from "./grant.ts";
import { Ledger } from "./ledger.ts";
import { CLOCK_TOLERANCE_MS, MAX_CHAIN } from "./limits.ts";
import { REASONS, WIRE_DENIAL } from "./reasons.ts";
import { covers, parseScope, printScope, within, type Scope } from "./scope.ts";
import { DENIALS, NO_MINIMUM } from "@sesame/core-types";
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

// One operator and nine more, so that chains one link too long can be made.
const operator = new Member(1, ["admin"]);
const members = Array.from({ length: 9 }, (_, i) => new Member(10 + i, ["secret-list"]));
const [agent, helper, third] = members as [Member, Member, Member];
const everyone = [operator, ...members];
const trust = trustIn(everyone);
const TERRAFORM = { path: "/usr/bin/terraform", sha256: new Uint8Array(32).fill(9) };

type Change = Partial<Grant> & { readonly by?: Member };

/** A chain from the operator through the members; leaf first, as a caller shows it. */
function chainOf(changes: readonly Change[]): SignedGrant[] {
  const random = counting();
  const links: SignedGrant[] = [];
  changes.forEach(({ by, ...change }, i) => {
    const [from, to] = [everyone[i], everyone[i + 1]];
    assert.ok(from !== undefined && to !== undefined);
    const parent = links[i - 1]?.grant.id ?? null;
    links.push((by ?? from).sign({ ...grantFrom(random, from, to), parent, ...change }));
  });
  return links.toReversed();
}

function reasonOf(verdict: Verdict): string {
  return verdict.allowed ? "allowed" : verdict.reason;
}

function resolved(chain: readonly SignedGrant[], by: Trust = trust, wallMs = START_MS): string {
  return reasonOf(resolveChain(chain, by, wallMs));
}

const asked: Request = {
  caller: helper.id,
  capability: "secret-use",
  name: "ci/deploy",
  profile: "work",
  executable: null,
  trusted: NO_MINIMUM,
};

/** The verdict on a call by the holder of a chain whose grants are all registered. */
function judged(chain: readonly SignedGrant[], request: Partial<Request> = {}): string {
  const clock = new HandClock();
  const ledger = new Ledger({ bootId: "b" }, clock.now());
  for (const link of chain.toReversed()) assert.equal(ledger.issue(link, clock.now()), null);
  const caller = chain[0]?.grant.delegatee ?? "";
  return reasonOf(
    verifyChain(chain, {
      trust,
      ledger,
      now: clock.now(),
      request: { ...asked, caller, ...request },
    }),
  );
}

test("[AUTH-14] a chain is read from the leaf to the root and gives the meet along it", () => {
  const chain = chainOf([
    { scope: parseScope("secret-use:ci/**+3 secret-list+1") },
    { scope: parseScope("secret-use:**+8 secret-list secret-read") },
    { scope: parseScope("secret-use:*/deploy") },
  ]);
  const verdict = resolveChain(chain, trust, START_MS);
  assert.ok(verdict.allowed);
  assert.equal(printScope(verdict.scope), "secret-use:*/deploy&ci/**");
  assert.equal(verdict.delegatee, third.id);
  assert.equal(judged(chain), "allowed");
  assert.equal(judged(chain, { name: "ci/test" }), "capability-not-granted");
  assert.equal(judged(chain, { name: "cd/deploy" }), "capability-not-granted");
  assert.equal(judged(chain, { name: null }), "capability-not-granted");
  assert.equal(judged(chain, { capability: "secret-read" }), "capability-not-granted");
  assert.ok(!resolveChain(chain.toReversed(), trust, START_MS).allowed, "the order is part of it");
});

test("[AUTH-14] no chain at all, one that is too long, and one that is not joined are refused", () => {
  // SECURITY: a link that does not belong there would lend the rights of another chain.
  assert.equal(resolved([]), "chain-empty");
  const longest = chainOf(Array.from({ length: MAX_CHAIN }, () => ({})));
  assert.equal(resolved(longest), "allowed");
  const longer = chainOf(Array.from({ length: MAX_CHAIN + 1 }, () => ({})));
  assert.equal(resolved(longer), "chain-too-long");
  const [leaf, root] = chainOf([{}, {}]) as [SignedGrant, SignedGrant];
  assert.equal(resolved([leaf]), "link-broken", "the root is missing");
  assert.equal(resolved([root]), "allowed");
  const other = operator.sign(grantFrom(counting(), operator, agent, { id: numbered(77) }));
  assert.equal(resolved([leaf, other]), "link-broken", "another parent, to the same delegatee");
  assert.equal(resolved(chainOf([{}, { parent: numbered(5) }])), "link-broken");
  assert.equal(resolved(chainOf([{}, { parent: null }])), "link-broken");
  assert.equal(resolved(chainOf([{ parent: numbered(5) }])), "link-broken");
  const forOther = chainOf([{ delegatee: third.id }, {}]);
  assert.equal(resolved(forOther), "link-broken", "the parent was given to somebody else");
});

test("[AUTH-14] no grant and no identity occurs twice in a chain", () => {
  const [leaf, root] = chainOf([{}, {}]) as [SignedGrant, SignedGrant];
  assert.equal(resolved([leaf, root, root]), "chain-cycle");
  assert.equal(resolved([root, root]), "chain-cycle");
  assert.equal(resolved(chainOf([{ delegatee: operator.id }])), "chain-cycle");
  assert.equal(resolved(chainOf([{}, { delegatee: operator.id }])), "chain-cycle");
  assert.equal(resolved(chainOf([{}, {}, { delegatee: agent.id }])), "chain-cycle");
});

test("[AUTH-15] every link is signed by its delegator's pinned key, for this installation", () => {
  // SECURITY: an identity could write grants in the name of another one.
  assert.equal(resolved(chainOf([{}, { by: operator }])), "signature-invalid");
  assert.equal(resolved(chainOf([{ by: agent }, {}])), "signature-invalid");
  const [leaf, root] = chainOf([{}, {}]) as [SignedGrant, SignedGrant];
  const swapped = { grant: leaf.grant, signature: root.signature };
  assert.equal(resolved([swapped, root]), "signature-invalid");
  assert.equal(resolved(chainOf([{ installation: numbered(9) }])), "other-installation");
});

test("[AUTH-15] a ledger that takes everything for alive does not make up for a signature", () => {
  // SECURITY: an owner whose ledger was fed by somebody else would allow what nobody signed.
  const lenient = { standing: () => ({ live: true }) as never };
  const verdict = verifyChain(chainOf([{}, { by: operator }]), {
    trust,
    ledger: lenient,
    now: new HandClock().now(),
    request: asked,
  });
  assert.equal(reasonOf(verdict), "signature-invalid");
});

test("[AUTH-15] identities that are not enrolled or are revoked end every chain they are in", () => {
  // SECURITY: a revoked identity would live on in what it handed to others.
  const chain = chainOf([{}, {}, {}]);
  for (const gone of [operator, agent, helper, third]) {
    const without = trustIn(everyone.filter((member) => member !== gone));
    assert.equal(resolved(chain, without), "identity-unknown");
    const revoked: Trust = {
      ...trust,
      party: (id) => {
        const party = trust.party(id);
        return party !== null && id === gone.id ? { ...party, revoked: true } : party;
      },
    };
    assert.equal(resolved(chain, revoked), "identity-revoked");
  }
  assert.equal(resolved(chain, trustIn(everyone)), "allowed");
});

test("[AUTH-16] what a chain gives is within its root, and covers only what every link covers", () => {
  // SECURITY: P6. A delegation that exceeds its delegator is an escalation.
  const words = [
    "secret-use",
    "secret-use:ci/*",
    "secret-use:*/x",
    "secret-read:a*",
    "admin",
    "unlock",
  ];
  const scope = fc
    .array(fc.tuple(fc.constantFrom(...words), fc.integer({ min: 0, max: 8 })), { maxLength: 4 })
    .map((list) =>
      parseScope(list.map(([word, depth]) => (depth > 0 ? `${word}+${depth}` : word)).join(" ")),
    );
  const names = [null, "x", "ci/x", "ci/y", "a", "a/x", "ci/x/y"];
  fc.assert(
    fc.property(fc.array(scope, { minLength: 1, maxLength: 5 }), (scopes) => {
      const chain = chainOf(scopes.map((one) => ({ scope: one })));
      const verdict = resolveChain(chain, trust, START_MS);
      const held = (at: number, name: string | null): boolean =>
        scopes.every((one, i) => covers(one, "secret-use", name, Math.max(0, at - i)));
      const last = scopes.length - 1;
      for (const name of names)
        assert.equal(
          verdict.allowed && covers(verdict.scope, "secret-use", name),
          held(last, name),
          printScope(verdict.allowed ? verdict.scope : []),
        );
      if (verdict.allowed) for (const one of scopes) assert.ok(within(verdict.scope, one));
    }),
    { numRuns: 150 },
  );
});

test("[AUTH-16] an enrolment without the right gives nothing, however it is granted", () => {
  const reader = new Member(40, ["secret-use", "delegate"]);
  const plain = new Member(41, ["secret-use"]);
  const both = trustIn([...everyone, reader, plain]);
  const from = (member: Member, scope: Scope): string =>
    resolved([member.sign(grantFrom(counting(), member, agent, { scope }))], both);
  assert.equal(from(reader, parseScope("secret-use:ci/*")), "allowed");
  assert.equal(from(reader, parseScope("secret-read admin secret-use")), "allowed");
  assert.equal(from(reader, parseScope("secret-read unlock")), "scope-empty");
  assert.equal(from(plain, parseScope("secret-use:ci/*")), "not-delegable");
  const wide = [reader.sign(grantFrom(counting(), reader, agent, { scope: parseScope("admin") }))];
  const verdict = resolveChain(wide, both, START_MS);
  assert.equal(printScope(verdict.allowed ? verdict.scope : []), "secret-use");
});

test("[AUTH-17] a right is handed on no more often than each grant above allows", () => {
  // SECURITY: an agent would pass on what it was given for itself.
  const deep = (...depths: number[]): string =>
    resolved(
      chainOf(
        depths.map((depth) => ({ scope: parseScope(`secret-use${depth > 0 ? `+${depth}` : ""}`) })),
      ),
    );
  assert.equal(deep(0), "allowed");
  assert.equal(deep(0, 0), "not-delegable");
  assert.equal(deep(1, 0), "allowed");
  assert.equal(deep(1, 8, 0), "not-delegable", "claiming more depth does not give it");
  assert.equal(deep(2, 1, 0), "allowed");
  // The part that may be handed on can be narrower than what is held.
  const part = chainOf([
    { scope: parseScope("secret-use:** secret-use:ci/*+1") },
    { scope: parseScope("secret-use") },
  ]);
  const verdict = resolveChain(part, trust, START_MS);
  assert.equal(printScope(verdict.allowed ? verdict.scope : []), "secret-use:ci/*");
});

test("[AUTH-16] a scope that cannot be held within the limits is refused", () => {
  const many = (pattern: (i: number) => string): Scope =>
    parseScope(Array.from({ length: 6 }, (_, i) => `secret-use:${pattern(i)}+8`).join(" "));
  const chain = chainOf([{ scope: many((i) => `s${i}*`) }, { scope: many((i) => `*e${i}`) }]);
  assert.equal(resolved(chain), "scope-too-large");
});

test("[AUTH-18] a grant counts from its date of issue, within the tolerance, to its end", () => {
  const at = (wallMs: number): string => resolved(chainOf([{ ttlMs: MINUTE_MS }]), trust, wallMs);
  assert.equal(at(START_MS - CLOCK_TOLERANCE_MS - 1), "not-yet-valid");
  assert.equal(at(START_MS - CLOCK_TOLERANCE_MS), "allowed");
  assert.equal(at(START_MS + MINUTE_MS - 1), "allowed");
  assert.equal(at(START_MS + MINUTE_MS), "expired");
  assert.equal(at(Number.NaN), "not-yet-valid");
  assert.equal(at(Number.POSITIVE_INFINITY), "expired");
});

test("[AUTH-18] a chain ends when the first of its links does", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1440 }), { minLength: 1, maxLength: 6 }),
      (ttls) => {
        const chain = chainOf(ttls.map((minutes) => ({ ttlMs: minutes * MINUTE_MS })));
        const endMs = START_MS + Math.min(...ttls) * MINUTE_MS;
        const verdict = resolveChain(chain, trust, START_MS);
        assert.equal(verdict.allowed && verdict.expiresAtMs, endMs);
        assert.equal(resolved(chain, trust, endMs - 1), "allowed");
        assert.equal(resolved(chain, trust, endMs), "expired");
      },
    ),
    { numRuns: 50 },
  );
});

test("[AUTH-19] profiles are those that every link names", () => {
  const chain = chainOf([{ profiles: ["home", "work"] }, {}, { profiles: ["lab", "work"] }]);
  assert.equal(judged(chain, { profile: "work" }), "allowed");
  for (const profile of ["home", "lab", "", null])
    assert.equal(judged(chain, { profile }), "profile-not-granted");
  assert.equal(judged(chainOf([{}]), { profile: null }), "allowed");
  assert.equal(judged(chainOf([{ profiles: [] }]), { profile: "work" }), "profile-not-granted");
  const apart = chainOf([{ profiles: ["home"] }, { profiles: ["work"] }]);
  for (const profile of ["home", "work"])
    assert.equal(judged(apart, { profile }), "profile-not-granted");
});

test("[AUTH-20] the caller's program is the one that every link demands", () => {
  // SECURITY: a stolen agent key would be used from any program.
  const otherHash = { ...TERRAFORM, sha256: new Uint8Array(32).fill(8) };
  const otherPath = { ...TERRAFORM, path: "/tmp/terraform" };
  const leaf = chainOf([{}, { pointOfUse: TERRAFORM }]);
  assert.equal(judged(leaf, { executable: TERRAFORM }), "allowed");
  for (const executable of [null, otherHash, otherPath])
    assert.equal(judged(leaf, { executable }), "point-of-use");
  const above = chainOf([{ pointOfUse: TERRAFORM }, {}]);
  assert.equal(judged(above, { executable: TERRAFORM }), "allowed");
  assert.equal(judged(above, { executable: otherPath }), "point-of-use", "handing on frees nobody");
  const apart = chainOf([{ pointOfUse: TERRAFORM }, { pointOfUse: otherPath }]);
  assert.equal(judged(apart, { executable: otherPath }), "point-of-use");
  assert.equal(judged(apart, { executable: TERRAFORM }), "point-of-use");
});

test("[AUTH-52] the caller's connection is trusted as far as every link demands", () => {
  // SECURITY: whoever has a stolen key file, or daemons that keep no secrets, would use the grant.
  const proof = { authentication: "key-and-pid", posture: 0 } as const;
  const half = { authentication: "none", posture: 50 } as const;
  const trusted = { authentication: "key-and-pid", posture: 50 } as const;
  for (const minimum of [proof, half, trusted]) {
    for (const chain of [chainOf([{}, { minimum }]), chainOf([{ minimum }, {}])]) {
      assert.equal(judged(chain, { trusted }), "allowed");
      assert.equal(judged(chain, { trusted: minimum }), "allowed");
      assert.equal(judged(chain), "trust-too-low");
    }
  }
  for (const chain of [
    [proof, half],
    [half, proof],
  ].map((all) => chainOf(all.map((minimum) => ({ minimum }))))) {
    assert.equal(judged(chain, { trusted }), "allowed");
    for (const less of [proof, half, { ...trusted, posture: 49 }])
      assert.equal(judged(chain, { trusted: less }), "trust-too-low");
    assert.equal(
      judged(chain, { trusted: { ...trusted, authentication: "key" } }),
      "trust-too-low",
    );
  }
});

test("[AUTH-21] only the delegatee of the leaf may use a chain", () => {
  // SECURITY: grants travel over the bus and are no secret; having one must not be enough.
  const chain = chainOf([{}, {}]);
  assert.equal(judged(chain, { caller: helper.id }), "allowed");
  for (const caller of [operator.id, agent.id, third.id, ""])
    assert.equal(judged(chain, { caller }), "not-delegatee");
});

test("[AUTH-22] every link has to be alive in the ledger, and to be the one that is registered", () => {
  const clock = new HandClock();
  const ledger = new Ledger({ bootId: "b" }, clock.now());
  const chain = chainOf([{}, {}, {}]);
  const [leaf, middle, root] = chain as [SignedGrant, SignedGrant, SignedGrant];
  const verdict = (shown: readonly SignedGrant[]): string =>
    reasonOf(
      verifyChain(shown, {
        trust,
        ledger,
        now: clock.now(),
        request: { ...asked, caller: third.id },
      }),
    );
  assert.equal(verdict(chain), "not-registered");
  assert.equal(ledger.issue(root, clock.now()), null);
  assert.equal(ledger.issue(middle, clock.now()), null);
  assert.equal(verdict(chain), "not-registered");
  assert.equal(ledger.issue(leaf, clock.now()), null);
  assert.equal(verdict(chain), "allowed");
  // SECURITY: a delegator who signs two grants with one id would swap them after registration.
  const twin = agent.sign({ ...middle.grant, ttlMs: 24 * 60 * MINUTE_MS });
  assert.equal(resolved([leaf, twin, root]), "allowed");
  assert.equal(verdict([leaf, twin, root]), "grant-differs");
  assert.equal(
    ledger.revoke(middle.grant.id, { id: operator.id, admin: false }, clock.now()),
    null,
  );
  assert.equal(verdict(chain), "revoked");
  assert.equal(verdict([middle, root]), "revoked");
});

test("[AUTH-22] a grant whose heartbeats stopped above ends the chain below", () => {
  const clock = new HandClock();
  const ledger = new Ledger({ bootId: "b" }, clock.now());
  const chain = chainOf([{}, {}]);
  const [leaf, root] = chain as [SignedGrant, SignedGrant];
  for (const link of [root, leaf]) ledger.issue(link, clock.now());
  const verdict = (): string =>
    reasonOf(verifyChain(chain, { trust, ledger, now: clock.now(), request: asked }));
  clock.pass(MINUTE_MS);
  assert.equal(ledger.heartbeat(leaf.grant.id, helper.id, clock.now()), null);
  clock.pass(MINUTE_MS - 1);
  assert.equal(verdict(), "allowed");
  clock.pass(1);
  assert.equal(verdict(), "heartbeat-missed");
  assert.equal(ledger.heartbeat(root.grant.id, agent.id, clock.now()), "heartbeat-missed");
});

test("[AUTH-23] there is one answer on the wire, and a text for every reason", () => {
  assert.ok(Object.hasOwn(DENIALS, WIRE_DENIAL));
  assert.ok(!DENIALS[WIRE_DENIAL].text.includes("{detail}"));
  for (const text of Object.values(REASONS)) assert.match(text, /^[a-z][^\n]{5,90}$/);
});

test("[AUTH-15] a former key that is still the delegator's signs as the present one does", () => {
  // SECURITY: a key that was given up would go on signing, or a rotation would end every grant.
  const [present, former, stranger] = [new Member(60, []), new Member(61, []), new Member(62, [])];
  const known = (formerKeys: readonly Uint8Array[]): Trust => ({
    ...trust,
    party: (id) =>
      id === operator.id
        ? { ...operator.party, signingKey: present.party.signingKey, formerKeys }
        : trust.party(id),
  });
  const both = known([stranger.party.signingKey, former.party.signingKey]);
  for (const by of [present, former, stranger])
    assert.equal(resolved(chainOf([{ by }]), both), "allowed");
  assert.equal(resolved(chainOf([{}]), both), "signature-invalid");
  assert.equal(resolved(chainOf([{ by: former }]), known([])), "signature-invalid");
});
