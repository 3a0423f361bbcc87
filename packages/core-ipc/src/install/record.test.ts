import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import { CAPABILITIES, IDENTITY_KINDS, LEVELS } from "@sesame/core-types";
import { parseRecord, recordText } from "./record.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const identity = fc.record({
  id: fc.uuid(),
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/),
  kind: fc.constantFrom(...IDENTITY_KINDS),
  clearance: fc.constantFrom(...LEVELS),
  capabilities: fc.subarray([...CAPABILITIES]),
  noiseKey: key,
  sealingKey: key,
  signingKey: key,
});
const installation = fc.record({
  id: fc.uuid(),
  rootKey: key,
  identities: fc.array(identity, { maxLength: 5 }),
});

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
