import assert from "node:assert/strict";
import { test } from "node:test";
import { CryptoError } from "./errors.ts";
import { hchacha20 } from "./hchacha20.ts";
import { nobleSuite } from "./noble.ts";
import { nodeSuite } from "./node.ts";
import { sodiumSuite } from "./sodium.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// RFC 7748 §5.2: scalar, u-coordinate, result
const X25519 = [
  [
    "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
  ],
  [
    "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
    "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
    "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
  ],
] as const;
// RFC 7748 §5.2: the function applied to its own output
const AFTER_1 = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
const AFTER_1000 = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";

// RFC 7748 §6.1
const ALICE = {
  secretKey: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  publicKey: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
};
const BOB = {
  secretKey: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
  publicKey: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
};
const SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

// Every u whose order divides 8, canonical and not; bit 255 is ignored. RFC 7748 §5, §6.1
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

// RFC 8032 §7.1: tests 1, 2, 3 and SHA(abc)
const ED25519 = [
  {
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
  {
    seed: "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
    publicKey: "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    message:
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    signature:
      "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589" +
      "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
  },
];

const SUNSCREEN = utf8(
  "Ladies and Gentlemen of the class of '99: If I could offer you " +
    "only one tip for the future, sunscreen would be it.",
);
const AEAD_KEY = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
const AEAD_AD = "50515253c0c1c2c3c4c5c6c7";
const AEADS = [
  {
    title: "ChaCha20-Poly1305, RFC 8439 §2.8.2",
    make: "chacha20poly1305",
    nonce: "070000004041424344454647",
    sealed:
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
  },
  {
    title: "XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03 §A.3.1",
    make: "xchacha20poly1305",
    nonce: "404142434445464748494a4b4c4d4e4f5051525354555657",
    sealed:
      "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb" +
      "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452" +
      "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" +
      "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
  },
] as const;

// The reference implementation's own tests (argon2id, version 0x13): the RFC's vectors need a
// secret and associated data, which the suite does not take.
const ARGON2ID = [
  [
    { memoryKiB: 256, passes: 2, lanes: 1 },
    "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
  ],
  [
    { memoryKiB: 256, passes: 2, lanes: 2 },
    "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
  ],
] as const;

const lowOrder = (error: unknown): boolean =>
  error instanceof CryptoError && error.code === "low-order-point";

for (const suite of [nodeSuite, sodiumSuite, nobleSuite]) {
  test(`${suite.name}: X25519, RFC 7748 §5.2 and §6.1`, () => {
    for (const [scalar, u, result] of X25519) {
      assert.equal(toHex(suite.x25519(hex(scalar), hex(u))), result);
    }
    for (const { secretKey, publicKey } of [ALICE, BOB]) {
      assert.equal(toHex(suite.x25519PublicKey(hex(secretKey))), publicKey);
    }
    assert.equal(toHex(suite.x25519(hex(ALICE.secretKey), hex(BOB.publicKey))), SHARED);
    assert.equal(toHex(suite.x25519(hex(BOB.secretKey), hex(ALICE.publicKey))), SHARED);
  });

  test(`${suite.name}: X25519 repeated, RFC 7748 §5.2`, () => {
    let [k, u] = [hex("09".padEnd(64, "0")), hex("09".padEnd(64, "0"))];
    const rounds = suite.name === "noble" ? 1 : 1_000; // noble: 3 ms a round
    for (let round = 1; round <= rounds; round += 1) {
      [k, u] = [suite.x25519(k, u), k];
      if (round === 1) assert.equal(toHex(k), AFTER_1);
    }
    if (rounds === 1_000) assert.equal(toHex(k), AFTER_1000);
  });

  // SECURITY: a peer that sends a low-order point would know the shared secret without any key.
  test(`${suite.name}: X25519 refuses every low-order point, RFC 7748 §6.1`, () => {
    const { secretKey } = suite.generateX25519();
    for (const point of LOW_ORDER) {
      assert.throws(() => suite.x25519(secretKey, hex(point)), lowOrder, point);
    }
  });

  test(`${suite.name}: Ed25519, RFC 8032 §7.1`, () => {
    for (const { seed, publicKey, message, signature } of ED25519) {
      assert.equal(toHex(suite.ed25519PublicKey(hex(seed))), publicKey);
      assert.equal(toHex(suite.ed25519Sign(hex(seed), hex(message))), signature);
      assert.ok(suite.ed25519Verify(hex(publicKey), hex(message), hex(signature)));
      assert.ok(!suite.ed25519Verify(hex(publicKey), hex(`${message}00`), hex(signature)));
    }
  });

  for (const { title, make, nonce, sealed } of AEADS) {
    test(`${suite.name}: ${title}`, () => {
      const aead = suite[make](hex(AEAD_KEY));
      assert.equal(toHex(aead.seal(hex(nonce), hex(AEAD_AD), SUNSCREEN)), sealed);
      assert.deepEqual(aead.open(hex(nonce), hex(AEAD_AD), hex(sealed)), SUNSCREEN);
      aead.destroy();
    });
  }

  test(`${suite.name}: BLAKE2s, RFC 7693 appendix B`, () => {
    const digest = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
    assert.equal(toHex(suite.blake2s(utf8("abc"))), digest);
    assert.equal(toHex(suite.blake2s(utf8("a"), utf8(""), utf8("bc"))), digest);
  });

  test(`${suite.name}: HMAC-SHA-256, RFC 4231 §4.2 and §4.3`, () => {
    assert.equal(
      toHex(suite.hmacSha256(new Uint8Array(20).fill(0x0b), utf8("Hi "), utf8("There"))),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    );
    assert.equal(
      toHex(suite.hmacSha256(utf8("Jefe"), utf8("what do ya want for nothing?"))),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  test(`${suite.name}: Argon2id, vectors of the reference implementation`, async () => {
    for (const [params, tag] of ARGON2ID) {
      const result = await suite.argon2id(utf8("password"), utf8("somesalt"), params, 32);
      assert.equal(toHex(result), tag);
    }
  });
}

test("HChaCha20, draft-irtf-cfrg-xchacha-03 §2.2.1", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(
    toHex(hchacha20(key, hex("000000090000004a0000000031415927"))),
    "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
  );
});
