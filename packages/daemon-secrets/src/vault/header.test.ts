import assert from "node:assert/strict";
import { test } from "node:test";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import fc from "fast-check";
import { type Header, headerMac, headerText, isGenuine, parseHeader } from "./header.ts";

const KEY = new Uint8Array(32).fill(7);

function fixed(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

const kdfs = fc.record({
  memoryKiB: fc.integer({ min: 128, max: 1_048_576 }),
  passes: fc.integer({ min: 1, max: 16 }),
  lanes: fc.integer({ min: 1, max: 16 }),
});

const headers: fc.Arbitrary<Header> = fc.record({
  vaultId: fixed(16),
  profile: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
  policy: fc.constant("any"),
  revision: fc.nat(),
  createdMs: fc.maxSafeNat(),
  factors: fc.array(
    fc.record({
      kind: fc.constant("password"),
      id: fixed(8),
      kdf: kdfs,
      salt: fixed(16),
      nonce: fixed(24),
      wrap: fixed(48),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});

function textOf(header: Header): string {
  return headerText({ header, mac: headerMac(sodiumSuite, KEY, header) });
}

const [SAMPLE] = fc.sample(headers, { numRuns: 1, seed: 1 }) as [Header];

test("[VAULT-4] a header is read back as it was written, and is genuine under its key alone", () => {
  fc.assert(
    fc.property(headers, (header) => {
      const signed = parseHeader(textOf(header));
      assert.ok(signed !== null && signed !== "newer");
      assert.deepEqual(signed.header, structuredClone(header));
      assert.equal(isGenuine(sodiumSuite, KEY, signed), true);
      assert.equal(isGenuine(sodiumSuite, new Uint8Array(32), signed), false);
    }),
  );
});

test("[VAULT-4] only the canonical text is a header", () => {
  const text = textOf(SAMPLE);
  const edits = [
    text.trimEnd(),
    `${text}\n`,
    ` ${text}`,
    JSON.stringify(JSON.parse(text)),
    text.replace('"policy"', '"extra": 1,\n  "policy"'),
    text.replace('"any"', '"all"'),
    text.replace('"password"', '"none"'),
    text.replace('"sesame-vault"', '"other"'),
    text.replace('"version": 1', '"version": 0'),
    text.replace(/"createdMs": \d+/, '"createdMs": 1.5'),
    text.replace(/"createdMs": \d+/, '"createdMs": -1'),
    text.replace(/"createdMs": \d+/, '"createdMs": "1"'),
    text.replace(/"profile": "[^"]*"/, '"profile": "../x"'),
    text.replace(/"salt": "../, '"salt": "'),
    text.replace(/"salt": "/, '"salt": "zz'),
    "",
    "null",
    "[]",
    "{}",
    '{"__proto__": {}}',
    "[".repeat(60_000),
  ];
  for (const edit of edits) assert.equal(parseHeader(edit), null, edit.slice(0, 80));
});

test("[VAULT-4] a vault has at least one factor", () => {
  assert.equal(parseHeader(textOf({ ...SAMPLE, factors: [] })), null);
});

test("[VAULT-5] costs out of bounds are refused by the parser", () => {
  // SECURITY: an edited header could otherwise make the daemon allocate all memory.
  const [factor] = SAMPLE.factors;
  assert.ok(factor !== undefined);
  const costs = [
    { memoryKiB: 1_048_577, passes: 1, lanes: 1 },
    { memoryKiB: 2 ** 40, passes: 1, lanes: 1 },
    { memoryKiB: 1_024, passes: 17, lanes: 1 },
    { memoryKiB: 1_024, passes: 0, lanes: 1 },
    { memoryKiB: 1_024, passes: 1, lanes: 17 },
    { memoryKiB: 1_024, passes: 1, lanes: 0 },
    { memoryKiB: 15, passes: 1, lanes: 2 },
  ];
  for (const kdf of costs) {
    assert.equal(parseHeader(textOf({ ...SAMPLE, factors: [{ ...factor, kdf }] })), null);
  }
  const most = { memoryKiB: 1_048_576, passes: 16, lanes: 16 };
  assert.notEqual(parseHeader(textOf({ ...SAMPLE, factors: [{ ...factor, kdf: most }] })), null);
});

test("[VAULT-29] the format of a later release is told apart from damage", () => {
  assert.equal(parseHeader(textOf(SAMPLE).replace('"version": 1', '"version": 2')), "newer");
});

test("[VAULT-4] the parser is total", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.equal(parseHeader(text), null);
    }),
  );
});
