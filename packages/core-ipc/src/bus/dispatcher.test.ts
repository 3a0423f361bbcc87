import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Reason } from "@sesame/core-authority";
import type { Suite } from "@sesame/core-crypto";
import { nodeSuite } from "@sesame/core-crypto/node";
import {
  decode,
  DEFAULT_CAPABILITIES,
  Denial,
  denialSchema,
  Fault,
  encode,
  hasCapability,
  IDENTITY_KINDS,
  MESSAGES,
  NO_TRUST,
  stampUuidV7,
  type AuditRecord,
  type BUS_HOST,
  type Identity,
  type Level,
  type RequestName,
  type RoutedHeader,
  type Trust,
  type VAULT_OWNER,
} from "@sesame/core-types";
import { arbitraryOf } from "../../../../test/helpers/arbitrary.ts";
import { only } from "../noise/respond.ts";
import { SealedCaller } from "../seal/sealed-caller.ts";
import { SealedOwner } from "../seal/sealed-owner.ts";
import { handClock, identity } from "../testing/pair.ts";
import {
  denialAnswer,
  Dispatcher,
  readDenial,
  readSealedBody,
  type Answer,
  type Call,
  type Handlers,
} from "./dispatcher.ts";
import type { Permit } from "./gate.ts";
import { Registry } from "./registry.ts";

const ownerKeys = nodeSuite.generateX25519();
const keys = new Map(IDENTITY_KINDS.map((kind) => [kind, nodeSuite.generateX25519()] as const));
const strangerKeys = nodeSuite.generateX25519();
const identities = IDENTITY_KINDS.map((kind) =>
  identity(`the-${kind}`, {
    kind,
    clearance: "secrets-only",
    capabilities: DEFAULT_CAPABILITIES[kind],
    noiseKey: keys.get(kind)?.publicKey ?? new Uint8Array(),
  }),
);

type Row = (typeof MESSAGES)[RequestName];
const requests = (Object.keys(MESSAGES) as (keyof typeof MESSAGES)[]).filter(
  (name): name is RequestName => MESSAGES[name].form === "request",
);
const ROUTER_KINDS = ["bus.subscribe", "bus.unsubscribe", "bus.serve"];
const owned = requests.filter(
  (name) => MESSAGES[name].owner !== "*" && !ROUTER_KINDS.includes(name),
);

type World = {
  readonly dispatcher: Dispatcher<typeof BUS_HOST | typeof VAULT_OWNER>;
  readonly clock: ReturnType<typeof handClock>;
  readonly records: AuditRecord[];
  readonly handled: string[];
  readonly logged: string[];
};

function sample(schema: Row["params"] | Row["result"], seed: number): unknown {
  return fc.sample(arbitraryOf(schema), { numRuns: 1, seed })[0];
}

/** An owner of every kind; each handler records the call and returns what its schema allows. */
function world(
  given: {
    readonly audit?: (records: AuditRecord[]) => Promise<void>;
    readonly handler?: (name: string, params: unknown, call: Call) => unknown;
    readonly permit?: Permit | Reason;
    /** Of the owner's end of sealed calls; null: it has none. */
    readonly suite?: Suite | null;
    readonly memory?: Pick<Suite, "allocSecret" | "freeSecret">;
  } = {},
): World {
  const clock = handClock();
  const records: AuditRecord[] = [];
  const handled: string[] = [];
  const logged: string[] = [];
  const handlers = Object.fromEntries(
    owned.map((name) => [
      name,
      async (params: unknown, call: Call): Promise<unknown> => {
        handled.push(name);
        if (given.handler !== undefined) return given.handler(name, params, call);
        call.about("work", "what it is about");
        await call.record();
        return sample(MESSAGES[name].result, 2);
      },
    ]),
  ) as unknown as Handlers<typeof BUS_HOST | typeof VAULT_OWNER>;
  const { permit = null, suite = nodeSuite } = given;
  const sealed = suite === null ? {} : { sealed: new SealedOwner(suite, only(ownerKeys), clock) };
  const dispatcher = new Dispatcher({
    handlers,
    gate: {
      grants: {
        permit: (_caller, _capability, { about }) => {
          about();
          return permit;
        },
      },
    },
    registry: new Registry(identities, Date.now),
    ...sealed,
    audit: given.audit ?? ((more) => Promise.resolve(void records.push(...more))),
    log: (_level, event, fields) => void logged.push(`${event} ${JSON.stringify(fields)}`),
    incident: () => "incident-1",
    memory: given.memory ?? nodeSuite,
  });
  return { dispatcher, clock, records, handled, logged };
}

