import assert from "node:assert/strict";
import { test } from "node:test";
import type { Processes } from "@sesame/core-types";
import { programOf, SeenProgram } from "./seen-program.ts";

const digest = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const found = (executable: string | null, sha256: Uint8Array | null): Processes => ({
  processes: [{ pid: 7, title: "x", executable }],
  sha256,
});

test("[RUN-22] a process that was seen to run another program has no digest any more", () => {
  // SECURITY: a program would connect, hand its socket on, and become the one that a grant names.
  for (const other of [found("/bin/b", digest(1)), found("/bin/a", digest(2))]) {
    const seen = new SeenProgram();
    assert.deepEqual(seen.note(found("/bin/a", digest(1))).sha256, digest(1));
    assert.equal(seen.note(other).sha256, null);
    assert.equal(seen.note(other).sha256, null, "not by asking again");
    assert.equal(seen.note(found("/bin/a", digest(1))).sha256, null, "nor by going back");
    assert.equal(seen.last.executable, "/bin/a", "what runs is named all the same");
  }
});

test("[RUN-22] what could not be seen for a while is no other program", () => {
  const seen = new SeenProgram();
  assert.deepEqual(seen.last, { executable: null, sha256: null });
  for (const blind of [{ processes: [], sha256: null }, found("/bin/a", null)]) {
    assert.equal(seen.note(blind).sha256, null);
    assert.deepEqual(seen.note(found("/bin/a", digest(1))).sha256, digest(1));
  }
});

test("[AUTH-20] a program is known by path and digest together, or not at all", () => {
  const peer = (executable: string | null, sha256: Uint8Array | null) => ({
    ...found(executable, sha256),
    uid: 1,
    unit: null,
  });
  assert.deepEqual(programOf(peer("/bin/a", digest(1))), { path: "/bin/a", sha256: digest(1) });
  for (const one of [peer(null, digest(1)), peer("/bin/a", null), null])
    assert.equal(programOf(one), null);
});
