import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { ROOT, sources } from "../helpers/sources.ts";
import {
  ARTEFACTS,
  readBy,
  UNSIGNED,
  type Artefact,
  type Origin,
  type Shown,
  type Trust,
} from "./artefacts.ts";

// What somebody without the key can make of each artefact that the suite signs.

const seed = (fill: number): Uint8Array => new Uint8Array(new ArrayBuffer(32)).fill(fill);
const [OWN, THIEF] = [seed(1), seed(2)];
const HERE = "0198c2f4-0000-7000-8000-000000000001";
const THERE = "0198c2f4-0000-7000-8000-000000000002";

function origin(changes: Partial<Origin> = {}, key = OWN): Origin {
  return {
    installation: HERE,
    session: new Uint8Array(16).fill(1),
    publicKey: suite.ed25519PublicKey(key),
    sign: (message) => suite.ed25519Sign(key, message),
    ...changes,
  };
}

function trust(changes: Partial<Trust> = {}): Trust {
  const { installation, session, publicKey } = origin();
  return { installation, session, keys: [publicKey], ...changes };
}

/** The bytes that a maker signs. */
function signedBytes({ make }: Artefact): Uint8Array {
  const seen: Uint8Array[] = [];
  make(
    origin({
      sign: (message) => {
        seen.push(Uint8Array.from(message));
        return suite.ed25519Sign(OWN, message);
      },
    }),
  );
  const [message] = seen;
  assert.ok(seen.length === 1 && message !== undefined);
  return message;
}

const others = (artefact: Artefact): readonly Artefact[] =>
  ARTEFACTS.filter((other) => other !== artefact);

for (const artefact of ARTEFACTS) {
  const { title, make } = artefact;
  const genuine = Uint8Array.from(make(origin()));
  const read = (bytes: Uint8Array, by = trust()): string | null => readBy(artefact, bytes, by);
  const content = read(genuine);

  test(`${title}: what its key signed is read`, () => {
    assert.notEqual(content, null);
    assert.equal(read(make(origin())), content);
  });

  test(`${title}: with any byte changed it is refused, or says the same`, () => {
    // SECURITY: whoever carries or stores it would change what was signed.
    let same = 0;
    for (const [at, byte] of genuine.entries())
      for (const bit of [0x01, 0x20, 0x80]) {
        const changed = genuine.slice();
        changed[at] = byte ^ bit;
        const taken = read(changed);
        assert.ok(taken === null || taken === content, `byte ${at}`);
        if (taken !== null) same += 1;
      }
    // The key id of an envelope is a hint, and under no signature: DSSE, envelope.md.
    assert.ok(
      same <= (artefact.heading.startsWith("DSSEv1") ? 3 * 64 : 0),
      `${same} read the same`,
    );
  });

  test(`${title}: cut anywhere, or with more behind it, it is refused`, () => {
    // SECURITY: a part of what was signed would pass for all of it.
    for (let length = 0; length < genuine.length; length += 1) {
      const taken = read(genuine.subarray(0, length));
      // The line feed after an envelope is no part of it.
      const isWhole = artefact.json && length === genuine.length - 1;
      assert.equal(taken, isWhole ? content : null, `${length} bytes`);
    }
    for (const more of [[0], [0x7d], [...genuine]])
      assert.equal(read(Buffer.concat([genuine, Buffer.from(more)])), null);
  });

  test(`${title}: signed by another key, or where no key is trusted, it is refused`, () => {
    // SECURITY: a thief's own statement would be taken for the owner's.
    const thief = suite.ed25519PublicKey(THIEF);
    const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(THIEF, message);
    assert.equal(read(make(origin({}, THIEF))), null);
    assert.equal(read(make(origin({ sign }))), null);
    assert.equal(read(genuine, trust({ keys: [thief] })), null);
    assert.equal(read(genuine, trust({ keys: [] })), null);
    assert.equal(read(make(origin({ sign: () => new Uint8Array(64) }))), null);
    // Of small order: some verifiers take any signature under it. RFC 8032 §5.1.7
    const neutral = Uint8Array.of(1, ...new Uint8Array(31));
    const forged = make(
      origin({ publicKey: neutral, sign: () => Uint8Array.of(...neutral, ...new Uint8Array(32)) }),
    );
    assert.equal(read(forged), null);
  });

  test(`${title}: the signature of any other artefact does not fit it`, () => {
    // SECURITY: one statement of an honest signer would be used as another.
    for (const other of others(artefact)) {
      const message = signedBytes(other);
      const moved = make(origin({ sign: () => suite.ed25519Sign(OWN, message) }));
      assert.equal(read(moved), null, other.title);
      assert.equal(read(other.make(origin())), null, other.title);
      assert.equal(read(message), null, other.title);
    }
  });

  test(`${title}: no other artefact's signed bytes begin as its own do`, () => {
    // SECURITY: bytes that are two statements need one signature only.
    const { heading } = artefact;
    assert.ok(Buffer.from(signedBytes(artefact)).toString("latin1").startsWith(heading));
    for (const other of others(artefact))
      assert.ok(!other.heading.startsWith(heading), other.title);
  });

  test(`${title}: made for another place, or at another time, it is refused`, () => {
    // SECURITY: what is right elsewhere, or was right once, would hold here and now.
    const { boundTo, outlived, early, replayed } = artefact;
    if (boundTo === "installation") {
      assert.equal(read(make(origin({ installation: THERE }))), null);
      assert.equal(read(genuine, trust({ installation: THERE })), null);
    } else if (boundTo === "session") {
      assert.equal(read(genuine, trust({ session: new Uint8Array(16) })), null);
    } else expectShown(boundTo);
    for (const shown of [outlived, early, replayed]) expectShown(shown);
  });
}

test("whatever is signed under JSON is read in one way only", () => {
  // SECURITY: two readers would see two contents under one signature.
  for (const artefact of ARTEFACTS.filter(({ json }) => json)) {
    const text = Buffer.from(artefact.make(origin())).toString();
    const again = text.replace("{", '{"payload":"",');
    const last = text.replace(/\}\s*$/, ',"payload":""}');
    const infinite = text.replace(/\}\s*$/, ',"x":NaN}');
    const foreign = text.replace(/\}\s*$/, ',"x":1}');
    for (const changed of [again, last, infinite, foreign, `[${text}]`, `\ufeff${text}`]) {
      assert.notEqual(changed, text);
      assert.equal(readBy(artefact, Buffer.from(changed), trust()), null, changed.slice(0, 40));
    }
  }
});

test("every heading in the sources is of an artefact here, or is known to be signed by nobody", () => {
  const HEADING = /"(sesame [a-z -]+ v\d+(?:\\n)?|application\/vnd\.sesame\.[^"]+)"/g;
  const known = [...ARTEFACTS.map(({ heading }) => heading), ...Object.keys(UNSIGNED)];
  const found = sources("packages/*/src/**/*.ts")
    .filter(({ path }) => !path.endsWith(".test.ts"))
    .flatMap(({ text }) => [...text.matchAll(HEADING)].map(([, heading = ""]) => heading))
    .map((heading) => heading.replace("\\n", "\n"));
  assert.ok(found.length >= known.length);
  for (const heading of found)
    assert.ok(
      known.some((one) => one === heading || one.includes(` ${heading} `)),
      `${JSON.stringify(heading)} is in no row of test/forgery/artefacts.ts`,
    );
});

function expectShown(shown: Shown): void {
  if ("none" in shown) return assert.ok(shown.none.length > 0);
  const { file, title } = shown;
  assert.ok(readFileSync(ROOT + file, "utf8").includes(title), `${file} has no test "${title}"`);
}
