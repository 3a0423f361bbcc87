import { timingSafeEqual } from "node:crypto";

/** Compares in time that depends on the lengths alone; different lengths are unequal. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
