import fc from "fast-check";
import { utf8Length, type Node, type TextForm } from "@sesame/core-types";

// Values of a schema, so that a new row of the catalogue is fuzzed without a line of test.

const ALNUM = [..."ABCXYZabcxyz0189"];
const MARKS = [..."._-"];
const MAX_LENGTH = 300;
const MAX_ITEMS = 20;

/** Both sides of every length at which an integer's encoding grows. */
const uints = fc.oneof(
  fc.constantFrom(
    ...[0, 2 ** 7, 2 ** 8, 2 ** 16, 2 ** 32].flatMap((edge) => [Math.max(edge - 1, 0), edge]),
    Number.MAX_SAFE_INTEGER,
  ),
  fc.maxSafeNat(),
);

const word = fc
  .tuple(
    fc.constantFrom(...ALNUM),
    fc.string({ unit: fc.constantFrom(...ALNUM, ...MARKS), maxLength: 12 }),
  )
  .map(([first, rest]) => first + rest);
const path = fc
  .array(fc.string({ unit: fc.constantFrom(...ALNUM, ...MARKS), minLength: 1, maxLength: 9 }), {
    minLength: 1,
    maxLength: 5,
  })
  .filter((segments) => segments.every((segment) => segment !== "." && segment !== ".."))
  .map((segments) => segments.join("/"));

const TEXTS: Readonly<Record<TextForm, fc.Arbitrary<string>>> = {
  any: fc.string({ unit: "binary", maxLength: MAX_LENGTH }),
  "identity-name": word,
  "profile-name": word.filter((text) => !text.includes("..")),
  "secret-name": path,
  "topic-name": path,
};

/** Arbitrary values of a schema. */
export function arbitraryOf(node: Node): fc.Arbitrary<unknown> {
  switch (node.type) {
    case "text":
      return TEXTS[node.form].filter((text) => utf8Length(text) <= node.maxBytes);
    case "bytes": {
      const maxLength = Math.min(node.maxBytes, MAX_LENGTH);
      return fc.uint8Array({ minLength: node.minBytes, maxLength });
    }
    case "uint":
      return uints;
    case "bool":
      return fc.boolean();
    case "one-of":
      return fc.constantFrom(...node.values);
    case "list":
      return fc.array(arbitraryOf(node.of), { maxLength: Math.min(node.maxItems, MAX_ITEMS) });
    case "nullable":
      return fc.option(arbitraryOf(node.of));
    case "secret":
      return arbitraryOf(node.of);
    case "struct":
      return fc.record(
        Object.fromEntries(
          Object.entries(node.fields).map(([name, field]) => [name, arbitraryOf(field)]),
        ),
        { noNullPrototype: true },
      );
  }
}
