import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { limits } from "@sesame/core-types";
import { seedOf, tokenOf } from "../testing/certificates.ts";
import {
  isNamePattern,
  isToken,
  namesFit,
  TOKEN_TEXT_BYTES,
  tokenId,
  tokenSeed,
  tokenText,
  type Token,
} from "./token.ts";

const SEEDS: Readonly<Record<string, Uint8Array>> = {
  "few digits": seedOf(7),
  "every digit": Buffer.from("0123456789abcdef".repeat(4), "hex"),
  "the last digit": new Uint8Array(32).fill(0xff),
};

for (const [what, seed] of Object.entries(SEEDS))
  test(`[ENROL-24] a token's text is its seed, and a slip of one character is noticed: ${what}`, () => {
    const text = new TextEncoder().encode(tokenText(suite, seed));
    assert.equal(text.length, TOKEN_TEXT_BYTES);
    assert.match(new TextDecoder().decode(text), /^sesame-token-[0-9a-f]{72}$/);
    assert.deepEqual(tokenSeed(suite, text), Uint8Array.from(seed));
    for (let at = 0; at < text.length; at++)
      for (const other of Buffer.from("0f/:`gAF\x00\xff", "latin1")) {
        const changed = text.slice();
        if (changed[at] === other) continue;
        changed[at] = other;
        assert.equal(tokenSeed(suite, changed), null, `character ${at}`);
      }
    const more = new Uint8Array([...text, 0x30]);
    for (const cut of [text.subarray(1), text.subarray(0, -1), new Uint8Array(), more])
      assert.equal(tokenSeed(suite, cut), null);
  });

test("[ENROL-24] the seed of a token that is refused is wiped", () => {
  // SECURITY: with one wrong character in its text the token would stay in memory, and is still good.
  const given: Uint8Array[] = [];
  const listening = {
    ...suite,
    blake2s: (...parts: readonly Uint8Array[]) => {
      given.push(...parts);
      return suite.blake2s(...parts);
    },
  };
  const text = new TextEncoder().encode(tokenText(suite, seedOf(7)));
  const seed = tokenSeed(listening, text);
  assert.ok(given.includes(seed ?? text), "it is the seed that is listened to");
  text[text.length - 1] = (text.at(-1) ?? 0) === 0x30 ? 0x31 : 0x30;
  given.length = 0;
  assert.equal(tokenSeed(listening, text), null);
  assert.deepEqual(given.at(-1), new Uint8Array(32));
});

test("[ENROL-24] a token's id says nothing about its seed", () => {
  // SECURITY: the audit log, and every list of tokens, would let people in.
  const { key } = tokenOf(7);
  assert.equal(tokenId(key).length, 8);
  assert.ok(!tokenText(suite, seedOf(7)).includes(tokenId(key)));
});

test("[ENROL-25] a pattern stands for names with one gap", () => {
  for (const [pattern, name, fits] of [
    ["ci-*", "ci-1", true],
    ["ci-*", "ci-", true],
    ["ci-*", "Ci-1", false],
    ["ci-*", "xci-1", false],
    ["*", "anything", true],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b", "axxb", true],
    ["a*b", "axxbc", false],
    ["one", "one", true],
    ["one", "ones", false],
  ] as const)
    assert.equal(namesFit(pattern, name), fits, `${pattern} ${name}`);
  for (const pattern of ["*", "ci-*", "*x", "a*b", "one"]) assert.ok(isNamePattern(pattern));
  for (const pattern of ["", "a*b*c", "**", "-x*", "a b", "a/*", `${"a".repeat(64)}*`])
    assert.ok(!isNamePattern(pattern), pattern);
});

test("[ENROL-25] the record bears no token without bounds", () => {
  // SECURITY: a number that reads as none would be a token without an end.
  assert.ok(isToken(tokenOf(7)));
  const { madeMs } = tokenOf(7);
  for (const changes of [
    { uses: 1, untilMs: madeMs + 1 },
    { uses: limits.MAX_TOKEN_USES, untilMs: madeMs + limits.MAX_TOKEN_TTL_MS },
    { uses: 2, admitted: ["a", "b"] },
    { madeMs: 0, untilMs: 1 },
  ])
    assert.ok(isToken(tokenOf(7, changes)), JSON.stringify(changes));
  for (const changes of [
    { uses: 0 },
    { uses: 1.5 },
    { uses: Number.NaN },
    { uses: limits.MAX_TOKEN_USES + 1 },
    { untilMs: madeMs },
    { untilMs: Number.NaN },
    { untilMs: madeMs + limits.MAX_TOKEN_TTL_MS + 1 },
    { names: "" },
    { admitted: ["a", "b"] },
    { key: new Uint8Array(31) },
    { key: new Uint8Array(33) },
    { madeMs: -1, untilMs: 1 },
    { kind: "human" },
    { clearance: "any" },
    { capabilities: ["secret-list", "any"] },
  ] as readonly Partial<Token>[])
    assert.ok(!isToken(tokenOf(7, changes)), JSON.stringify(changes));
});
