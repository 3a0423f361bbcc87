import assert from "node:assert/strict";
import { test } from "node:test";
import { CryptoError, type CryptoErrorCode } from "./errors.ts";
import {
  envelopeKeyId,
  type EnvelopeSigner,
  type EnvelopeTrust,
  MAX_ENVELOPE_PAYLOAD,
  MAX_TRUSTED_KEYS,
  openEnvelope,
  preAuthEncoding,
  signEnvelope,
} from "./dsse.ts";
import { nobleSuite } from "./noble.ts";
import { nodeSuite } from "./node.ts";
import { sodiumSuite } from "./sodium.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const TYPE = "application/vnd.in-toto+json";
const OTHER = "application/vnd.example.other+json";

// RFC 8032 §7.1, tests 1 and 2: the keys of DSSE's own test vectors.
const A = signer("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const B = signer("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const TRUST: EnvelopeTrust = { payloadType: TYPE, keys: [A.publicKey] };

function signer(seedHex: string): EnvelopeSigner {
  const seed = Buffer.from(seedHex, "hex");
  return {
    publicKey: nodeSuite.ed25519PublicKey(seed),
    sign: (message) => nodeSuite.ed25519Sign(seed, message),
  };
}

function open(text: string, trust = TRUST): Uint8Array {
  return openEnvelope(nodeSuite, utf8(text), trust).payload;
}

function refused(text: string | Uint8Array, code: CryptoErrorCode, trust = TRUST): void {
  assert.throws(
    () => openEnvelope(nodeSuite, typeof text === "string" ? utf8(text) : text, trust),
    (error) => error instanceof CryptoError && error.code === code,
    String(text),
  );
}

type Parts = {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly sig: string; readonly keyid?: string }[];
};
const parts = (text: string): Parts => JSON.parse(text) as Parts;

// DSSE protocol.md, Test Vectors; and from its testvectors/vectors.json the payload (base64), the
// type, and the signatures of A and B.
const HELLO = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
const STATEMENT = "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==";
const BY_A =
  "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA==";
const BY_B =
  "c1+67/aT0yqEpwx8PsVY3MLHsj9D0CZ014/Fv/QlG59P+9CobUZ7xECJ/V3USG0Ob9CiE5LjReEZUzNF2l7eBw==";
const SINGLE = [
  [STATEMENT, TYPE, BY_A],
  [
    "",
    TYPE,
    "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg==",
  ],
  [
    STATEMENT,
    "application/vnd.exämple+json",
    "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw==",
  ],
] as const;

function envelope(payload: string, payloadType: string, ...signatures: string[]): string {
  return JSON.stringify({ payload, payloadType, signatures: signatures.map((sig) => ({ sig })) });
}

test("[DSSE-1] the published encoding and signatures, written and read", () => {
  assert.deepEqual(
    preAuthEncoding("http://example.com/HelloWorld", utf8("hello world")),
    Buffer.from(HELLO),
  );
  for (const [payload, type, sig] of SINGLE) {
    const bytes = Buffer.from(payload, "base64");
    assert.equal(parts(signEnvelope(type, bytes, [A])).signatures[0]?.sig, sig);
    for (const suite of [nodeSuite, sodiumSuite, nobleSuite]) {
      const trust = { ...TRUST, payloadType: type };
      const opened = openEnvelope(suite, utf8(envelope(payload, type, sig)), trust);
      assert.deepEqual(opened, { payload: bytes, signers: [A.publicKey] });
    }
  }
});

