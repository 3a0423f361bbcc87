import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeSuite } from "@sesame/core-crypto/node";
import { nobleSuite } from "@sesame/core-crypto/noble";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { limits, stampUuidV7 } from "@sesame/core-types";
import { RUNS } from "../../../../test/helpers/runs.ts";
import { only } from "../noise/respond.ts";
import { handClock } from "../testing/pair.ts";
import type { SealContext } from "./context.ts";
import { SealedCaller } from "./sealed-caller.ts";
import { SealedOwner, type OpenedRequest } from "./sealed-owner.ts";

const suites = [nodeSuite, sodiumSuite, nobleSuite];
const ownerKeys = nodeSuite.generateX25519();
const callerKeys = nodeSuite.generateX25519();
const BODY = new TextEncoder().encode("the request");
const REPLY = new TextEncoder().encode("the reply");

function start(suite = nodeSuite, ownerSuite = suite) {
  const clock = handClock();
  const owner = new SealedOwner(ownerSuite, only(ownerKeys), clock);
  const caller = new SealedCaller(suite, callerKeys, ownerKeys.publicKey);
  const context = (given: Partial<SealContext> = {}): SealContext => ({
    session: new Uint8Array(16).fill(4),
    id: stampUuidV7(nodeSuite.randomBytes(16), clock.wallMs()),
    tag: 0x0311,
    ...given,
  });
  return { clock, owner, caller, context };
}

function opened(given: ReturnType<SealedOwner["open"]>): OpenedRequest {
  assert.equal(typeof given, "object", String(given));
  return given as OpenedRequest;
}

/** One call from end to end. */
function exchange(caller: SealedCaller, owner: SealedOwner, context: SealContext): void {
  const request = caller.seal(context, BODY);
  const { sealReply, body } = opened(owner.open(context, request.payload));
  assert.deepEqual(Buffer.from(body), Buffer.from(BODY));
  assert.deepEqual(Buffer.from(request.open(sealReply(REPLY)) ?? []), Buffer.from(REPLY));
}

for (const one of suites)
  for (const other of suites)
    test(`[SEAL-1] fresh and continued calls, ${one.name} to ${other.name}`, () => {
      const { caller, owner, context } = start(one, other);
      assert.equal(caller.seal(context(), BODY).continued, false);
      exchange(caller, owner, context());
      assert.equal(caller.seal(context(), BODY).continued, true);
      for (let i = 0; i < 3; i++) exchange(caller, owner, context());
    });

test("[SEAL-7] the owner learns the key of the caller, in both forms", () => {
  const { caller, owner, context } = start();
  for (let i = 0; i < 2; i++) {
    const at = context();
    const request = caller.seal(at, BODY);
    const { caller: proved, sealReply } = opened(owner.open(at, request.payload));
    assert.deepEqual(Buffer.from(proved), Buffer.from(callerKeys.publicKey));
    request.open(sealReply(REPLY));
  }
});

test("[SEAL-2] nobody but the owner opens a call", () => {
  // SECURITY: the bus host and every bystander see these bytes.
  const { caller, owner, clock, context } = start();
  const bystander = new SealedOwner(nodeSuite, only(nodeSuite.generateX25519()), clock);
  const first = context();
  const request = caller.seal(first, BODY);
  assert.equal(bystander.open(first, request.payload), "not-authentic");
  assert.ok(!Buffer.from(request.payload).includes(Buffer.from(BODY)));
  exchange(caller, owner, context());
  const second = context();
  const continued = caller.seal(second, BODY);
  assert.equal(bystander.open(second, continued.payload), "not-authentic");
  assert.ok(!Buffer.from(continued.payload).includes(Buffer.from(BODY)));
});

/** A request in either form, with what is needed to open it once more. */
function recorded(continued: boolean) {
  const world = start();
  if (continued) exchange(world.caller, world.owner, world.context());
  const at = world.context();
  return { ...world, at, request: world.caller.seal(at, BODY) };
}

for (const continued of [false, true]) {
  const form = continued ? "continued" : "fresh";

  test(`[SEAL-1] a ${form} call that is moved elsewhere does not open`, () => {
    // SECURITY: the bus host could otherwise pass one call's request off as another's.
    const other = nodeSuite.randomBytes(16);
    for (const moved of [{ id: other }, { session: other }, { tag: 0x0310 }]) {
      const { owner, at, request } = recorded(continued);
      assert.equal(owner.open({ ...at, ...moved }, request.payload), "not-authentic");
      opened(owner.open(at, request.payload));
    }
  });

  test(`[SEAL-${continued ? 5 : 3}] a ${form} call is accepted once`, () => {
    // SECURITY: a bus host that repeats a recorded call would have it done twice.
    const { owner, at, request } = recorded(continued);
    opened(owner.open(at, request.payload));
    assert.equal(owner.open(at, request.payload), "replayed");
  });

  test(`[SEAL-2] a ${form} request with any bit flipped is refused`, () => {
    const { owner, at, request } = recorded(continued);
    for (let bit = 0; bit < 8 * request.payload.length; bit++) {
      const damaged = request.payload.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.ok(["malformed", "not-authentic"].includes(String(owner.open(at, damaged))));
    }
    for (let length = 0; length < request.payload.length; length++) {
      const cut = String(owner.open(at, request.payload.subarray(0, length)));
      assert.ok(["malformed", "not-authentic"].includes(cut));
    }
    opened(owner.open(at, request.payload));
  });

  test(`[SEAL-6] a reply to a ${form} call with any bit flipped is refused`, () => {
    // SECURITY: a forged reply would make the caller believe in a value of the bus host's choice.
    const { owner, at, request } = recorded(continued);
    const reply = opened(owner.open(at, request.payload)).sealReply(REPLY);
    for (let bit = 0; bit < 8 * reply.length; bit++) {
      const damaged = reply.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(attempt(request.open, damaged), null);
    }
    assert.equal(attempt(request.open, new Uint8Array()), null);
  });
}

