import { authorityLimits, ENDINGS, type Ended } from "@sesame/core-authority";
import {
  decode,
  encode,
  list,
  oneOf,
  struct,
  text,
  uint,
  Violation,
  type Log,
} from "@sesame/core-types";
import { readBounded, replaceFile } from "./files.ts";

// Ends of grants that are not on record yet: on disk before the end itself is, so that a crash
// between the two hides none. docs/AUTHORITY.md, Owners.

export type UnrecordedEnd = Pick<Ended, "id" | "delegatee" | "why" | "origin">;

const VERSION = 1;
const MAX_BYTES = 64 * 1024 * 1024;
const uuid = text(36);
const schema = struct({
  version: uint,
  ends: list(
    struct({ id: uuid, delegatee: uuid, why: oneOf(ENDINGS), origin: uuid }),
    authorityLimits.MAX_GRANTS,
  ),
});

/** What `saveEnds` wrote last. What cannot be read is only told: no right hangs on it. */
export function loadEnds(path: string, log: Log): UnrecordedEnd[] {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return [];
  try {
    return decode(schema, file).ends;
  } catch (cause) {
    if (!(cause instanceof Violation)) throw cause;
    log("error", `${path} is damaged: ends of grants may be missing in the audit log`, {});
    return [];
  }
}

/** @throws {Fault} io; what was there before is still there */
export function saveEnds(path: string, ends: readonly UnrecordedEnd[]): void {
  const rows = ends
    .slice(0, authorityLimits.MAX_GRANTS)
    .map(({ id, delegatee, why, origin }) => ({ id, delegatee, why, origin }));
  replaceFile(path, encode(schema, { version: VERSION, ends: rows }));
}