function headerOf(
  name: RequestName,
  from: Identity | null,
  clock: World["clock"],
  trust = NO_TRUST,
): RoutedHeader {
  const { tag, level } = MESSAGES[name];
  return {
    type: "request",
    id: stampUuidV7(nodeSuite.randomBytes(16), clock.wallMs()),
    tag,
    level,
    target: null,
    ttlMs: 1_000,
    sender: {
      name: from?.name ?? null,
      kind: from?.kind ?? null,
      clearance: from?.clearance ?? ("open" satisfies Level),
      session: new Uint8Array(16).fill(7),
      trust,
    },
  };
}

/** One call, sealed where its kind is: the encoded result, or the denial. */
async function ask(
  { dispatcher, clock }: World,
  name: RequestName,
  from: Identity | null,
  params: unknown = sample(MESSAGES[name].params, 1),
  trust = NO_TRUST,
): Promise<Uint8Array | Denial> {
  const row = MESSAGES[name];
  const header = headerOf(name, from, clock, trust);
  const body = encode<unknown>(row.params, params);
  try {
    if (!row.sealed) return opened(await dispatcher.answer(header, body));
    const own = (from === null ? undefined : keys.get(from.kind)) ?? strangerKeys;
    const caller = new SealedCaller(nodeSuite, own, ownerKeys.publicKey);
    const { id, tag, sender } = header;
    const request = caller.seal({ session: sender.session, id, tag }, body);
    const answer = await dispatcher.answer(header, request.payload);
    assert.equal(answer.type, "reply");
    const reply = request.open(answer.payload);
    assert.ok(reply !== null);
    return readSealedBody(reply);
  } catch (cause) {
    if (cause instanceof Denial) return cause;
    throw cause;
  }
}

function opened({ type, payload }: Answer): Uint8Array {
  if (type === "denial") throw readDenial(payload);
  assert.equal(type, "reply");
  return payload;
}

test("[OWNER-1] every kind is answered for those who hold its capability, and for nobody else", async () => {
  // SECURITY: one row that is not checked gives its answer to every agent.
  for (const name of owned)
    for (const from of [...identities, null]) {
      const place = world();
      const { needs, audit, level, byGrant } = MESSAGES[name];
      const allowed =
        (needs === null && (from !== null || level === "open")) ||
        (needs !== null &&
          from !== null &&
          !byGrant &&
          (needs === "daemon" ? from.kind === "daemon" : hasCapability(from.capabilities, needs)));
      const got = await ask(place, name, from);
      const what = `${name} for ${from?.name ?? "a stranger"}`;
      assert.deepEqual(place.handled, allowed ? [name] : [], what);
      if (allowed) {
        assert.ok(got instanceof Uint8Array, what);
        decode<unknown>(MESSAGES[name].result, got);
        assert.deepEqual(
          place.records.map(({ action, outcome, object, caller }) => [
            action,
            outcome,
            object,
            caller,
          ]),
          [[name, "ok", "what it is about", from?.name ?? null]],
        );
        continue;
      }
      assert.ok(got instanceof Denial, what);
      assert.equal(got.code, from === null ? "clearance-too-low" : "capability-missing", what);
      assert.deepEqual(
        place.records.map(({ outcome }) => outcome),
        audit === "never"
          ? []
          : [`refused:${got.code}${byGrant && from !== null ? "/no-grant" : ""}`],
      );
    }
});

test("[TRUST-4] no vector makes an owner allow more", async () => {
  // SECURITY: a lying bus could praise a connection until an owner serves it.
  const praise: Trust = {
    authentication: "key-and-pid",
    exposure: "local",
    posture: 100,
    authorizedAt: 0xffff_ffff,
    delegation: 0,
  };
  for (const name of owned)
    for (const from of [...identities, null]) {
      const outcomes = [];
      for (const trust of [NO_TRUST, praise]) {
        const place = world();
        const got = await ask(place, name, from, undefined, trust);
        outcomes.push([got instanceof Denial ? got.code : "ok", ...place.handled]);
      }
      assert.deepEqual(outcomes[0], outcomes[1], `${name} for ${from?.name ?? "a stranger"}`);
    }
});

