import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Denial,
  IDENTITY_KINDS,
  messageByTag,
  MESSAGES,
  RATE_LIMITS,
  rateClassOf,
  type MessageName,
} from "@sesame/core-types";
import { handClock, identity } from "../testing/pair.ts";
import type { Request } from "./gate.ts";
import { rateLimit } from "./rate-limit.ts";

const requests = (Object.keys(MESSAGES) as MessageName[])
  .map((name) => messageByTag(MESSAGES[name].tag))
  .filter((row): row is Request => row?.form === "request");

test("[RATE-1] every kind and every kind of identity: as many calls as the table says", () => {
  for (const row of requests)
    for (const kind of IDENTITY_KINDS) {
      const clock = handClock();
      const ask = rateLimit(clock);
      const from = identity("one", { kind });
      const counted = rateClassOf(row);
      const limit = counted === null ? null : RATE_LIMITS[kind][counted];
      for (let i = 0; i < (limit ?? 1_000); i++) ask(row, from);
      if (limit === null) continue;
      const tooMany = (cause: unknown): boolean =>
        cause instanceof Denial &&
        cause.code === "rate-limited" &&
        cause.retryAfterMs === 60_000 &&
        cause.detail === "60";
      assert.throws(() => ask(row, from), tooMany, `${row.name} by ${kind}`);
      ask(row, { ...from, id: "00000000-0000-4000-8000-000000000001" });
      clock.setBack(3_600_000);
      assert.throws(() => ask(row, from), tooMany);
      clock.turn(60_000);
      ask(row, from);
    }
});

test("[RATE-1] the certificates in force are given out at a bounded rate", () => {
  // SECURITY: a few agents together would keep daemon-secrets busy with megabytes for each of them.
  assert.equal(rateClassOf(MESSAGES["vault.certificates"]), "other");
});

test("[RATE-1] calls of one class are counted together, those of another are not", () => {
  // SECURITY: reading by `secret.get` and by `secret.fetch` would double what may be read.
  const ask = rateLimit(handClock());
  const from = identity("one", { kind: "ai" });
  const row = (name: MessageName): Request => messageByTag(MESSAGES[name].tag) as Request;
  for (let i = 0; i < 15; i++) {
    ask(row("secret.get"), from);
    ask(row("secret.fetch"), from);
  }
  for (const name of ["secret.get", "secret.fetch"] as const)
    assert.throws(() => ask(row(name), from), { code: "rate-limited" });
  ask(row("secret.list"), from);
});
