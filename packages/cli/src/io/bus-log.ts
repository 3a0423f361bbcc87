import type { Changes, ReadableFile, ReadableFiles } from "@sesame/core-audit";
import type { BusClient } from "@sesame/core-ipc/client";
import { limits } from "@sesame/core-types";

// The audit log as daemon-profile hands it out, where its directory is closed to this user.

/** The log's files, read call by call. What they prove does not depend on who hands them out. */
export function busFiles(bus: BusClient): ReadableFiles {
  const sizeOf = async (wanted: string): Promise<number | null> => {
    const { files } = await bus.call("audit.files", {});
    return files.find(({ name }) => name === wanted)?.bytes ?? null;
  };
  const fileOf = (name: string): ReadableFile => ({
    read: async (target, offset) => {
      const length = Math.min(target.length, limits.MAX_AUDIT_READ);
      const { bytes } = await bus.call("audit.read", { name, offset, length });
      target.set(bytes.subarray(0, length));
      return Math.min(bytes.length, length);
    },
    stat: async () => ({ size: (await sizeOf(name)) ?? 0 }),
    close: () => Promise.resolve(),
  });
  return {
    list: async () => (await bus.call("audit.files", {})).files.map(({ name }) => name),
    open: async (name) => ((await sizeOf(name)) === null ? null : fileOf(name)),
  };
}

/** Tells that the log grew; ends with the signal or the connection. */
export async function busChanges(
  bus: BusClient,
  signal: AbortSignal | undefined,
): Promise<Changes> {
  let grown = Promise.withResolvers<void>();
  const stir = (): void => grown.resolve();
  await bus.on("audit.grown", stir);
  signal?.addEventListener("abort", stir);
  const lost = bus.closed.then((cause) => {
    if (cause !== null) throw cause;
  });
  // Whoever waits hears of it; nobody else needs to.
  lost.catch(() => undefined);
  return {
    next: async () => {
      await Promise.race([grown.promise, lost]);
      grown = Promise.withResolvers<void>();
    },
    close: () => signal?.removeEventListener("abort", stir),
  };
}
