import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Now } from "@sesame/core-authority";
import type { Clock } from "@sesame/core-types";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** What a confined daemon reads of it. */
export const BOOT_FILES: readonly string[] = [BOOT_ID];

/**
 * Both clocks. That of the machine's start counts suspend (CLOCK_BOOTTIME, time(7)); within a
 * sandbox it comes in whole seconds, rounded down, so that what is due by it is due early.
 */
export function bootClock({ wallMs }: Pick<Clock, "wallMs">): () => Now {
  let latest = 0;
  return () => {
    latest = Math.max(latest, Math.floor(uptime() * 1_000));
    return { wallMs: wallMs(), bootMs: latest };
  };
}

/** Names this start of the machine; null where it cannot be read. random(4) */
export function bootId(): string | null {
  try {
    return readFileSync(BOOT_ID, "latin1").trim();
  } catch {
    return null;
  }
}
