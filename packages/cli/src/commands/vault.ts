import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, DENIALS, Fault } from "@sesame/core-types";
import { chosenProfiles, withBus, type Context } from "../context.ts";
import { promptHidden } from "../io/prompt.ts";
import type { Outcome } from "../render.ts";

export type ProfileFlag = { readonly profile?: string };

export function unlock(context: Context, { profile: flag }: ProfileFlag): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const profiles = await chosenProfiles(context, bus, flag);
    const results: { profile: string; changed: boolean }[] = [];
    for (const profile of profiles)
      results.push({ profile, changed: await unlockOne(bus, profile) });
    const lines = results.map(({ profile, changed }) =>
      changed ? `Profile ${profile} is unlocked.` : `Profile ${profile} is unlocked already.`,
    );
    return { text: lines.join("\n"), data: { unlocked: results } };
  });
}

/** Asks for a password only where one is needed. */
async function unlockOne(bus: BusClient, profile: string): Promise<boolean> {
  const { vaults } = await bus.call("vault.status", {});
  const open = vaults.some((vault) => vault.profile === profile && !vault.locked);
  const missing = !vaults.some((vault) => vault.profile === profile);
  // An unlocked or missing vault answers without looking at the password.
  const password =
    open || missing ? new Uint8Array(1) : await promptHidden(`Password of profile ${profile}: `);
  try {
    return (await bus.call("vault.unlock", { profile, password })).changed;
  } finally {
    password.fill(0);
  }
}

export function lock(context: Context, { profile }: ProfileFlag): Promise<Outcome> {
  return withBus(
    context,
    async (bus) => {
      const { locked } = await bus
        .call("vault.lock", { profile: profile ?? null })
        .catch(explained);
      const text =
        locked.length === 0
          ? "Nothing was unlocked."
          : locked.map((name) => `Profile ${name} is locked.`).join("\n");
      return { text, data: { locked } };
    },
    false,
  );
}

/** Locking does not wait for the log, so its failure must not read as if nothing was locked. */
function explained(cause: unknown): never {
  if (!(cause instanceof Denial) || !isUnrecorded(cause)) throw cause;
  throw new Fault(
    DENIALS[cause.code].exit,
    `the vaults are locked, but this is not on record: ${cause.message}`,
    cause.hint,
    cause,
  );
}

/** True if it was done, and could not be put on record. */
export function isUnrecorded({ code }: Denial): boolean {
  return code === "audit-unavailable" || code === "audit-damaged";
}
