import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks again until there is an answer: for what another process does in its own time.
 *
 * @param what - what was waited for, if it never comes
 */
export async function eventually<T>(
  what: string,
  ask: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > until) throw new Error(`never: ${what}`);
    await sleep(20);
  }
}
