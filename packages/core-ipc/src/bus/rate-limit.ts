import { Denial, RATE_LIMITS, rateClassOf, type Clock, type Identity } from "@sesame/core-types";
import type { Request } from "./gate.ts";
import { RateWindows } from "./rate-windows.ts";

/** Counts a call of an identity; refuses it if it is one too many. */
export type RateLimit = (row: Request, identity: Identity) => void;

/**
 * An owner's own count of what each identity asks of it. docs/PROTOCOL.md, Rates.
 *
 * @returns throws `rate-limited`
 */
export function rateLimit({ monotonicMs }: Pick<Clock, "monotonicMs">): RateLimit {
  const windows = new RateWindows();
  return (row, { id, kind }) => {
    const counted = rateClassOf(row);
    const limit = counted === null ? null : RATE_LIMITS[kind][counted];
    if (limit === null) return;
    const wait = windows.take(`${counted} ${id}`, limit, monotonicMs());
    if (wait > 0) throw rateLimited(wait);
  };
}

/** @param waitMs - after which one more call is let through */
export function rateLimited(waitMs: number): Denial {
  return new Denial("rate-limited", String(Math.ceil(waitMs / 1_000)), waitMs);
}
