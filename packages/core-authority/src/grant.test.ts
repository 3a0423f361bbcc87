import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decode, encode, list, bytes, struct, uint } from "@sesame/core-types";
import { resolveChain } from "./chain.ts";
import { AuthorityError } from "./errors.ts";
import {
  decodeGrant,
  defaultTtlMs,
  draftGrant,
  encodeGrant,
  isSignedGrant,
  signGrant,
  type Grant,
} from "./grant.ts";
import {
  DEFAULT_HEARTBEAT_MS,
  MAX_GRANT_BYTES,
  MAX_HEARTBEAT_MS,
  MAX_ISSUED_MS,
  MAX_TTL_MS,
  MAX_USES,
  MIN_HEARTBEAT_MS,
  MIN_TTL_MS,
} from "./limits.ts";
import { parseScope } from "./scope.ts";
import {
  counting,
  grantFrom,
  INSTALLATION,
  Member,
  numbered,
  START_MS,
  suite,
  trustIn,
} from "./testing/fixture.ts";

const operator = new Member(1, ["admin"]);
const agent = new Member(2, []);
const helper = new Member(3, []);
const trust = trustIn([operator, agent, helper]);

const full: Grant = grantFrom(counting(), operator, agent, {
  scope: parseScope("secret-use:ci/*&*/deploy+2 secret-list"),
  profiles: ["home", "work"],
  maxUses: 7,
  pointOfUse: { path: "/usr/bin/terraform", sha256: new Uint8Array(32).fill(9) },
});

const demanding: Grant = { ...full, minimum: { authentication: "key-and-pid", posture: 50 } };

function code(run: () => unknown): string {
  try {
    run();
  } catch (cause) {
    if (cause instanceof AuthorityError) return cause.code;
    throw cause;
  }
  return "none";
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("[AUTH-10] a grant is read back as it was signed, from the one encoding it has", () => {
  for (const grant of [full, demanding, grantFrom(counting(), operator, agent)]) {
    const signed = operator.sign(grant);
    const wire = encodeGrant(signed);
    const read = decodeGrant(wire);
    assert.deepEqual(read.grant, grant);
    assert.deepEqual(encodeGrant(read), wire);
    assert.ok(isSignedGrant(suite, operator.party.signingKey, read));
    wire.fill(0);
    assert.ok(isSignedGrant(suite, operator.party.signingKey, read), "it keeps a copy of its own");
  }
});

test("[AUTH-10] what is not the canonical encoding of a grant is none", () => {
  const wire = encodeGrant(operator.sign(full));
  for (let length = 0; length < wire.length; length += 1)
    assert.equal(
      code(() => decodeGrant(wire.subarray(0, length))),
      "grant-invalid",
    );
  assert.equal(
    code(() => decodeGrant(Uint8Array.of(...wire, 0))),
    "grant-invalid",
  );
  assert.equal(
    code(() => decodeGrant(new Uint8Array(MAX_GRANT_BYTES + 1))),
    "grant-invalid",
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 300 }), (noise) => {
      assert.equal(
        code(() => decodeGrant(noise)),
        "grant-invalid",
      );
    }),
  );
});

test("[AUTH-11] a grant with any byte changed is refused", () => {
  // SECURITY: a byte that is not covered would let the delegatee change its own grant.
  const wire = encodeGrant(operator.sign(demanding));
  for (let at = 0; at < wire.length; at += 1)
    for (const bit of [0x01, 0x80]) {
      const changed = wire.slice();
      changed[at] = (changed[at] ?? 0) ^ bit;
      let verdict = "unreadable";
      try {
        const read = decodeGrant(changed);
        verdict = isSignedGrant(suite, operator.party.signingKey, read) ? "accepted" : "forged";
      } catch (cause) {
        assert.ok(cause instanceof AuthorityError);
      }
      assert.notEqual(verdict, "accepted", `byte ${at}`);
    }
});