const operator = identities.find(({ kind }) => kind === "human") as Identity;

test("[SEAL-7] the bus's word about a caller does not count for a sealed kind", async () => {
  // SECURITY: a lying bus host could otherwise give any client the operator's rights.
  const place = world();
  const { clock, dispatcher } = place;
  const header = headerOf("secret.get", operator, clock);
  const caller = new SealedCaller(nodeSuite, strangerKeys, ownerKeys.publicKey);
  const body = encode(MESSAGES["secret.get"].params, { profile: "work", name: "a" });
  const context = { session: header.sender.session, id: header.id, tag: header.tag };
  const request = caller.seal(context, body);
  const reply = request.open((await dispatcher.answer(header, request.payload)).payload);
  assert.throws(() => readSealedBody(reply ?? new Uint8Array()), { code: "clearance-too-low" });
  assert.deepEqual(place.handled, []);
  assert.equal(place.records[0]?.caller, null);
});

test("[SEAL-9] a sealed kind in clear is refused, and recorded", async () => {
  // SECURITY: a bus host could otherwise make up calls of its own.
  for (const name of owned.filter((candidate) => MESSAGES[candidate].sealed)) {
    const place = world();
    const body = encode<unknown>(MESSAGES[name].params, sample(MESSAGES[name].params, 1));
    const answer = await place.dispatcher.answer(headerOf(name, operator, place.clock), body);
    assert.throws(() => opened(answer), { code: "seal-invalid" });
    assert.deepEqual(place.handled, []);
    assert.match(place.records[0]?.outcome ?? "", /^refused:seal-/);
  }
});

test("[OWNER-2] what a handler refuses is recorded with its code and answered with its detail", async () => {
  const place = world({
    handler: (_name, _params, call) => {
      call.about("work", "db/password");
      throw new Denial("secret-not-found", "db/password");
    },
  });
  const got = await ask(place, "secret.get", operator);
  assert.ok(got instanceof Denial);
  assert.deepEqual([got.code, got.detail], ["secret-not-found", "db/password"]);
  const [record] = place.records;
  assert.deepEqual(
    [record?.profile, record?.object, record?.outcome, record?.caller],
    ["work", "db/password", "refused:secret-not-found", operator.name],
  );
});

test("[OWNER-3] nothing is released when its record cannot be written", async () => {
  // SECURITY: a full disk would otherwise make every access invisible.
  const place = world({ audit: () => Promise.reject(new Error("ENOSPC")) });
  const got = await ask(place, "secret.get", operator);
  assert.ok(got instanceof Denial);
  assert.equal(got.code, "audit-unavailable");
  assert.match(place.logged.join("\n"), /audit log not writable.*ENOSPC/);
});

test("[OWNER-2] a refusal stands where it cannot be recorded", async () => {
  // SECURITY: with a full disk what was refused would be told apart from what is not there.
  const place = world({
    audit: () => Promise.reject(new Error("ENOSPC")),
    handler: () => {
      throw new Denial("secret-not-found");
    },
  });
  const got = await ask(place, "secret.get", operator);
  assert.ok(got instanceof Denial && got.code === "secret-not-found");
  assert.match(
    place.logged.join("\n"),
    /refusal not recorded.*secret\.get.*refused:secret-not-found/,
  );
});

test("[OWNER-3] a damaged log is told apart from a full disk", async () => {
  // The log's own word, and that of the daemon that writes it.
  const answers = [
    [new Fault("integrity", "", ""), "audit-damaged"],
    [new Denial("audit-damaged"), "audit-damaged"],
    [new Fault("io", "", ""), "audit-unavailable"],
    [new Denial("busy"), "audit-unavailable"],
  ] as const;
  for (const [cause, code] of answers) {
    const got = await ask(world({ audit: () => Promise.reject(cause) }), "secret.get", operator);
    assert.ok(got instanceof Denial);
    assert.equal(got.code, code);
  }
});

