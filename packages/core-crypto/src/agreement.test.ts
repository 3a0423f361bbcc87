// The providers against each other: the same bytes and the same verdict for any input.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { nobleSuite } from "./noble.ts";
import { nodeSuite } from "./node.ts";
import { sodiumSuite } from "./sodium.ts";
import type { Suite } from "./suite.ts";

const SUITES = [nodeSuite, sodiumSuite, nobleSuite];
const anyBytes = fc.uint8Array({ maxLength: 300 });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** What all suites answer, or the assertion that they differ. */
function agreed<T>(ask: (suite: Suite) => T): T {
  const expected = ask(nodeSuite);
  assert.deepEqual(ask(sodiumSuite), expected, "sodium");
  assert.deepEqual(ask(nobleSuite), expected, "noble");
  return expected;
}

test("X25519 agrees", () => {
  fc.assert(
    fc.property(key, key, (secretKey, other) => {
      const publicKey = agreed((suite) => suite.x25519PublicKey(other));
      agreed((suite) => suite.x25519(secretKey, publicKey));
      // Any 32 bytes are a u-coordinate, half of them on the twist.
      agreed((suite) => suite.x25519(secretKey, other));
    }),
    { numRuns: 12 },
  );
});

test("both sides of a fresh key exchange agree across providers", () => {
  for (const ours of SUITES) {
    for (const theirs of SUITES) {
      const [a, b] = [ours.generateX25519(), theirs.generateX25519()];
      assert.notDeepEqual(a.secretKey, b.secretKey);
      assert.deepEqual(
        ours.x25519(a.secretKey, b.publicKey),
        theirs.x25519(b.secretKey, a.publicKey),
      );
    }
  }
});

test("Ed25519 signs and verifies alike", () => {
  fc.assert(
    fc.property(key, anyBytes, fc.nat(511), (seed, message, flip) => {
      const publicKey = agreed((suite) => suite.ed25519PublicKey(seed));
      const signature = agreed((suite) => suite.ed25519Sign(seed, message));
      assert.ok(agreed((suite) => suite.ed25519Verify(publicKey, message, signature)));
      const at = flip >> 3;
      signature[at] = (signature[at] ?? 0) ^ (1 << (flip & 7));
      assert.ok(!agreed((suite) => suite.ed25519Verify(publicKey, message, signature)));
    }),
    { numRuns: 12 },
  );
});

test("Ed25519 verification never throws, whatever it is given", () => {
  const length = (n: number): fc.Arbitrary<Uint8Array> =>
    fc.oneof(fc.uint8Array({ minLength: n, maxLength: n }), fc.uint8Array({ maxLength: n + 3 }));
  fc.assert(
    fc.property(length(32), anyBytes, length(64), (publicKey, message, signature) => {
      assert.equal(
        agreed((suite) => suite.ed25519Verify(publicKey, message, signature)),
        false,
      );
    }),
    { numRuns: 60 },
  );
});

const { Point } = ed25519;
const { Fn } = Point;
type EdPoint = typeof Point.BASE;

/** A signature whose equation holds after multiplication by the cofactor, for chosen A and R. */
function craft(
  a: bigint,
  torsionOfA: EdPoint,
  r: bigint,
  torsionOfR: EdPoint,
  message: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const publicKey = Point.BASE.multiplyUnsafe(a).add(torsionOfA).toBytes();
  const nonce = Point.BASE.multiplyUnsafe(r).add(torsionOfR).toBytes();
  const digest = new Uint8Array(64);
  digest.set(sha512(nonce, publicKey, message));
  const k = Fn.create(digest.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n));
  const s = Fn.toBytes(Fn.add(r, Fn.mul(k, a)));
  return [publicKey, message, Uint8Array.of(...nonce, ...s)];
}

/** A point of order 8. */
const TORSION = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");

