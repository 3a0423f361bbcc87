/** Median with the extremes beside it. */
export type Summary = { readonly median: number; readonly min: number; readonly max: number };

export function summary(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  const [low, high] = [sorted[(length - 1) >> 1], sorted[length >> 1]];
  const [min, max] = [sorted[0], sorted[length - 1]];
  if (low === undefined || high === undefined || min === undefined || max === undefined)
    throw new RangeError("nothing was measured");
  return { median: (low + high) / 2, min, max };
}

/** @param share - 0.5 for the median, 0.99 for the 99th percentile */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError("nothing was measured");
  return value;
}

/** Calls `once` a number of times, one after the other; milliseconds of each. */
export async function timeEach(count: number, once: () => unknown): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await once();
    times.push(performance.now() - start);
  }
  return times;
}

/** Calls `once` so often, `atOnce` of them in flight; calls per second. */
export async function rateOf(
  count: number,
  atOnce: number,
  once: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await once(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: atOnce }, lane));
  return (count / (performance.now() - start)) * 1_000;
}
