import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { unpack } from "msgpackr";
import { RUNS } from "../../../test/helpers/runs.ts";
import {
  encodeSender,
  ENVELOPE_TYPES,
  MAX_HEADER_BYTES,
  readClientHeader,
  readRoutedHeader,
  writeHeader,
  type ClientHeader,
  type Sender,
} from "./envelope.ts";
import { Violation } from "./errors.ts";
import { IDENTITY_KINDS } from "./identity.ts";
import { LEVELS } from "./level.ts";
import {
  AUTHENTICATIONS,
  EXPOSURES,
  NO_TRUST,
  TRUST_BYTES,
  type Authentication,
  type Exposure,
} from "./trust.ts";

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const plain = { noNullPrototype: true };
const header: fc.Arbitrary<ClientHeader> = fc.record(
  {
    type: fc.constantFrom(...ENVELOPE_TYPES),
    id,
    tag: fc.nat(0xffff),
    level: fc.constantFrom(...LEVELS),
    target: fc.option(fc.string({ unit: "binary", maxLength: 64 })),
    ttlMs: fc.nat(0x7fff_ffff),
  },
  plain,
);
const ways = Object.keys(AUTHENTICATIONS) as Authentication[];
const networks = Object.keys(EXPOSURES) as Exposure[];
const sender: fc.Arbitrary<Sender> = fc.record(
  {
    name: fc.option(fc.string({ unit: "binary-ascii", maxLength: 64 })),
    kind: fc.option(fc.constantFrom(...IDENTITY_KINDS)),
    clearance: fc.constantFrom(...LEVELS),
    session: id,
    trust: fc.record(
      {
        authentication: fc.constantFrom(...ways),
        exposure: fc.constantFrom(...networks),
        posture: fc.nat(100),
        authorizedAt: fc.nat(0xffff_ffff),
        delegation: fc.nat(255),
      },
      plain,
    ),
  },
  plain,
);

function written(given: ClientHeader, from?: Sender): Uint8Array {
  const out = new Uint8Array(MAX_HEADER_BYTES);
  const encoded = from === undefined ? undefined : encodeSender(from);
  return out.slice(0, writeHeader(out, given, encoded));
}

test("[ENVELOPE-1] a client's header comes back as it was, and the payload begins behind it", () => {
  fc.assert(
    fc.property(header, fc.uint8Array(), (given, payload) => {
      const bytes = written(given);
      const read = readClientHeader(new Uint8Array([...bytes, ...payload]));
      assert.deepEqual(read, { header: given, length: bytes.length });
    }),
    { numRuns: RUNS },
  );
});

test("[ENVELOPE-2] a routed header carries the sender that the bus wrote", () => {
  fc.assert(
    fc.property(header, sender, (given, from) => {
      const bytes = written(given, from);
      const read = readRoutedHeader(bytes);
      assert.deepEqual(read, { header: { ...given, sender: from }, length: bytes.length });
      assert.equal((unpack(bytes) as unknown[]).length, 12);
    }),
    { numRuns: RUNS },
  );
});

test("[ENVELOPE-2] a header with a sender is refused from a client, one without from the bus", () => {
  // SECURITY: a client that could write the sender would act under any name.
  fc.assert(
    fc.property(header, sender, (given, from) => {
      assert.throws(() => readClientHeader(written(given, from)), { rule: "ENVELOPE-1" });
      assert.throws(() => readRoutedHeader(written(given)), { rule: "ENVELOPE-1" });
    }),
    { numRuns: RUNS },
  );
});

test("[ENVELOPE-1] bytes that read as a header are the only encoding of it", () => {
  const damaged = fc.tuple(header, sender, fc.nat(), fc.nat(255), fc.boolean());
  fc.assert(
    fc.property(damaged, ([given, from, at, byte, routed]) => {
      const bytes = routed ? written(given, from) : written(given);
      bytes[at % bytes.length] = byte;
      try {
        if (routed) {
          const read = readRoutedHeader(bytes);
          assert.deepEqual(written(read.header, read.header.sender), bytes.slice(0, read.length));
        } else {
          const read = readClientHeader(bytes);
          assert.deepEqual(written(read.header), bytes.slice(0, read.length));
        }
      } catch (cause) {
        assert.ok(cause instanceof Violation, String(cause));
        assert.ok(["ENVELOPE-1", "CODEC-2"].includes(cause.rule));
      }
    }),
    { numRuns: RUNS * 5 },
  );
});

test("[ENVELOPE-1] hostile bytes are no header, and nothing worse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (given) => {
      for (const read of [readClientHeader, readRoutedHeader])
        try {
          read(given);
        } catch (cause) {
          assert.ok(cause instanceof Violation, String(cause));
        }
    }),
    { numRuns: RUNS * 5 },
  );
});

test("[ENVELOPE-3] whatever is read fits the buffer that it is written to again", () => {
  // SECURITY: 256 characters of three bytes each would overrun the bus's header buffer and end it.
  const given: ClientHeader = {
    type: "request",
    id: new Uint8Array(16),
    tag: 0xffff,
    level: "secrets-only",
    target: "€".repeat(256),
    ttlMs: 0xffff_ffff,
  };
  const out = new Uint8Array(2_000);
  const length = writeHeader(out, given);
  assert.throws(() => readClientHeader(out.subarray(0, length)), { rule: "ENVELOPE-1" });
  const largest: Sender = {
    name: "n".repeat(64),
    kind: "extension",
    clearance: "secrets-only",
    session: new Uint8Array(16),
    trust: {
      authentication: "key-and-pid",
      exposure: "local",
      posture: 100,
      authorizedAt: 0xffff_ffff,
      delegation: 255,
    },
  };
  const fits = written({ ...given, target: "t".repeat(256) }, largest);
  assert.equal(readRoutedHeader(fits).header.target, "t".repeat(256));
});

const MALFORMED: readonly (readonly [string, readonly [number, number]])[] = [
  ["an unknown version", [1, 2]],
  ["an unknown type", [2, 9]],
  ["an unknown level", [24, 9]],
];

for (const [what, [at, byte]] of MALFORMED)
  test(`[ENVELOPE-1] refused: ${what}`, () => {
    const bytes = written({
      type: "request",
      id: new Uint8Array(16),
      tag: 0xffff,
      level: "open",
      target: null,
      ttlMs: 0,
    });
    assert.equal(readClientHeader(bytes).header.level, "open");
    bytes[at] = byte;
    assert.throws(() => readClientHeader(bytes), { rule: "ENVELOPE-1" });
  });

test("[ENVELOPE-1] a vector with an unknown word, too high a posture or another length is refused", () => {
  const given: ClientHeader = {
    type: "publish",
    id: new Uint8Array(16),
    tag: 0x0500,
    level: "open",
    target: null,
    ttlMs: 0,
  };
  const from = { name: null, kind: null, clearance: "open", session: new Uint8Array(16) } as const;
  const bytes = written(given, { ...from, trust: NO_TRUST });
  const at = bytes.length - TRUST_BYTES;
  assert.deepEqual(readRoutedHeader(bytes).header.sender.trust, NO_TRUST);
  for (const [place, byte] of [
    [at, ways.length],
    [at + 1, networks.length],
    [at + 2, 101],
    [at - 1, TRUST_BYTES - 1],
  ] as const) {
    const damaged = Uint8Array.from(bytes);
    damaged[place] = byte;
    assert.throws(() => readRoutedHeader(damaged), { rule: "ENVELOPE-1" });
  }
});