test("[OWNER-3] a handler that forgets to record releases nothing", async () => {
  // SECURITY: as above; here the omission is ours.
  const value = new TextEncoder().encode("hunter2");
  const place = world({ handler: () => ({ value, version: 1 }) });
  const got = await ask(place, "secret.get", operator);
  assert.ok(got instanceof Denial);
  assert.equal(got.code, "fault");
  assert.equal(place.records[0]?.outcome, "refused:fault");
});

test("[OWNER-3] the reply waits for the record", async () => {
  const written = Promise.withResolvers<void>();
  const place = world({ audit: () => written.promise });
  let answered = false;
  const reply = ask(place, "secret.get", operator).then(() => (answered = true));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.equal(answered, false);
  written.resolve();
  await reply;
  assert.equal(answered, true);
});

test("[OWNER-4] a fault is named by its incident; what went wrong stays in the log", async () => {
  // SECURITY: error texts carry paths and values to whoever can provoke them.
  const place = world({
    handler: () => {
      throw new Error("the key 0xdeadbeef in /home/user");
    },
  });
  const got = await ask(place, "secret.get", operator);
  assert.ok(got instanceof Denial);
  assert.deepEqual([got.code, got.detail], ["fault", "incident-1"]);
  assert.ok(!JSON.stringify(place.records).includes("deadbeef"));
  assert.match(place.logged.join("\n"), /incident-1.*deadbeef/);
});

test("[OWNER-4] a result that does not fit its schema is a fault of the owner", async () => {
  const handler = async (_name: string, _params: unknown, call: Call): Promise<unknown> => {
    await call.record();
    return { value: "not bytes", version: 1 };
  };
  const got = await ask(world({ handler }), "secret.get", operator);
  assert.ok(got instanceof Denial);
  assert.equal(got.code, "fault");
});

test("[DENIAL-1] parameters that do not decode are refused by their rule", async () => {
  const place = world();
  const header = headerOf("profile.create", operator, place.clock);
  const answer = await place.dispatcher.answer(header, new Uint8Array([1]));
  assert.throws(() => opened(answer), { code: "params-invalid", detail: "CODEC-2" });
  assert.deepEqual(place.handled, []);
});

test("[DENIAL-1] kinds without a handler are unknown", async () => {
  const place = world();
  for (const tag of [0, 0x0500, MESSAGES["profile.changed"].tag, MESSAGES["bus.serve"].tag]) {
    const header = { ...headerOf("status.get", operator, place.clock), tag };
    const answer = await place.dispatcher.answer(header, new Uint8Array());
    assert.throws(() => opened(answer), { code: "unknown-kind" });
  }
});

test("a denial's detail is cut to what fits, at no half character", async () => {
  const place = world({
    handler: () => {
      throw new Denial("storage-failed", `${"x".repeat(89)}\u{1f511}`);
    },
  });
  const got = await ask(place, "profile.list", operator);
  assert.ok(got instanceof Denial);
  assert.equal(got.code, "storage-failed");
  assert.equal(got.detail, `${"x".repeat(89)}\ufffd`);
});

test("a denial in clear is read back, and a code that nobody knows as a fault", () => {
  const answer = denialAnswer(new Denial("busy", "later", 5));
  assert.equal(answer.type, "denial");
  const { code, detail, retryAfterMs } = readDenial(answer.payload);
  assert.deepEqual([code, detail, retryAfterMs], ["busy", "later", 5]);
  const unknown = encode(denialSchema, { code: "no-such-code", detail: "", retryAfterMs: 0 });
  assert.equal(readDenial(unknown).code, "fault");
});

test("one record for each object", async () => {
  const place = world({
    handler: async (_name, _params, call) => {
      call.about("work");
      await call.record(["a", "b"]);
      return { secrets: [] };
    },
  });
  await ask(place, "secret.fetch", operator);
  assert.deepEqual(
    place.records.map(({ profile, object }) => [profile, object]),
    [
      ["work", "a"],
      ["work", "b"],
    ],
  );
});