test("[AUTH-11] signatures of other statements do not sign a grant, nor its signature them", () => {
  // SECURITY: whoever gets a key's holder to sign something else would have its rights.
  const signed = operator.sign(full);
  const body = encodeGrant(signed).subarray(64);
  const key = operator.party.signingKey;
  const prefixes = [
    "",
    "sesame audit checkpoint v1",
    "sesame installation v1\n",
    "sesame grant v2\n",
    "sesame grant v1",
  ];
  for (const prefix of prefixes) {
    const message = Uint8Array.of(...utf8(prefix), ...body);
    const signature = suite.ed25519Sign(operator.seed, message);
    assert.ok(!isSignedGrant(suite, key, { grant: full, signature }), prefix);
    assert.ok(!suite.ed25519Verify(key, message, signed.signature), prefix);
  }
  assert.ok(
    suite.ed25519Verify(
      key,
      Uint8Array.of(...utf8("sesame grant v1\n"), ...body),
      signed.signature,
    ),
  );
});

test("[AUTH-11] another key's signature is not the delegator's", () => {
  const { signature } = agent.sign(full);
  assert.ok(!isSignedGrant(suite, operator.party.signingKey, { grant: full, signature }));
  assert.deepEqual(resolveChain([{ grant: full, signature }], trust, START_MS), {
    allowed: false,
    reason: "signature-invalid",
  });
});

test("[AUTH-11] a scope that the delegatee widened and signed itself is refused", () => {
  // SECURITY: the delegatee holds a key too; only the delegator's counts.
  const widened = agent.sign({ ...full, scope: parseScope("admin+8") });
  assert.deepEqual(resolveChain([widened], trust, START_MS), {
    allowed: false,
    reason: "signature-invalid",
  });
  const stolen = { grant: widened.grant, signature: operator.sign(full).signature };
  assert.equal(resolveChain([stolen], trust, START_MS).allowed, false);
});

test("[AUTH-12] fields beyond their bounds are neither signed nor read", () => {
  const out: Partial<Record<keyof Grant, unknown[]>> = {
    installation: ["", "x", INSTALLATION.toUpperCase()],
    id: ["", `${numbered(1)} `],
    delegator: ["operator"],
    delegatee: [""],
    parent: [""],
    scope: [
      [{ capability: "delegate", patterns: [], depth: 0 }],
      [{ capability: "secret-use", patterns: ["b", "a*"], depth: 0 }],
      [{ capability: "secret-use", patterns: ["a", "a*"], depth: 0 }],
      [{ capability: "secret-use", patterns: ["../a"], depth: 0 }],
      [{ capability: "secret-use", patterns: [], depth: 9 }],
      [...parseScope("unlock"), ...parseScope("admin")],
      [...parseScope("unlock"), ...parseScope("lock")],
    ],
    profiles: [
      ["work", "home"],
      ["work", "work"],
      ["../work"],
      Array.from({ length: 33 }, () => "p"),
    ],
    issuedAtMs: [-1, 1.5, Number.NaN, MAX_ISSUED_MS + 1, Number.MAX_SAFE_INTEGER],
    ttlMs: [0, -1, 999, 86_400_001, Number.NaN, Number.POSITIVE_INFINITY],
    heartbeatMs: [0, 999, 900_001, Number.NaN],
    maxUses: [0, -1, 1_000_001, 0.5],
    pointOfUse: [
      { path: "bin/x", sha256: new Uint8Array(32) },
      { path: "/x\0y", sha256: new Uint8Array(32) },
      { path: "/x", sha256: new Uint8Array(31) },
      { path: `/${"x".repeat(1024)}`, sha256: new Uint8Array(32) },
    ],
    nonce: [new Uint8Array(15), new Uint8Array(17)],
    minimum: [
      { authentication: "key", posture: 101 },
      { authentication: "key", posture: -1 },
      { authentication: "key", posture: 0.5 },
      { authentication: "word", posture: 50 },
    ],
  };
  for (const [field, values] of Object.entries(out))
    for (const value of values)
      assert.equal(
        code(() => operator.sign({ ...full, [field]: value } as Grant)),
        "grant-invalid",
        `${field} ${String(value)}`,
      );
});

