import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import {
  CAPABILITIES,
  ENROLLED_KINDS,
  IDENTITY_KINDS,
  IDENTITY_STATES,
  LEVELS,
  limits,
} from "@sesame/core-types";
import { identity as identityNamed } from "../testing/pair.ts";
import { INSTALLATION, tokenOf } from "../testing/certificates.ts";
import { nextSerial, parseRecord, recordText, rootKeyIn, type Installation } from "./record.ts";
import type { Token } from "./token.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const identity = fc.record({
  id: fc.uuid(),
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/),
  kind: fc.constantFrom(...IDENTITY_KINDS),
  state: fc.constantFrom(...IDENTITY_STATES),
  enrolledMs: fc.nat(),
  clearance: fc.constantFrom(...LEVELS),
  capabilities: fc.subarray([...CAPABILITIES]),
  wants: fc.constantFrom("", "secret-list secret-use:ci/*", "secret-use+3"),
  keyedMs: fc.nat(),
  noiseKey: key,
  sealingKey: key,
  signingKey: key,
  former: fc.array(
    fc.record({ noiseKey: key, sealingKey: key, signingKey: key, untilMs: fc.nat() }),
    { maxLength: 4 },
  ),
});
const token = fc
  .record({
    key,
    kind: fc.constantFrom(...ENROLLED_KINDS),
    clearance: fc.constantFrom(...LEVELS),
    capabilities: fc.subarray([...CAPABILITIES]),
    names: fc.constantFrom("*", "ci-*", "a.b", "x*y"),
    uses: fc.integer({ min: 2, max: limits.MAX_TOKEN_USES }),
    madeMs: fc.nat(),
    ttlMs: fc.integer({ min: 1, max: limits.MAX_TOKEN_TTL_MS }),
    admitted: fc.array(fc.uuid(), { maxLength: 2 }),
  })
  .map(({ ttlMs, ...rest }): Token => {
    const { key: of, kind, clearance, capabilities, names, uses, madeMs, admitted } = rest;
    const dates = { madeMs, untilMs: madeMs + ttlMs };
    return { key: of, kind, clearance, capabilities, names, uses, ...dates, admitted };
  });
const installation = fc.record(
  {
    id: fc.uuid(),
    rootKey: key,
    serial: fc.maxSafeNat().filter((n) => n < Number.MAX_SAFE_INTEGER),
    logKeys: fc.array(fc.record({ signingKey: key, untilMs: fc.nat() }), {
      minLength: 1,
      maxLength: 3,
    }),
    identities: fc.array(identity, { maxLength: 5 }),
    tokens: fc.array(token, { maxLength: 3 }),
  },
  { requiredKeys: ["id", "rootKey", "serial", "identities", "tokens"] },
);

test("a record reads back as it was written", () => {
  fc.assert(
    fc.property(installation, (written) => {
      const read = parseRecord(recordText(written));
      assert.deepEqual(JSON.stringify(read), JSON.stringify(written));
    }),
  );
});

test("another TOML parser reads the same in a record", () => {
  fc.assert(
    fc.property(installation, (written) => {
      const table = parse(recordText(written));
      assert.equal(table["id"], written.id);
      const entries = (table["identity"] ?? []) as { name: string; capabilities: string[] }[];
      assert.deepEqual(
        entries.map(({ name, capabilities }) => [name, capabilities]),
        written.identities.map(({ name, capabilities }) => [name, capabilities]),
      );
    }),
  );
});

// SECURITY: a second reading of the same signed text would let an editor choose another meaning.
test("only the canonical form is read", () => {
  fc.assert(
    fc.property(
      installation,
      fc.nat(),
      fc.constantFrom(" ", "\n", "#", '"', "x"),
      (given, at, extra) => {
        const text = recordText(given);
        const place = at % (text.length + 1);
        const changed = text.slice(0, place) + extra + text.slice(place);
        const read = parseRecord(changed);
        if (read !== null) assert.equal(recordText(read), changed);
      },
    ),
  );
});

test("[ENROL-12] the next serial is greater, and that of the present unless the clock is behind", () => {
  // SECURITY: two records of one serial could be exchanged for each other.
  const at = (serial: number): Installation => ({
    id: "",
    rootKey: new Uint8Array(32),
    serial,
    identities: [],
    tokens: [],
  });
  assert.equal(nextSerial(at(0), 1_700_000_000_000), 1_700_000_000_000);
  assert.equal(nextSerial(at(1_700_000_000_000), 1_700_000_000_000), 1_700_000_000_001);
  assert.equal(nextSerial(at(1_700_000_000_000), 5), 1_700_000_000_001);
});