test("where no memory is left to seal a reply, the call is refused and the owner goes on", async () => {
  // SECURITY: who fetches enough at once would end daemon-secrets, and lock everybody's vaults.
  let isExhausted = false;
  const allocSecret: Suite["allocSecret"] = (bytes) => {
    if (!isExhausted) return nodeSuite.allocSecret(bytes);
    throw Object.assign(new Error("exhausted"), { code: "ERR_SESAME_LOCKED_MEMORY" });
  };
  const place = world({
    suite: { ...nodeSuite, allocSecret },
    handler: async (_name, _params, call) => {
      await call.record();
      isExhausted = true;
      return { version: 1 };
    },
  });
  const header = headerOf("secret.set", operator, place.clock);
  const { id, tag, sender } = header;
  const own = keys.get(operator.kind) ?? strangerKeys;
  const params = { profile: "work", name: "a", value: new Uint8Array(1) };
  const caller = new SealedCaller(nodeSuite, own, ownerKeys.publicKey);
  const request = caller.seal(
    { session: sender.session, id, tag },
    encode<unknown>(MESSAGES["secret.set"].params, params),
  );
  const answer = await place.dispatcher.answer(header, request.payload);
  assert.equal(answer.type, "denial");
  assert.equal(readDenial(answer.payload).code, "memory-exhausted");
});

test("where no memory is left to open a call, it is busy, and nobody's forgery", async () => {
  // SECURITY: whoever uses up locked memory would have honest callers put on record as forgers.
  const place = world({ suite: { ...nodeSuite, x25519: exhausted } });
  const header = headerOf("secret.get", operator, place.clock);
  const { id, tag, sender } = header;
  const caller = new SealedCaller(nodeSuite, strangerKeys, ownerKeys.publicKey);
  const body = encode(MESSAGES["secret.get"].params, { profile: "work", name: "a" });
  const { payload } = caller.seal({ session: sender.session, id, tag }, body);
  const answer = await place.dispatcher.answer(header, payload);
  assert.throws(() => opened(answer), { code: "busy" });
  assert.equal(place.records[0]?.outcome, "refused:seal-full");
});

test("what else goes wrong while a call is opened is not taken for a want of memory", async () => {
  const failing = (): never => {
    throw new Error("a bug of ours");
  };
  const place = world({ suite: { ...nodeSuite, x25519: failing } });
  const header = headerOf("secret.get", operator, place.clock);
  const { id, tag, sender } = header;
  const caller = new SealedCaller(nodeSuite, strangerKeys, ownerKeys.publicKey);
  const request = caller.seal({ session: sender.session, id, tag }, new Uint8Array(9));
  await assert.rejects(place.dispatcher.answer(header, request.payload), /a bug of ours/);
  assert.deepEqual(place.records, []);
});

const exhausted = (): never => {
  throw Object.assign(new Error("exhausted"), { code: "ERR_SESAME_LOCKED_MEMORY" });
};

test("a handler that is out of memory refuses, and is no fault", async () => {
  const others: readonly unknown[] = [
    new Error("ERR_SESAME_LOCKED_MEMORY"),
    Object.assign(new Error("not there"), { code: "ENOENT" }),
    "ERR_SESAME_LOCKED_MEMORY",
  ];
  const codes: unknown[] = [];
  for (const handler of [exhausted, ...others.map((one) => () => Promise.reject(one))]) {
    const got = await ask(world({ handler }), "profile.list", operator);
    codes.push(got instanceof Denial && got.code);
  }
  assert.deepEqual(codes, ["memory-exhausted", "fault", "fault", "fault"]);
});

test("[SEAL-9] an owner without an end for sealed calls refuses them, and says why on record", async () => {
  const place = world({ suite: null });
  const header = headerOf("secret.get", operator, place.clock);
  const answer = await place.dispatcher.answer(header, new Uint8Array(200));
  assert.throws(() => opened(answer), { code: "seal-invalid" });
  assert.equal(place.records[0]?.outcome, "refused:seal-unsupported");
});

test("[OWNER-2] a refusal is on record with the profile that the call was about", async () => {
  const place = world({ permit: "expired" });
  await ask(place, "secret.get", needy, { profile: "home", name: "a" });
  assert.equal(place.records[0]?.profile, "home");
});