test("Ed25519 gives one verdict on crafted points of mixed and small order", () => {
  // SECURITY: a signer whose signature one daemon accepts and another refuses can show two histories.
  let refused = 0;
  for (let i = 1; i <= 12; i += 1) {
    const message = Uint8Array.of(i);
    const torsion = TORSION.multiplyUnsafe(BigInt(i % 8));
    const verdict = (...input: [Uint8Array, Uint8Array, Uint8Array]): boolean =>
      agreed((suite) => suite.ed25519Verify(...input));
    assert.ok(verdict(...craft(5n, Point.ZERO, 7n, Point.ZERO, message)));
    if (!verdict(...craft(5n, torsion, 7n, Point.ZERO, message))) refused += 1;
    if (!verdict(...craft(5n, Point.ZERO, 7n, torsion, message))) refused += 1;
    if (!verdict(...craft(5n, torsion, 7n, torsion, message))) refused += 1;
    assert.ok(!verdict(...craft(0n, torsion, 7n, Point.ZERO, message)), "small-order key");
    assert.ok(!verdict(...craft(0n, torsion, 7n, torsion, message)), "small-order key");
    assert.ok(!verdict(...craft(5n, Point.ZERO, 0n, torsion, message)), "small-order nonce");
  }
  assert.ok(refused > 12, "mixed order is judged without the cofactor");
});

test("Ed25519 refuses public keys of small order and of non-canonical form", () => {
  // SECURITY: the identity as public key would let anybody sign anything in its owner's name.
  const s = Fn.toBytes(9n);
  const signature = Uint8Array.of(...Point.BASE.multiplyUnsafe(9n).toBytes(), ...s);
  const p = 2n ** 255n - 19n;
  for (const y of [0n, 1n, p - 1n, p, p + 1n, p + 3n, p + 18n]) {
    for (const sign of [0n, 1n]) {
      const text = (y + (sign << 255n)).toString(16).padStart(64, "0");
      const publicKey = new Uint8Array(Buffer.from(text, "hex").reverse());
      const message = new Uint8Array(3);
      assert.ok(!agreed((suite) => suite.ed25519Verify(publicKey, message, signature)), text);
    }
  }
});

test("Ed25519 refuses S + L, RFC 8032 §5.1.7", () => {
  // SECURITY: a second valid signature for the same record would pass as a different record.
  const seed = new Uint8Array(32).fill(3);
  const message = new Uint8Array(3);
  const publicKey = nodeSuite.ed25519PublicKey(seed);
  const signature = nodeSuite.ed25519Sign(seed, message);
  const s = signature.subarray(32).reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
  const larger = Buffer.from((s + Fn.ORDER).toString(16).padStart(64, "0"), "hex").reverse();
  const forged = Uint8Array.of(...signature.subarray(0, 32), ...larger);
  assert.ok(agreed((suite) => suite.ed25519Verify(publicKey, message, signature)));
  assert.ok(!agreed((suite) => suite.ed25519Verify(publicKey, message, forged)));
});

for (const [make, nonceBytes] of [
  ["chacha20poly1305", 12],
  ["xchacha20poly1305", 24],
] as const) {
  test(`${make} agrees`, () => {
    const nonce = fc.uint8Array({ minLength: nonceBytes, maxLength: nonceBytes });
    fc.assert(
      fc.property(key, nonce, anyBytes, anyBytes, (secret, n, ad, plaintext) => {
        const sealed = agreed((suite) => suite[make](secret).seal(n, ad, plaintext));
        const opened = agreed((suite) => suite[make](secret).open(n, ad, sealed));
        assert.deepEqual(opened, plaintext);
      }),
      { numRuns: 60 },
    );
  });
}

test("BLAKE2s, HMAC and the HKDF of Noise agree", () => {
  fc.assert(
    fc.property(key, fc.array(anyBytes, { maxLength: 4 }), anyBytes, (ck, parts, any) => {
      agreed((suite) => suite.blake2s(...parts));
      agreed((suite) => suite.hmacSha256(any, ...parts));
      const three = agreed((suite) => suite.hkdfBlake2s(ck, any, 3));
      const two = agreed((suite) => suite.hkdfBlake2s(ck, any, 2));
      assert.deepEqual(two, three.slice(0, 2));
      assert.deepEqual(
        three.map((output) => output.length),
        [32, 32, 32],
      );
    }),
    { numRuns: 40 },
  );
});