test("[AUTH-12] the least and the most of each field is within its bounds", () => {
  const least = { issuedAtMs: 0, ttlMs: MIN_TTL_MS, heartbeatMs: MIN_HEARTBEAT_MS, maxUses: 1 };
  const most = {
    issuedAtMs: MAX_ISSUED_MS,
    ttlMs: MAX_TTL_MS,
    heartbeatMs: MAX_HEARTBEAT_MS,
    maxUses: MAX_USES,
  };
  assert.ok(operator.sign({ ...full, profiles: ["0", "work"] }));
  for (const bounds of [least, most]) {
    const read = decodeGrant(encodeGrant(operator.sign({ ...full, ...bounds })));
    const { issuedAtMs, ttlMs, heartbeatMs, maxUses } = read.grant;
    assert.deepEqual({ issuedAtMs, ttlMs, heartbeatMs, maxUses }, bounds);
  }
});

test("[AUTH-12] a body of another version, and a scope not in normal form, is not read", () => {
  // The codec alone would take these.
  const wire = encodeGrant(operator.sign(full));
  const body = wire.slice(64);
  assert.equal(body[1], 1, "the version is the first field");
  body[1] = 2;
  const newer = Uint8Array.of(...wire.subarray(0, 64), ...body);
  assert.throws(() => decodeGrant(newer), /version/);
  const swapped = encodeGrant(operator.sign(full));
  const [home, work] = [utf8("home"), utf8("work")];
  const at = Buffer.from(swapped).indexOf(home);
  swapped.set(work, at);
  swapped.set(home, at + 5);
  assert.throws(() => decodeGrant(swapped), /profiles are not sorted/);
  const folded = encodeGrant(operator.sign(full));
  folded.set(utf8("*/deploz"), Buffer.from(folded).indexOf("*/deploy"));
  assert.ok(decodeGrant(folded), "still in normal form, only not signed");
  folded.set(utf8("ci/deplo"), Buffer.from(folded).indexOf("*/deploz"));
  assert.throws(() => decodeGrant(folded), /normal form/);
});

test("[AUTH-51] a grant has a minimum and is of version 2, or has none and is of version 1", () => {
  // SECURITY: a minimum that an older reader takes for nothing would narrow nothing.
  const nothing = { authentication: "none", posture: 0 } as const;
  assert.equal(
    code(() => operator.sign({ ...full, minimum: nothing })),
    "grant-invalid",
  );
  const [plain, wire] = [full, demanding].map((grant) => encodeGrant(operator.sign(grant)));
  assert.ok(plain !== undefined && wire !== undefined);
  // Behind the signature: an array of 15, or of 16 elements (two bytes of length); the version.
  assert.deepEqual([...plain.subarray(64, 66)], [0x9f, 1]);
  assert.deepEqual([...wire.subarray(64, 68)], [0xdc, 0, 16, 2]);
  // It ends in the minimum: an array of two, the word behind its length, the percentage.
  const tail = (word: string, posture: number) => [
    0x92,
    0xa0 + word.length,
    ...utf8(word),
    posture,
  ];
  const own = tail("key-and-pid", 50);
  assert.deepEqual([...wire.subarray(-own.length)], own);
  const ending = (...last: number[]) => Uint8Array.of(...wire.subarray(0, -own.length), ...last);
  assert.deepEqual(decodeGrant(ending(...own)).grant, demanding);
  assert.ok(decodeGrant(ending(...tail("key", 100))));
  assert.throws(() => decodeGrant(ending(...tail("none", 0))), /minimum/);
  assert.throws(() => decodeGrant(ending(...tail("key", 101))), /minimum/);
  const first = wire.slice();
  first[67] = 1;
  assert.throws(() => decodeGrant(first), /version/);
});

