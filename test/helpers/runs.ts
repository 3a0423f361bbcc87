/** Runs of a property: SLOW=1 searches longer. */
export const RUNS = process.env["SLOW"] === "1" ? 10_000 : 100;