test("the HKDF of Noise takes an empty input: Split(), Noise §5.2", () => {
  agreed((suite) => suite.hkdfBlake2s(new Uint8Array(32).fill(1), new Uint8Array(0), 2));
});

test("Argon2id agrees", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyBytes,
      fc.uint8Array({ minLength: 8, maxLength: 32 }),
      fc.record({
        memoryKiB: fc.integer({ min: 32, max: 64 }),
        passes: fc.integer({ min: 1, max: 2 }),
        lanes: fc.integer({ min: 1, max: 4 }),
      }),
      fc.integer({ min: 16, max: 80 }),
      async (password, salt, params, length) => {
        const [first, ...rest] = await Promise.all(
          SUITES.map((suite) => suite.argon2id(password, salt, params, length)),
        );
        for (const tag of rest) assert.deepEqual(tag, first);
      },
    ),
    { numRuns: 8 },
  );
});

for (const suite of SUITES) {
  test(`${suite.name}: Argon2id refuses a cost out of bounds before it allocates`, async () => {
    const some = new Uint8Array(16);
    for (const params of [
      { memoryKiB: 2 ** 20 + 1, passes: 1, lanes: 1 },
      { memoryKiB: 31, passes: 1, lanes: 4 },
      { memoryKiB: 64, passes: 17, lanes: 1 },
      { memoryKiB: 64, passes: 0, lanes: 1 },
      { memoryKiB: 1_024, passes: 1, lanes: 17 },
      { memoryKiB: 64.5, passes: 1, lanes: 1 },
    ]) {
      await assert.rejects(async () => suite.argon2id(some, some, params, 32), RangeError);
    }
  });

  // SECURITY: a secret in the V8 heap leaves copies behind that nobody can wipe.
  test(`${suite.name}: secrets are handed out in memory of their own`, async () => {
    const { secretKey, publicKey } = suite.generateX25519();
    const secrets = [
      secretKey,
      suite.randomBytes(32),
      suite.allocSecret(32),
      suite.x25519(secretKey, publicKey),
      ...suite.hkdfBlake2s(secretKey, publicKey, 3),
      suite.hmacSha256(secretKey, publicKey),
      await suite.argon2id(publicKey, publicKey, { memoryKiB: 8, passes: 1, lanes: 1 }, 32),
    ];
    for (const secret of secrets) {
      assert.equal(secret.buffer.byteLength, 32);
      assert.equal(Object.getPrototypeOf(secret), Uint8Array.prototype);
    }
  });

  // SECURITY: a key that was wiped, or memory that was reused, must not act as the former key.
  test(`${suite.name}: a key array that changes is a different key`, () => {
    const { secretKey, publicKey } = suite.generateX25519();
    const before = suite.x25519(secretKey, publicKey);
    const other = suite.randomBytes(32);
    secretKey.set(other);
    assert.notDeepEqual(suite.x25519(secretKey, publicKey), before);
    assert.deepEqual(suite.x25519(secretKey, publicKey), suite.x25519(other, publicKey));
  });

  test(`${suite.name}: keys of the wrong length are refused`, () => {
    const short = new Uint8Array(31);
    const right = new Uint8Array(32).fill(9);
    assert.throws(() => suite.x25519PublicKey(short), RangeError);
    assert.throws(() => suite.x25519(short, right), RangeError);
    assert.throws(() => suite.x25519(right, short), RangeError);
    assert.throws(() => suite.ed25519PublicKey(short), RangeError);
    assert.throws(() => suite.ed25519Sign(short, right), RangeError);
  });
}

test("random bytes differ from call to call and have the length that was asked for", () => {
  for (const suite of SUITES) {
    assert.equal(suite.randomBytes(0).length, 0);
    assert.equal(suite.randomBytes(100_000).length, 100_000);
    assert.notDeepEqual(suite.randomBytes(16), suite.randomBytes(16));
  }
});

function sha512(...parts: Uint8Array[]): Uint8Array {
  const state = createHash("sha512");
  for (const part of parts) state.update(part);
  return state.digest();
}