test("[AUTH-13] defaults: 15 minutes for an AI, 8 hours else, a heartbeat each minute", () => {
  assert.equal(defaultTtlMs("ai"), 900_000);
  for (const kind of ["human", "daemon", "service", "extension"] as const)
    assert.equal(defaultTtlMs(kind), 28_800_000);
  const terms = {
    installation: INSTALLATION,
    delegator: operator.id,
    delegatee: agent.id,
    parent: null,
    scope: parseScope("secret-use:ci/*"),
  };
  const draft = draftGrant(
    { ...terms, kind: "ai" },
    { wallMs: START_MS + 0.7, random: counting() },
  );
  assert.equal(draft.ttlMs, 900_000);
  assert.equal(draft.issuedAtMs, START_MS);
  assert.equal(draft.heartbeatMs, DEFAULT_HEARTBEAT_MS);
  assert.equal(draft.maxUses, null);
  assert.equal(draft.profiles, null);
  assert.equal(draft.minimum, null);
  assert.ok(!("kind" in draft));
  const given = draftGrant(
    { ...terms, kind: "ai", ttlMs: 5_000 },
    { wallMs: START_MS, random: suite.randomBytes },
  );
  assert.equal(given.ttlMs, 5_000);
  assert.ok(operator.sign(given));
});

test("a chain of grants travels as a list of byte strings", () => {
  const schema = struct({ chain: list(bytes(MAX_GRANT_BYTES), 8), at: uint });
  const chain = [operator.sign(full), operator.sign(grantFrom(counting(), operator, helper))];
  const wire = encode(schema, { chain: chain.map(encodeGrant), at: 1 });
  assert.deepEqual(decode(schema, wire).chain.map(decodeGrant), chain);
});

test("signing goes through the signer that is given", () => {
  const asked: Uint8Array[] = [];
  const { signature } = signGrant(full, (message) => {
    asked.push(message);
    return new Uint8Array(64);
  });
  assert.deepEqual(signature, new Uint8Array(64));
  assert.ok(
    Buffer.from(asked[0] ?? [])
      .toString("latin1")
      .startsWith("sesame grant v1\n"),
  );
});

test("[AUTH-10] a grant may have 8 192 bytes and not one more", () => {
  const long = Array.from({ length: 15 }, () => "x".repeat(490));
  const sized = (last: number): Grant => {
    const args = [...long, "y".repeat(last)];
    return {
      ...full,
      commands: [{ path: "/a", sha256: null, args, directory: null, plain: false }],
    };
  };
  const least = 256;
  const room = MAX_GRANT_BYTES - encodeGrant(operator.sign(sized(least))).length;
  const whole = encodeGrant(operator.sign(sized(least + room)));
  assert.equal(whole.length, MAX_GRANT_BYTES);
  assert.deepEqual(decodeGrant(whole).grant, sized(least + room));
  assert.equal(
    code(() => operator.sign(sized(least + room + 1))),
    "grant-invalid",
  );
  // A text of more than 255 bytes is its length in two, behind 0xda.
  const at = Buffer.from(whole).indexOf("y") - 3;
  const longer = Buffer.concat([
    whole.subarray(0, at + 3),
    Buffer.from("y"),
    whole.subarray(at + 3),
  ]);
  longer.writeUInt16BE(least + room + 1, at + 1);
  assert.throws(() => decodeGrant(longer), /too long/);
});

test("[AUTH-13] how long a grant lasts is not guessed for a kind that is none", () => {
  const terms = { installation: INSTALLATION, delegator: operator.id, delegatee: agent.id };
  const draft = { ...terms, parent: null, scope: full.scope, kind: "robot" as "ai" };
  assert.throws(() => draftGrant(draft, { wallMs: START_MS, random: counting() }), RangeError);
});
