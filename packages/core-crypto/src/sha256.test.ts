import assert from "node:assert/strict";
import { test } from "node:test";
import { createSha256 } from "./sha256.ts";

test("SHA-256 of pieces is that of the whole: FIPS 180-2, appendix B.1", () => {
  const hash = createSha256();
  for (const letter of "abc") hash.update(Buffer.from(letter));
  assert.equal(
    Buffer.from(hash.digest()).toString("hex"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