test("[DSSE-1] no envelope with a flipped bit opens as another one", () => {
  // SECURITY: a signature that survives a change signs what the attacker wrote.
  const whole = utf8(signEnvelope(TYPE, utf8("a policy"), [A]));
  for (let at = 0; at < whole.length; at++)
    for (const bit of [1, 32]) {
      const changed = whole.slice();
      changed[at] = (changed[at] ?? 0) ^ bit;
      try {
        // The key id is a hint: all that may change.
        const { payload } = openEnvelope(nodeSuite, changed, TRUST);
        assert.deepEqual(payload, Buffer.from("a policy"), `byte ${at}`);
        const id = whole.indexOf(0x3a, Buffer.from(whole).indexOf("keyid"));
        assert.ok(at > id && at <= id + 65, `byte ${at} is free`);
      } catch (error) {
        assert.ok(error instanceof CryptoError, String(error));
      }
    }
});

test("[DSSE-2] a signature for one type opens nothing as another", () => {
  // SECURITY: an export of the log, which many may ask for, must never be taken for a policy.
  const text = signEnvelope(TYPE, utf8("{}"), [A]);
  refused(text, "envelope-type", { ...TRUST, payloadType: OTHER });
  refused(text.replace(TYPE, OTHER), "envelope-type");
  refused(text.replace(TYPE, OTHER), "envelope-untrusted", { ...TRUST, payloadType: OTHER });
  // DSSE's vector empty-payload-type.
  refused(envelope(STATEMENT, "", BY_A), "envelope-type");
});

test("[DSSE-3] a threshold counts keys, not signatures", () => {
  const both = { ...TRUST, keys: [A.publicKey, B.publicKey], threshold: 2 };
  assert.ok(open(envelope(STATEMENT, TYPE, BY_A, BY_B), both));
  assert.ok(open(envelope(STATEMENT, TYPE, BY_B, BY_A), both));
  refused(envelope(STATEMENT, TYPE, BY_A, BY_A), "envelope-untrusted", both);
  refused(envelope(STATEMENT, TYPE, BY_A), "envelope-untrusted", both);
  const twice = { ...both, keys: [A.publicKey, A.publicKey] };
  refused(envelope(STATEMENT, TYPE, BY_A, BY_A), "envelope-untrusted", twice);
  assert.throws(() => open(envelope(STATEMENT, TYPE, BY_A), { ...both, threshold: 0 }), RangeError);
});

test("[DSSE-3] without a trusted key, and with the wrong one, nothing opens", () => {
  // SECURITY: a missing list of keys must not mean that anybody may sign.
  const text = signEnvelope(TYPE, utf8("{}"), [A]);
  refused(text, "envelope-untrusted", { ...TRUST, keys: [] });
  refused(text, "envelope-untrusted", { ...TRUST, keys: [B.publicKey] });
  assert.ok(open(signEnvelope(TYPE, utf8("{}"), [B, A])));
});

test("[DSSE-4] the key id decides nothing", () => {
  // SECURITY: whoever writes the key id would otherwise choose the key, or that there is none.
  const text = signEnvelope(TYPE, utf8("{}"), [A]);
  assert.equal(parts(text).signatures[0]?.keyid, envelopeKeyId(A.publicKey));
  const named = (keyid: string): string => text.replace(envelopeKeyId(A.publicKey), keyid);
  for (const keyid of ["", "A", envelopeKeyId(B.publicKey)]) assert.ok(open(named(keyid)));
  const lie = signEnvelope(TYPE, utf8("{}"), [{ ...B, publicKey: A.publicKey }]);
  refused(lie, "envelope-untrusted");
});

test("[DSSE-5] either alphabet of base64, in its one form", () => {
  // DSSE's vector url-safe-base64.
  const sig =
    "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw==";
  assert.deepEqual(open(envelope("-_-_Pj8=", TYPE, sig)), Buffer.from("fbffbf3e3f", "hex"));
  const standard = sig.replaceAll("-", "+").replaceAll("_", "/");
  assert.ok(open(envelope("+/+/Pj8=", TYPE, standard)));
  for (const payload of [
    "+_-_Pj8=",
    "+/+/Pj8",
    "+/+/Pj9=",
    " +/+/Pj8=",
    "+/+/Pj8=\\n",
    "+/+/Pj8=A",
  ])
    refused(envelope(payload, TYPE, standard), "envelope-malformed");
  refused(envelope("+/+/Pj8=", TYPE, standard.slice(0, -4)), "envelope-malformed");
});

