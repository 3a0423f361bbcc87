import assert from "node:assert/strict";
import { test } from "node:test";
import { IDENTITY_KINDS, limits } from "@sesame/core-types";
import { isCrowded } from "./crowd.ts";

const { MAX_CONNECTIONS, MAX_OPEN_CONNECTIONS, RESERVED_CONNECTIONS } = limits;

test("[LIMIT-1] the last places are for people and daemons", () => {
  // SECURITY: one agent could fill the bus, and nobody could block it or begin a panic any more.
  const full = MAX_CONNECTIONS - RESERVED_CONNECTIONS;
  for (const kind of IDENTITY_KINDS) {
    const isSpared = kind === "human" || kind === "daemon";
    assert.equal(isCrowded(kind, { all: full, open: 0 }), false, kind);
    assert.equal(isCrowded(kind, { all: full + 1, open: 0 }), !isSpared, kind);
    assert.equal(isCrowded(kind, { all: MAX_CONNECTIONS + 1, open: 0 }), true, kind);
  }
});

test("[LIMIT-1] unregistered connections keep no registered one out", () => {
  // SECURITY: anybody could lock everybody else out of the bus.
  const crowd = { all: MAX_OPEN_CONNECTIONS + 1, open: MAX_OPEN_CONNECTIONS };
  assert.equal(isCrowded(null, crowd), true);
  assert.equal(isCrowded("ai", crowd), false);
  assert.equal(isCrowded(null, { ...crowd, open: MAX_OPEN_CONNECTIONS - 1 }), false);
});
