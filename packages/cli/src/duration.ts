import { Fault } from "@sesame/core-types";
import { printable } from "./printable.ts";

const UNITS = { s: 1_000, m: 60_000, h: 60 * 60_000 } as const;

/**
 * Milliseconds of a time as people write it: `90s`, `10m`, `8h`.
 *
 * @param flag - what it was given for
 * @throws {Fault} usage, if it is none or longer than `mostMs`
 */
export function durationMs(text: string, flag: string, mostMs: number): number {
  const [, number, unit] = /^(\d{1,7})([smh])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS[unit as keyof typeof UNITS] ?? Number.NaN);
  if (ms <= mostMs) return ms;
  throw new Fault(
    "usage",
    `${printable(text)} is no time for \`${flag}\`: at most ${mostMs / 60_000} minutes`,
    `for example \`${flag} 60s\``,
  );
}