/** A fresh call's reply may be tried once; a second try throws instead of answering. */
function attempt(open: (reply: Uint8Array) => Uint8Array | null, reply: Uint8Array) {
  try {
    return open(reply);
  } catch (cause) {
    assert.equal((cause as Error).name, "RangeError");
    return null;
  }
}

test("[SEAL-6] every bit of a fresh reply counts, each tried on its own call", () => {
  // SECURITY: as above; a fresh call gives up at the first forged reply, so each bit has its own.
  const { owner, caller, context } = start();
  const sample = (() => {
    const at = context();
    const { payload } = caller.seal(at, BODY);
    return opened(owner.open(at, payload)).sealReply(REPLY).length;
  })();
  for (let bit = 0; bit < 8 * sample; bit += 3) {
    const at = context();
    const request = caller.seal(at, BODY);
    const reply = opened(owner.open(at, request.payload)).sealReply(REPLY);
    reply[bit >> 3] = (reply[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(request.open(reply), null, `bit ${bit}`);
  }
});

test("[SEAL-6] a reply to one call does not answer another", () => {
  // SECURITY: the bus host could otherwise answer a question with an older answer.
  const { owner, caller, context } = start();
  exchange(caller, owner, context());
  const calls = [context(), context()].map((at) => ({ at, request: caller.seal(at, BODY) }));
  const replies = calls.map(({ at, request }) =>
    opened(owner.open(at, request.payload)).sealReply(REPLY),
  );
  assert.equal(calls[0]?.request.open(replies[1] ?? new Uint8Array()), null);
  assert.equal(calls[1]?.request.open(replies[0] ?? new Uint8Array()), null);
});

test("[SEAL-5] continued calls that arrive in another order are refused", () => {
  const { owner, caller, context } = start();
  exchange(caller, owner, context());
  const [a, b] = [context(), context()];
  const [first, second] = [caller.seal(a, BODY), caller.seal(b, BODY)];
  opened(owner.open(b, second.payload));
  assert.equal(owner.open(a, first.payload), "replayed");
});

test("[SEAL-4] a fresh call is stale after the window", () => {
  const { owner, caller, clock, context } = start();
  const at = context();
  const { payload } = caller.seal(at, BODY);
  clock.turn(limits.SEALED_WINDOW_MS + 1);
  assert.equal(owner.open(at, payload), "stale");
});

test("[SEAL-8] sessions are bounded; an evicted one starts again, its open calls are answered", () => {
  // SECURITY: a flood of sessions would take the owner's memory, or end it in mid-call.
  const { owner, caller, clock, context } = start();
  exchange(caller, owner, context());
  const waiting = context();
  const request = caller.seal(waiting, BODY);
  const { sealReply } = opened(owner.open(waiting, request.payload));
  const flood = nodeSuite.generateX25519();
  for (let i = 0; i < limits.MAX_SEALED_SESSIONS; i++) {
    if (i % 256 === 0) clock.turn(2 * limits.SEALED_WINDOW_MS + 1);
    exchange(new SealedCaller(nodeSuite, flood, ownerKeys.publicKey), owner, context());
  }
  assert.deepEqual(Buffer.from(request.open(sealReply(REPLY)) ?? []), Buffer.from(REPLY));
  const late = context();
  const refused = caller.seal(late, BODY);
  assert.ok(owner.open(late, refused.payload) === "not-authentic");
  caller.forget(refused);
  exchange(caller, owner, context());
});

test("[SEAL-8] forgetting a session leaves the newer one, and the calls that wait under the old", () => {
  const { owner, caller, context } = start();
  exchange(caller, owner, context());
  const [a, b] = [context(), context()];
  const [first, second] = [caller.seal(a, BODY), caller.seal(b, BODY)];
  const reply = opened(owner.open(b, second.payload)).sealReply(REPLY);
  caller.forget(first);
  exchange(caller, owner, context());
  assert.equal(caller.seal(context(), BODY).continued, true);
  caller.forget(second);
  assert.equal(caller.seal(context(), BODY).continued, true);
  assert.deepEqual(Buffer.from(second.open(reply) ?? []), Buffer.from(REPLY));
  owner.destroy();
  const after = context();
  assert.equal(owner.open(after, caller.seal(after, BODY).payload), "not-authentic");
});

test("[SEAL-2] hostile payloads are refused and nothing else", () => {
  const { owner, context } = start();
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((rest) => new Uint8Array([1, 0, 96, ...rest])),
    fc.uint8Array({ maxLength: 200 }).map((rest) => new Uint8Array([2, ...rest])),
  );
  fc.assert(
    fc.property(payload, (given) => {
      assert.ok(["malformed", "not-authentic"].includes(String(owner.open(context(), given))));
    }),
    { numRuns: RUNS },
  );
});
