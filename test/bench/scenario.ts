import type { Home } from "../helpers/home.ts";
import { summary, type Summary } from "./samples.ts";

/** What one row of the table means. A ratio is ours divided by what was measured beside it. */
export type RowSpec = {
  readonly unit: "us" | "ms" | "/s" | "MB" | "%";
  readonly better: "lower" | "higher";
  readonly target?: { readonly ratio: number } | { readonly value: number };
};

/** One value per round. */
export type Measured = {
  readonly ours: readonly number[];
  readonly beside?: { readonly name: string; readonly values: readonly number[] };
};

export type Bench = {
  readonly rounds: number;
  /** How often to do something that a full run does `full` times. */
  count(full: number): number;
  /** Running daemons, an unlocked default vault, identities `bench-client` and `bench-service`. */
  home(): Promise<Home>;
  /** A directory on the same file system. */
  directory(): string;
  /** Ended and removed after the scenario, last first. */
  readonly stack: AsyncDisposableStack;
};

export type Scenario = {
  readonly name: string;
  readonly rows: Readonly<Record<string, RowSpec>>;
  readonly measure: (bench: Bench) => Promise<Readonly<Record<string, Measured>>>;
};

/** Ties the rows of a scenario to what its measurement returns. */
export function scenario<const R extends Readonly<Record<string, RowSpec>>>(
  name: string,
  rows: R,
  measure: (bench: Bench) => Promise<{ readonly [Row in keyof R]: Measured }>,
): Scenario {
  return { name, rows, measure };
}

export type Row = RowSpec & {
  readonly scenario: string;
  readonly name: string;
  readonly ours: Summary;
  readonly beside: ({ readonly name: string } & Summary) | null;
  readonly ratio: number | null;
  readonly met: boolean | null;
};

export async function rowsOf({ name: of, rows, measure }: Scenario, bench: Bench): Promise<Row[]> {
  const measured = await measure(bench);
  return Object.entries(rows).map(([name, spec]) => {
    const given = measured[name];
    if (given === undefined) throw new RangeError(`${of} did not measure ${name}`);
    return rowOf(of, name, spec, given);
  });
}

function rowOf(of: string, name: string, spec: RowSpec, { ours, beside }: Measured): Row {
  const pairs = beside?.values.map((value, i) => (ours[i] ?? Number.NaN) / value);
  const ratio = pairs === undefined ? null : summary(pairs).median;
  const row = { scenario: of, name, ...spec, ours: summary(ours), ratio };
  return {
    ...row,
    beside: beside === undefined ? null : { name: beside.name, ...summary(beside.values) },
    met: isMet(spec, row.ours.median, ratio),
  };
}

function isMet({ target, better }: RowSpec, value: number, ratio: number | null): boolean | null {
  if (target === undefined) return null;
  const [got, wanted] = "ratio" in target ? [ratio, target.ratio] : [value, target.value];
  if (got === null) return null;
  return better === "lower" ? got <= wanted : got >= wanted;
}

type Contenders = Readonly<Record<string, () => Promise<unknown>>>;

/**
 * Lets everybody run once per round, so that what else the machine does hits all alike. The order
 * turns round each time; a first round warms up and is not counted.
 */
export async function interleave<C extends Contenders>(
  rounds: number,
  contenders: C,
): Promise<{ readonly [K in keyof C]: readonly Awaited<ReturnType<C[K]>>[] }> {
  const results: Record<string, unknown[]> = {};
  const names = Object.keys(contenders);
  for (const name of names) results[name] = [];
  for (let round = 0; round <= rounds; round++)
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const result = await contenders[name]?.();
      if (round > 0) results[name]?.push(result);
    }
  return results as { [K in keyof C]: Awaited<ReturnType<C[K]>>[] };
}
