import { watch } from "node:fs";

/** Tells that files of a directory changed, without a poll. */
export type Changes = {
  /** Resolves once something changed since the last call resolved, or the signal was given. */
  next(): Promise<void>;
  close(): void;
};

/** @throws what inotify(7) refuses, such as too many watches */
export function watchDirectory(dir: string, signal: AbortSignal | undefined): Changes {
  let changed = false;
  let failure: Error | null = null;
  let wake: (() => void) | null = null;
  const watcher = watch(dir);
  const stir = (): void => {
    changed = true;
    wake?.();
  };
  watcher.on("change", stir);
  watcher.on("error", (error) => {
    failure = error;
    stir();
  });
  signal?.addEventListener("abort", stir);
  return {
    next: async () => {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
      if (failure !== null) throw failure;
    },
    close: () => {
      watcher.close();
      signal?.removeEventListener("abort", stir);
    },
  };
}
