import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { draftGrant, type SignedGrant } from "./grant.ts";
import { Ledger } from "./ledger.ts";
import { NOTHING } from "./scope.ts";
import { HandClock, INSTALLATION, numbered } from "./testing/fixture.ts";

// The ledger against a model that looks at every grant in every step, under random operations and
// clocks: suspend, wall clock set either way, restarts of the process and of the machine.

const SECOND_MS = 1_000;
const PARTIES = [1, 2, 3, 4].map(numbered);
const ADMIN = numbered(1);

type Op =
  | {
      readonly do: "issue";
      readonly parent: number;
      readonly by: number;
      readonly to: number;
      readonly ttl: number;
      readonly beat: number;
      readonly uses: number;
    }
  | { readonly do: "replay" | "heartbeat" | "use" | "standing"; readonly grant: number }
  | { readonly do: "revoke"; readonly grant: number; readonly by: number }
  | { readonly do: "revoke-identity"; readonly of: number; readonly by: number }
  | { readonly do: "pass" | "suspend" | "wall"; readonly seconds: number }
  | { readonly do: "restart" | "reboot" };

const party = fc.nat({ max: PARTIES.length - 1 });
const grant = fc.nat({ max: 30 });

const operation: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("issue" as const),
      parent: grant,
      by: party,
      to: party,
      ttl: fc.integer({ min: 1, max: 120 }),
      beat: fc.integer({ min: 1, max: 40 }),
      uses: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "replay" as const,
        "heartbeat" as const,
        "use" as const,
        "standing" as const,
      ),
      grant,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("revoke" as const), grant, by: party }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("revoke-identity" as const), of: party, by: party }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      seconds: fc.integer({ min: 0, max: 40 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("suspend" as const, "wall" as const),
      seconds: fc.integer({ min: -200, max: 200 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "reboot" as const) }),
  },
);

/** What the model knows of a grant. */
type Known = {
  readonly signed: SignedGrant;
  readonly parent: Known | null;
  readonly endsBoot: number;
  beat: number;
  uses: number | null;
  dead: boolean;
};

/** The same rules, said without indexes, queues or forgetting. */
class Model {
  readonly clock = new HandClock();
  ledger = new Ledger({ bootId: "0" }, this.clock.now());
  readonly known: Known[] = [];
  boots = 0;
  made = 0;

  run(op: Op): void {
    this.settle();
    switch (op.do) {
      case "issue":
        return this.issue(op);
      case "replay":
        return this.with(op.grant, (one) => {
          const reason = this.ledger.issue(one.signed, this.clock.now());
          assert.equal(reason === null, !one.dead);
        });
      case "heartbeat":
        return this.with(op.grant, (one) => {
          const { id, delegatee } = one.signed.grant;
          const reason = this.ledger.heartbeat(id, delegatee, this.clock.now());
          assert.equal(reason === null, !one.dead);
          if (!one.dead) one.beat = this.clock.bootMs;
        });
      case "use":
        return this.with(op.grant, (one) => {
          const { id, delegatee } = one.signed.grant;
          const reason = this.ledger.use(id, delegatee, this.clock.now());
          assert.equal(reason === null, !one.dead);
          if (one.dead) return;
          for (const link of chain(one)) if (link.uses !== null) link.uses -= 1;
        });
      case "standing":
        return this.with(op.grant, (one) => this.compare(one));
      case "revoke":
        return this.with(op.grant, (one) => {
          const by = PARTIES[op.by] ?? "";
          const may =
            by === ADMIN || chain(one).some(({ signed }) => signed.grant.delegator === by);
          const reason = this.ledger.revoke(
            one.signed.grant.id,
            { id: by, admin: by === ADMIN },
            this.clock.now(),
          );
          assert.equal(reason === null, may && !one.dead);
          if (may) one.dead = true;
        });
      case "revoke-identity": {
        const [of = "", by = ""] = [PARTIES[op.of], PARTIES[op.by]];
        if (by !== ADMIN) return;
        assert.equal(
          this.ledger.revokeIdentity(of, { id: by, admin: true }, this.clock.now()),
          null,
        );
        for (const one of this.known)
          if ([one.signed.grant.delegator, one.signed.grant.delegatee].includes(of))
            one.dead = true;
        return;
      }
      case "pass":
        this.clock.pass(op.seconds * SECOND_MS);
        return;
      case "suspend":
        this.clock.pass(Math.abs(op.seconds) * SECOND_MS);
        return;
      case "wall":
        this.clock.wallMs += op.seconds * SECOND_MS;
        return;
      case "restart":
        return this.restore();
      case "reboot":
        this.boots += 1;
        this.clock.bootMs = 10;
        for (const one of this.known) one.dead = true;
        return this.restore();
    }
  }

  restore(): void {
    const options = { bootId: String(this.boots) };
    this.ledger = Ledger.restore(options, this.ledger.serialise(), this.clock.now());
  }