test("what a sealed reply was made of is wiped, and what came in clear is left alone", async () => {
  // SECURITY: values would otherwise wait in memory for the collector.
  const held = new Set<Uint8Array>();
  const value = new TextEncoder().encode("the value");
  const place = world({
    handler: (_name, _params, call) => call.record().then(() => ({ value, version: 1 })),
    memory: {
      allocSecret: (length) => {
        const bytes = nodeSuite.allocSecret(length);
        held.add(bytes);
        return bytes;
      },
      freeSecret: (bytes) => {
        held.delete(bytes);
        nodeSuite.freeSecret(bytes);
      },
    },
  });
  assert.ok((await ask(place, "secret.get", operator)) instanceof Uint8Array);
  assert.equal(held.size, 0);
  assert.ok(value.every((byte) => byte === 0));

  const clear = world({ handler: (_name, _params, call) => call.record().then(() => ({})) });
  const body = encode(MESSAGES["profile.create"].params, { profile: "work" });
  const before = body.slice();
  await clear.dispatcher.answer(headerOf("profile.create", operator, clear.clock), body);
  assert.deepEqual(body, before);
});

test("the body of a sealed call is wiped once it was answered", async () => {
  // SECURITY: passwords would otherwise wait in memory for the collector.
  let kept = new Uint8Array();
  const place = world({
    handler: async (_name, params, call) => {
      kept = (params as { password: Uint8Array<ArrayBuffer> }).password;
      assert.ok(kept.some((byte) => byte !== 0));
      await call.record();
      return {};
    },
  });
  const password = new Uint8Array(9).fill(5);
  await ask(place, "vault.create", operator, { profile: "work", password });
  assert.deepEqual(
    [...kept],
    Array.from({ length: 9 }, () => 0),
  );
});

const needy = identities.find(({ kind }) => kind === "ai") as Identity;

test("[OWNER-2] the reason of a refusal is on record, and the refused does not learn it", async () => {
  // SECURITY: whoever guesses at grants would learn which of them exist, and what they lack.
  for (const reason of ["expired", "point-of-use"] as const) {
    const place = world({ permit: reason });
    const got = await ask(place, "secret.get", needy);
    assert.ok(got instanceof Denial);
    assert.deepEqual([got.code, got.detail], ["capability-missing", ""]);
    assert.deepEqual(place.handled, []);
    assert.equal(place.records[0]?.outcome, `refused:capability-missing/${reason}`);
  }
});

test("[OWNER-7] a use is taken before the record, and no use means no release", async () => {
  // SECURITY: a crash between the two, or a full disk, would give uses away.
  const order: string[] = [];
  const permit: Permit = {
    covers: () => true,
    narrow: () => undefined,
    drawn: () => [],
    use: () => {
      order.push("use");
      return Promise.resolve(["one", "two"]);
    },
  };
  const audit = (records: AuditRecord[]): Promise<void> => {
    order.push(...records.map(({ outcome }) => outcome));
    return Promise.resolve();
  };
  await ask(world({ permit, audit }), "secret.get", needy);
  assert.deepEqual(order, ["use", "ok:grant/one+1"]);

  const single = world({ permit: { ...permit, use: () => Promise.resolve(["one"]) } });
  await ask(single, "secret.get", needy);
  assert.equal(single.records[0]?.outcome, "ok:grant/one");

  const ended: Permit = {
    covers: () => true,
    narrow: () => undefined,
    drawn: () => [],
    use: () => Promise.reject(new Denial("capability-missing")),
  };
  const place = world({ permit: ended });
  const got = await ask(place, "secret.get", needy);
  assert.ok(got instanceof Denial && got.code === "capability-missing");
  assert.deepEqual(
    place.records.map(({ outcome }) => outcome),
    ["refused:capability-missing"],
  );
});

test("[OWNER-7] where nothing is recorded, the use is taken before the handler runs", async () => {
  // SECURITY: such kinds could be called without end.
  const ended: Permit = {
    covers: () => true,
    narrow: () => undefined,
    drawn: () => [],
    use: () => Promise.reject(new Denial("capability-missing")),
  };
  const place = world({ permit: ended });
  assert.ok((await ask(place, "audit.checkpoint", needy)) instanceof Denial);
  assert.deepEqual(place.handled, []);
});
