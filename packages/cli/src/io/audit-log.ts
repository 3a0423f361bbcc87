import type { TailOptions } from "@sesame/core-audit";
import { pathsOf, withBus, type Context } from "../context.ts";
import { busChanges, busFiles } from "./bus-log.ts";

/** How the log is read; nothing stands for its directory. */
export type LogSource = Pick<TailOptions, "files" | "watch">;

/**
 * Where the audit log is to be read: nothing for its directory, which is there whether or not the
 * daemons run; the bus where the directory is closed to this user.
 */
export function withLog<T>(context: Context, use: (log: LogSource) => Promise<T>): Promise<T> {
  if (pathsOf(context).system === null) return use({});
  return withBus(context, (bus) =>
    use({ files: busFiles(bus), watch: (signal) => busChanges(bus, signal) }),
  );
}
