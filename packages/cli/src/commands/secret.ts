import { isatty } from "node:tty";
import { Denial, Fault, isSecretName } from "@sesame/core-types";
import { chosenProfile, readValue, withBus, type Context } from "../context.ts";
import { approved, type ApprovalFlags } from "../io/approved.ts";
import { print } from "../io/print.ts";
import { table, type Outcome } from "../render.ts";
import type { ProfileFlag } from "./vault.ts";

export function secretSet(
  context: Context,
  name: string,
  flags: ProfileFlag & { readonly ask?: boolean },
): Promise<Outcome> {
  checkName(name);
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const value = await readValue(name);
    try {
      if (flags.ask === true) await bus.call("secret.protect", { profile, name, ask: true });
      const { version } = await bus.call("secret.set", { profile, name, value });
      return {
        text: `Stored ${name} in ${profile} (version ${version}).`,
        data: { profile, name, version },
      };
    } finally {
      value.fill(0);
    }
  });
}

export function secretGet(
  context: Context,
  name: string,
  flags: ProfileFlag & ApprovalFlags,
): Promise<Outcome> {
  checkName(name);
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const { value, version } = await approved(bus, flags, () =>
      bus.call("secret.get", { profile, name }),
    );
    try {
      if (context.json) return { text: "", data: { profile, name, version, ...asJson(value) } };
      print(1, value);
      // The value's exact bytes, for pipes; a terminal gets its line ended.
      if (isatty(1)) print(1, "\n");
      return { text: "", data: undefined };
    } finally {
      value.fill(0);
    }
  });
}

export function secretList(context: Context, flags: ProfileFlag): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const { secrets } = await bus.call("secret.list", { profile });
    const rows = secrets.map(({ name, version, updatedMs, ask }) => [
      name,
      String(version),
      new Date(updatedMs).toISOString(),
      ask ? "ask" : "",
    ]);
    return {
      text: rows.length === 0 ? "" : table(["NAME", "VERSION", "UPDATED", "PROTECTED"], rows),
      data: { profile, secrets },
    };
  });
}

export function secretProtect(
  context: Context,
  name: string,
  flags: ProfileFlag & { readonly off?: boolean },
): Promise<Outcome> {
  checkName(name);
  const ask = flags.off !== true;
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const { changed, exists } = await bus.call("secret.protect", { profile, name, ask });
    const state = ask ? "given to others once you have approved" : "given without asking";
    const already = changed ? "" : "already ";
    const text = exists
      ? `${name} in ${profile} is ${already}${state}.`
      : `There is no secret ${name} in ${profile}. Once there is, it is ${already}${state}.`;
    return { text, data: { profile, name, ask, changed, exists } };
  });
}

export async function secretDelete(
  context: Context,
  name: string,
  flags: ProfileFlag & { readonly yes?: boolean },
): Promise<Outcome> {
  checkName(name);
  if (flags.yes !== true) {
    const { confirm } = await import("../io/prompt.ts");
    if (!confirm(`Delete ${name} and all its versions?`))
      throw new Fault("interrupted", "nothing was deleted", "answer `y`, or give `--yes`");
  }
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    await bus.call("secret.delete", { profile, name });
    return { text: `Deleted ${name} from ${profile}.`, data: { profile, name, deleted: true } };
  });
}

function checkName(name: string): void {
  if (!isSecretName(name)) throw new Denial("name-invalid", "name of a secret");
}

function asJson(value: Uint8Array): Record<string, string> {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  const text = buffer.toString("utf8");
  const exact = Buffer.from(text, "utf8").equals(buffer);
  return exact ? { value: text } : { value_base64: buffer.toString("base64") };
}
