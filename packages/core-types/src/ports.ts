// What the pure core asks of its host.

/** Time. `wallMs` may jump; `monotonicMs` never goes back within a process. */
export type Clock = {
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
};

/** Fresh bytes from the operating system. */
export type Random = (length: number) => Uint8Array;

/** Structured log; fields hold no secrets. */
export type Log = (
  level: "debug" | "info" | "warn" | "error",
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void;
