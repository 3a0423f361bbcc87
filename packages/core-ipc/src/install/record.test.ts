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
import { nextSerial, parseRecord, recordText, type Installation } from "./record.ts";
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