test("a serial that is no whole number, or has none behind it, is not read", () => {
  const text = recordText({
    id: "00000000-0000-7000-8000-000000000001",
    rootKey: new Uint8Array(32),
    serial: 7,
    identities: [],
    tokens: [],
  });
  assert.equal(parseRecord(text)?.serial, 7);
  for (const other of ["-1", "0.5", "1e3", "07", "9007199254740991", "9007199254740993", '"7"', ""])
    assert.equal(parseRecord(text.replace("serial = 7", `serial = ${other}`)), null, other);
});

const bytesOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const HEX = (byte: number): string => Buffer.from(bytesOf(byte)).toString("hex");
const WHOLE: Installation = {
  id: INSTALLATION,
  rootKey: bytesOf(1),
  serial: 7,
  logKeys: [{ signingKey: bytesOf(2), untilMs: 3 }],
  identities: [
    {
      ...identityNamed("ci", { kind: "ai" }),
      id: "0198c2f4-0000-7000-8000-000000000003",
      enrolledMs: 11,
      keyedMs: 12,
      wants: "secret-list",
      capabilities: ["secret-list"],
      noiseKey: bytesOf(4),
      sealingKey: bytesOf(5),
      signingKey: bytesOf(6),
      former: [
        { untilMs: 9, noiseKey: bytesOf(7), sealingKey: bytesOf(8), signingKey: bytesOf(9) },
      ],
    },
  ],
  tokens: [tokenOf(7, { uses: 2, admitted: ["0198c2f4-0000-7000-8000-000000000004"] })],
};

/** Values of a record, and others in their place that are none. */
const VALUES: readonly [was: string, ...others: readonly string[]][] = [
  [
    `id = "${INSTALLATION}"`,
    'id = ""',
    'id = "ci"',
    `id = "${INSTALLATION.toUpperCase()}"`,
    "id = 1",
  ],
  [`id = "${INSTALLATION}"`, `id = "${INSTALLATION}0"`, `id = "0${INSTALLATION}"`],
  [`root_key = "${HEX(1)}"`, 'root_key = ""', `root_key = "${HEX(1)}01"`, "root_key = 1"],
  [
    `root_key = "${HEX(1)}"`,
    `root_key = "${HEX(1).slice(2)}"`,
    `root_key = "${HEX(0xaa).toUpperCase()}"`,
  ],
  [`["3 ${HEX(2)}"]`, "[3]", '["3"]', `["x ${HEX(2)}"]`, `["-1 ${HEX(2)}"]`, `["1.5 ${HEX(2)}"]`],
  [`["3 ${HEX(2)}"]`, `["3 ${HEX(2)} "]`, `["3 ${HEX(2)}02"]`, `"3 ${HEX(2)}"`, "[]", "null"],
  ['id = "0198c2f4-0000-7000-8000-000000000003"', 'id = ""', 'id = "ci"', "id = 3"],
  ['name = "ci"', 'name = ""', 'name = "-ci"', 'name = "c i"', "name = 1"],
  ['kind = "ai"\nstate', 'kind = "root"\nstate', "kind = 1\nstate"],
  ['state = "active"', 'state = "asleep"', "state = true"],
  [`former = ["9 ${HEX(7)} ${HEX(8)} ${HEX(9)}"]`, "former = [9]", "former = [null]", "former = 9"],
  ["enrolled = 11", "enrolled = -11", "enrolled = 1.5", 'enrolled = "11"', "enrolled = null"],
  ["keyed = 12", "keyed = -12", "keyed = 1.5", 'keyed = "12"', "keyed = null"],
  ['wants = "secret-list"', 'wants = "é"', 'wants = "\\""', 'wants = "\\\\"', "wants = 1"],
  ['wants = "secret-list"', `wants = "${"x".repeat(1_025)}"`, 'wants = "\\t"', "wants = null"],
  [`noise_key = "${HEX(4)}"`, 'noise_key = ""', `noise_key = "${HEX(4)}04"`, "noise_key = 4"],
  [`sealing_key = "${HEX(5)}"`, 'sealing_key = ""', `sealing_key = "${HEX(5)}05"`],
  [`signing_key = "${HEX(6)}"`, 'signing_key = ""', `signing_key = "${HEX(6)}06"`],
  [
    `former = ["9 ${HEX(7)} `,
    "former = [9]",
    `former = ["x ${HEX(7)} `,
    `former = ["-1 ${HEX(7)} `,
  ],
  [` ${HEX(8)} ${HEX(9)}"]`, ` ${HEX(9)}"]`, ` ${HEX(8)} ${HEX(9)}09"]`, ` 08 ${HEX(9)}"]`],
  [`key = "${HEX(6)}"\n`, `key = "${HEX(6)}"\nmore = 1\n`],
  ['names = "ci-*"', 'names = ""', 'names = "*-*"', "names = 1"],
  ["uses = 2", "uses = 0", "uses = 1.5", "uses = 1001", 'uses = "2"'],
  ["made = 1763000000000", 'made = "1763000000000"', "made = -1", "made = 1763000000000.5"],
  ["until = 1763000060000", 'until = "1763000060000"', "until = 9", "until = null"],
  ["made = 1763000000000\nuntil = 1763000060000", "made = 0.5\nuntil = 1.5"],
  ['admitted = ["0198c2f4-0000-7000-8000-000000000004"]', 'admitted = ["ci"]', "admitted = null"],
];

