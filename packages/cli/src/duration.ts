import { Fault } from "@sesame/core-types";
import { printable } from "./printable.ts";

const FORM = /^(?=.)(?:(\d{1,7})d)?(?:(\d{1,7})h)?(?:(\d{1,7})m)?(?:(\d{1,7})s)?$/;

/**
 * Milliseconds of a time as people write it: `90s`, `10m`, `8h`, `1h30m`, `30d`.
 *
 * @param flag - what it was given for
 * @throws {Fault} usage, if it is none or longer than `mostMs`
 */
export function durationMs(text: string, flag: string, mostMs: number): number {
  const [found, d = 0, h = 0, m = 0, s = 0] = FORM.exec(text) ?? [];
  const ms = (((Number(d) * 24 + Number(h)) * 60 + Number(m)) * 60 + Number(s)) * 1_000;
  if (found !== undefined && ms <= mostMs) return ms;
  throw new Fault(
    "usage",
    `${printable(text)} is no time for \`${flag}\`: at most ${mostMs / 60_000} minutes`,
    `for example \`${flag} 60s\``,
  );
}

/** The shortest such text, in whole seconds. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const text = [h > 0 ? `${h}h` : "", m > 0 ? `${m}m` : "", s > 0 ? `${s}s` : ""].join("");
  return text === "" ? "0s" : text;
}