test("[DSSE-5] an envelope of another form is refused", () => {
  const text = signEnvelope(TYPE, utf8("{}"), [A]);
  const { payload, payloadType, signatures } = parts(text);
  const [signature] = signatures;
  for (const other of [
    { payload, payloadType },
    { payload, payloadType, signatures: [] },
    { payload, payloadType, signatures: {} },
    { payload, payloadType, signatures: Array.from({ length: 9 }, () => signature) },
    { payload, payloadType, signatures, version: 1 },
    { payload, payloadType: 1, signatures },
    { payload: null, payloadType, signatures },
    { payload, payloadType, signatures: [{ ...signature, cert: "" }] },
    { payload, payloadType, signatures: [{ ...signature, keyid: 1 }] },
    { payload, payloadType, signatures: [null] },
    [text],
    NaN,
  ])
    refused(JSON.stringify(other), "envelope-malformed");
  refused(
    text.replace('"payloadType"', `"payload":"${payload}","payloadType"`),
    "envelope-malformed",
  );
  refused(`${text}{}`, "envelope-malformed");
  refused(text.slice(0, -3), "envelope-malformed");
  refused("", "envelope-malformed");
});

test("[DSSE-6] an envelope or a payload that is too long is not read", () => {
  const text = signEnvelope(TYPE, new Uint8Array(100), [A]);
  assert.ok(open(text, { ...TRUST, maxBytes: 100 }));
  refused(text, "envelope-malformed", { ...TRUST, maxBytes: 99 });
  refused(" ".repeat(100_000) + text, "envelope-malformed", { ...TRUST, maxBytes: 100 });
});

test("[DSSE-4] a key id is the SHA-256 of the key, in hex", () => {
  assert.equal(
    envelopeKeyId(A.publicKey),
    "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9",
  );
});

test("[DSSE-5] an envelope has one to eight signatures, of whoever makes and of whoever reads it", () => {
  const signed = (count: number): string =>
    signEnvelope(
      TYPE,
      utf8("{}"),
      Array.from({ length: count }, () => A),
    );
  for (const count of [0, 9]) assert.throws(() => signed(count), RangeError);
  assert.equal(parts(signed(8)).signatures.length, 8);
  assert.ok(open(signed(8)));
  const tooLong = new Uint8Array(MAX_ENVELOPE_PAYLOAD + 1);
  assert.throws(() => signEnvelope(TYPE, tooLong, [A]), RangeError);
});

test("[DSSE-3] keys that are none, or more than may be trusted, are a fault and no verdict", () => {
  // SECURITY: a list that somebody else can lengthen would make each check take as long as he likes.
  const text = signEnvelope(TYPE, utf8("{}"), [A]);
  const many = Array.from({ length: MAX_TRUSTED_KEYS - 1 }, () => B.publicKey);
  assert.ok(open(text, { ...TRUST, keys: [...many, A.publicKey] }));
  const [short, long] = [A.publicKey.slice(1), new Uint8Array(33)];
  for (const keys of [[...many, A.publicKey, B.publicKey], [A.publicKey, short], [long]])
    assert.throws(() => open(text, { ...TRUST, keys }), RangeError);
});

test("[DSSE-6] the room around a payload is 16 KiB, whatever its size", () => {
  for (const length of [99, 60_000]) {
    const text = signEnvelope(TYPE, new Uint8Array(length), [A]).trimEnd();
    const room = (length / 3) * 4 + 16_384 - text.length;
    const trust = { ...TRUST, maxBytes: length };
    assert.ok(open(text + " ".repeat(room), trust));
    refused(text + " ".repeat(room + 1), "envelope-malformed", trust);
  }
});
