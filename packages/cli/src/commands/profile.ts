import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, isProfileName } from "@sesame/core-types";
import { withBus, type Context } from "../context.ts";
import { table, type Outcome } from "../render.ts";

export function profileList(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const [{ profiles }, { vaults }] = await Promise.all([
      bus.call("profile.list", {}),
      bus.call("vault.status", {}),
    ]);
    const rows = profiles.map((profile) => {
      const vault = vaults.find((candidate) => candidate.profile === profile.name);
      const state = vault === undefined ? "missing" : vault.locked ? "locked" : "unlocked";
      return { ...profile, vault: state };
    });
    const cells = rows.map(({ name, active, default: chosen, vault }) => [
      name,
      active ? "yes" : "no",
      chosen ? "yes" : "no",
      vault,
    ]);
    return {
      text: table(["NAME", "ACTIVE", "DEFAULT", "VAULT"], cells),
      data: { profiles: rows },
    };
  });
}

export function profileCreate(context: Context, name: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const made = await createProfile(bus, name, async () => {
      const { promptNewPassword } = await import("../io/prompt.ts");
      return promptNewPassword(`New password for the vault of ${name}: `, "The same again: ");
    });
    return {
      text: made
        ? `Profile ${name} is made; its vault is unlocked.`
        : `Profile ${name} exists already; nothing was changed.`,
      data: { profile: name, created: made },
    };
  });
}

/**
 * Makes what is missing of a profile: its entry, then its vault.
 *
 * @param ask - the password, asked for only if a vault is to be made; wiped here
 * @returns false if the vault exists
 */
export async function createProfile(
  bus: BusClient,
  name: string,
  ask: () => Promise<Uint8Array>,
): Promise<boolean> {
  if (!isProfileName(name)) throw new Denial("name-invalid", "name of a profile");
  const { vaults } = await bus.call("vault.status", {});
  if (vaults.some(({ profile }) => profile === name)) {
    await bus.call("profile.create", { profile: name });
    return false;
  }
  const password = await ask();
  try {
    await bus.call("profile.create", { profile: name });
    await bus.call("vault.create", { profile: name, password });
    return true;
  } catch (cause) {
    // Somebody else made it meanwhile, such as an earlier run of this command that was killed.
    if (cause instanceof Denial && cause.code === "vault-exists") return false;
    throw cause;
  } finally {
    password.fill(0);
  }
}

export function profileActivate(context: Context, name: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { changed } = await bus.call("profile.activate", { profile: checked(name) });
    return {
      text: changed ? `Profile ${name} is active.` : `Profile ${name} is active already.`,
      data: { profile: name, active: true, changed },
    };
  });
}

export function profileDeactivate(context: Context, name: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { changed } = await bus.call("profile.deactivate", { profile: checked(name) });
    return {
      text: changed ? `Profile ${name} is inactive.` : `Profile ${name} is inactive already.`,
      data: { profile: name, active: false, changed },
    };
  });
}

export function profileDefault(context: Context, name: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { previous } = await bus.call("profile.set-default", { profile: checked(name) });
    return {
      text: `Profile ${name} is the default.`,
      data: { profile: name, previous },
    };
  });
}

function checked(name: string): string {
  if (!isProfileName(name)) throw new Denial("name-invalid", "name of a profile");
  return name;
}
