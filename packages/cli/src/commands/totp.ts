import { totpUri } from "@sesame/core-crypto/totp";
import { chosenProfile, withBus, type Context } from "../context.ts";
import { promptCode } from "../io/prompt-code.ts";
import type { Outcome } from "../render.ts";
import type { ProfileFlag } from "./vault.ts";

export function totpEnroll(
  context: Context,
  flags: ProfileFlag & { readonly replace?: boolean },
): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const code = flags.replace === true ? await promptCode(profile) : null;
    const { secret } = await bus.call("totp.offer", { profile, code });
    const uri = totpUri(secret, profile);
    secret.fill(0);
    const next = `sesame totp confirm -p ${profile}`;
    return {
      text: `${uri}\nGive this to an authenticator app; it is not shown again. Then: \`${next}\``,
      data: { profile, uri },
    };
  });
}

export function totpConfirm(context: Context, flags: ProfileFlag): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    const code = await promptCode(profile);
    try {
      await bus.call("totp.confirm", { profile, code });
    } finally {
      code.fill(0);
    }
    return {
      text: `One-time codes of ${profile} are in force. Rules of a policy demand them.`,
      data: { profile, confirmed: true },
    };
  });
}
