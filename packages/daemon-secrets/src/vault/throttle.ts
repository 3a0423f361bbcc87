// Waits after wrong tries. Time is monotonic and starts with the process, so that setting the wall
// clock neither shortens a wait nor lengthens it; a restart begins the wait anew.

const LONGEST_WAIT_MS = 60_000;

/** Tries since the last success, and the monotonic time from which the wait counts. */
export type Throttle = { readonly failures: number; readonly sinceMs: number };

/** Milliseconds until the next try: none at first, then 1, 2, 4 … 60 s from the last one. */
export function waitMs({ failures, sinceMs }: Throttle, nowMs: number): number {
  if (failures === 0) return 0;
  const whole = Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** (failures - 1));
  return Math.min(whole, Math.max(0, sinceMs + whole - nowMs));
}

/** The state that must be on disk before a try: it counts as failed until it has succeeded. */
export function attempted({ failures }: Throttle, nowMs: number): Throttle {
  return { failures: Math.min(failures + 1, Number.MAX_SAFE_INTEGER), sinceMs: nowMs };
}

/** The text of the throttle file. */
export function throttleText({ failures }: Throttle): string {
  return `${JSON.stringify({ failures })}\n`;
}

/** The failures that a throttle file counts, or null if it is not one. */
export function parseThrottle(file: string): number | null {
  const digits = /^\{"failures":(0|[1-9][0-9]{0,15})\}\n$/.exec(file)?.[1];
  const failures = Number(digits);
  return digits !== undefined && Number.isSafeInteger(failures) ? failures : null;
}
