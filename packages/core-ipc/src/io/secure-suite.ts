import type { Suite } from "@sesame/core-crypto";
import { createSodiumSuite } from "@sesame/core-crypto/sodium";
import { Fault, type Log } from "@sesame/core-types";
import { allocSecure, freeSecure, secureMemory } from "@sesame/native";

/** `code` of the error where no memory can be locked any more. */
export const MEMORY_EXHAUSTED = "ERR_SESAME_LOCKED_MEMORY";

/** What helps against it. */
export const MORE_MEMORY = "raise the limit: LimitMEMLOCK= of the unit, or `ulimit -l 8192`";

/**
 * The daemons' suite: keys and secrets lie in memory that debuggers, core dumps and swap do not
 * see.
 *
 * @throws {Fault} config, if no memory can be locked at all
 */
export function secureSuite(log: Log): Suite {
  const { kind } = secureMemory();
  if (kind === "none") throw new Fault("config", "no memory can be locked for keys", MORE_MEMORY);
  if (kind === "mlock")
    log("error", "keys are in locked, but readable memory", {
      meaning: "root, and whoever may trace this process, can read keys out of it",
      remedy: "boot a kernel of version 6.5 or later, or with secretmem.enable=1",
    });
  return createSodiumSuite(alloc, free);
}

/** Whatever limit stands in the way, to those who wait it is the same. */
function alloc(length: number): Uint8Array {
  try {
    return allocSecure(length);
  } catch (cause) {
    throw Object.assign(new Error("no locked memory is left", { cause }), {
      code: MEMORY_EXHAUSTED,
    });
  }
}

/** What the suite made in ordinary memory is wiped; the rest is given back at once. */
function free(secret: Uint8Array): void {
  try {
    freeSecure(secret);
  } catch {
    secret.fill(0);
  }
}