  issue(op: Op & { readonly do: "issue" }): void {
    const parent = this.known[op.parent] ?? null;
    const delegator = parent?.signed.grant.delegatee ?? PARTIES[op.by] ?? "";
    this.made += 1;
    const draft = draftGrant(
      {
        installation: INSTALLATION,
        delegator,
        delegatee: PARTIES[op.to] ?? "",
        kind: "ai",
        parent: parent?.signed.grant.id ?? null,
        scope: NOTHING,
        ttlMs: op.ttl * SECOND_MS,
        heartbeatMs: op.beat * SECOND_MS,
        maxUses: op.uses === 0 ? null : op.uses,
      },
      { wallMs: this.clock.wallMs, random: (length) => new Uint8Array(length).fill(this.made) },
    );
    const nonce = new Uint8Array(16);
    new DataView(nonce.buffer).setUint32(0, this.made);
    const signature = new Uint8Array(64);
    new DataView(signature.buffer).setUint32(0, this.made);
    const signed = { grant: { ...draft, id: numbered(1_000 + this.made), nonce }, signature };
    const reason = this.ledger.issue(signed, this.clock.now());
    if (parent?.dead === true) assert.notEqual(reason, null);
    // Set back, the clock may say what was before: then refusing is right, and only then.
    if (reason === "replayed") return;
    if (reason === "chain-too-long") return assert.ok(chain(parent).length >= 8);
    assert.equal(reason === null, parent?.dead !== true, reason ?? "");
    if (reason !== null) return;
    this.known.push({
      signed,
      parent,
      endsBoot: this.clock.bootMs + draft.ttlMs,
      beat: this.clock.bootMs,
      uses: draft.maxUses,
      dead: false,
    });
  }

  /** Ends what is over, until nothing more is. */
  settle(): void {
    const { wallMs, bootMs } = this.clock;
    for (const one of this.known) {
      const { issuedAtMs, ttlMs, heartbeatMs } = one.signed.grant;
      one.dead ||=
        wallMs >= issuedAtMs + ttlMs ||
        bootMs >= one.endsBoot ||
        bootMs >= one.beat + 2 * heartbeatMs ||
        one.uses === 0;
    }
    // Parents come before their children.
    for (const one of this.known) one.dead ||= one.parent?.dead === true;
  }

  with(at: number, act: (one: Known) => void): void {
    const one = this.known[at];
    if (one !== undefined) act(one);
  }

  compare(one: Known): void {
    const standing = this.ledger.standing(one.signed, this.clock.now());
    assert.equal(standing.live, !one.dead);
    if (standing.live) assert.equal(standing.usesLeft, one.uses);
  }

  compareAll(): void {
    this.settle();
    for (const one of this.known) this.compare(one);
  }
}

function chain(one: Known | null): Known[] {
  return one === null ? [] : [one, ...chain(one.parent)];
}

test("[AUTH-26] no sequence of operations, clocks and restarts makes a dead grant live again", () => {
  // SECURITY: P6. One such sequence and an agent keeps what it was given for minutes.
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (ops) => {
      const model = new Model();
      for (const one of ops) {
        model.run(one);
        model.compareAll();
      }
    }),
    { numRuns: 1_500 },
  );
});

test("[AUTH-31] a ledger that is stored and restored after each step stays the same as one that runs", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (ops) => {
      const running = new Model();
      const stored = new Model();
      for (const one of ops) {
        running.run(one);
        stored.run(one);
        const [a, b] = [running, stored].map(({ ledger, clock }) => ledger.tick(clock.now()));
        assert.deepEqual(a, b);
        stored.restore();
        assert.deepEqual(stored.ledger.serialise(), running.ledger.serialise());
      }
    }),
    { numRuns: 300 },
  );
});

test("[AUTH-31] a stored state and the changes since make the ledger that runs", () => {
  // SECURITY: a change that is not stored is an end that a restart undoes.
  const steps = fc.array(fc.tuple(operation, fc.nat({ max: 9 })), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (ops) => {
      const model = new Model();
      let state = model.ledger.serialise();
      let changes: Uint8Array[] = [];
      for (const [one, turn] of ops) {
        model.run(one);
        // Several changes are stored at once; now and then all is stored anew.
        const isNew = turn === 0 || one.do === "restart" || one.do === "reboot";
        if (turn > 7 && !isNew) continue;
        const taken = model.ledger.takeChanges();
        if (isNew) state = model.ledger.serialise();
        changes = isNew ? [] : [...changes, taken];
        const now = model.clock.now();
        const restored = Ledger.restore({ bootId: String(model.boots) }, state, now, changes);
        model.ledger.tick(now);
        assert.deepEqual(restored.serialise(), model.ledger.serialise());
      }
    }),
    { numRuns: 500 },
  );
});

test("[AUTH-27] every end is told once, with its cause, and none is missed", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (ops) => {
      const model = new Model();
      const told = new Set<string>();
      for (const one of ops) {
        if (one.do === "restart" || one.do === "reboot") continue;
        model.run(one);
        for (const { id, origin, why } of model.ledger.tick(model.clock.now())) {
          assert.ok(!told.has(id), `${id} ended twice`);
          told.add(id);
          assert.equal(origin === id, why !== "parent-ended");
          assert.ok(told.has(origin), "the cause comes first");
        }
      }
      model.settle();
      const dead = model.known.filter((one) => one.dead).map(({ signed }) => signed.grant.id);
      assert.deepEqual([...told].sort(), dead.sort());
    }),
    { numRuns: 500 },
  );
});