test("a value that the suite does not write is not read", () => {
  // SECURITY: what one program takes for nothing another may take for something.
  const text = recordText(WHOLE);
  assert.deepEqual(parseRecord(text), WHOLE);
  for (const [was, ...others] of VALUES) {
    assert.ok(text.includes(was), was);
    for (const other of others) assert.equal(parseRecord(text.replace(was, other)), null, other);
  }
  for (const field of ["kind", "clearance"])
    for (const block of text.split("\n\n").slice(1)) {
      const changed = block.replace(new RegExp(`^${field} = .*$`, "m"), `${field} = "any"`);
      assert.notEqual(changed, block);
      assert.equal(parseRecord(text.replace(block, changed)), null, field);
    }
  for (const capabilities of ['["any"]', '["secret-list","secret-list"]', '"secret-list"', "null"])
    for (const block of text.split("\n\n").slice(1)) {
      const changed = block.replace(/^capabilities = .*$/m, `capabilities = ${capabilities}`);
      assert.equal(parseRecord(text.replace(block, changed)), null, capabilities);
    }
});

test("a record may hold so much and not more", () => {
  const [one] = WHOLE.identities;
  const [issued] = WHOLE.tokens;
  const [logKey] = WHOLE.logKeys ?? [];
  assert.ok(one && issued && logKey);
  const [former] = one.former;
  assert.ok(former);
  const many = <T>(thing: T, count: number): T[] => Array.from({ length: count }, () => thing);
  const reads = (changes: Partial<Installation>): boolean =>
    parseRecord(recordText({ ...WHOLE, ...changes })) !== null;
  const withFormer = (count: number) => ({ identities: [{ ...one, former: many(former, count) }] });
  const { MAX_FORMER_KEYS, MAX_LOG_KEYS, MAX_TOKENS } = limits;
  for (const [more, is] of [
    [0, true],
    [1, false],
  ] as const) {
    assert.equal(reads(withFormer(MAX_FORMER_KEYS + more)), is, "former keys");
    assert.equal(reads({ logKeys: many(logKey, MAX_LOG_KEYS + more) }), is, "log keys");
    assert.equal(reads({ tokens: many(issued, MAX_TOKENS + more) }), is, "tokens");
    assert.equal(reads({ identities: [{ ...one, wants: "x".repeat(1_024 + more) }] }), is, "wants");
  }
});

test("the root key is found in a record of another release, and nothing else is", () => {
  assert.deepEqual(rootKeyIn(`version = 9\nroot_key = "${HEX(1)}"\nother = 1\n`), bytesOf(1));
  const later = recordText({ ...WHOLE, rootKey: bytesOf(3) });
  assert.deepEqual(rootKeyIn(later), bytesOf(3));
  for (const text of [
    "",
    "root_key = ",
    'root_key = "01"',
    `\n[[identity]]\nroot_key = "${HEX(1)}"\n`,
  ])
    assert.equal(rootKeyIn(text), null, text);
});
