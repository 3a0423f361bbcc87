import { isAboutSecrets } from "@sesame/core-policy";
import { Refusal, type AtPolicy, type PolicyGuardOptions } from "@sesame/core-ipc/server";
import { Denial, hasCapability, type Capability } from "@sesame/core-types";
import type { Asker, Desk } from "./approval/desk.ts";
import type { Keeper } from "./keeper.ts";
import type { SecondFactor } from "./second-factor.ts";
import { protectedNames } from "./vault/protection.ts";

export type MeansOptions = {
  readonly keeper: Keeper;
  readonly desk: Desk;
  readonly second: SecondFactor;
};

/** What a call is about, as far as codes are for it. */
export type CodeFor = { readonly capability: Capability; readonly profile: string | null };

/** What a caller can do about a condition that it does not meet: give a code, have somebody agree. */
export function meansOf(options: MeansOptions): Pick<PolicyGuardOptions, "code" | "agreement"> {
  const { desk } = options;
  return {
    code: (asked, call) => expectCode(options, asked, call),

    agreement: (asked, call, demanded) => {
      const { identity, session } = asked;
      const guarded = protectedOf(options, asked);
      if (demanded === null && guarded.length === 0) return;
      const { capability, profile } = call;
      // A call that names nothing is approved as a whole, not by approvals of what it is about.
      const isWhole = demanded?.length === 0;
      const names = isWhole ? [] : [...new Set([...(demanded ?? []), ...guarded])];
      desk.demand({ identity, session }, { capability, profile, names });
    },
  };
}

/**
 * Returns if this session has just given a code: for secrets, of their profile; for anything else,
 * of any profile that is unlocked. docs/TOTP.md
 *
 * @throws {Denial} totp-needed, with a profile whose codes count; totp-missing, if there is none
 */
export function expectCode(
  { keeper, second }: Omit<MeansOptions, "desk">,
  asker: Asker,
  { capability, profile }: CodeFor,
): void {
  const own = profile === null ? [] : [profile];
  const unlocked = keeper.all().filter((vault) => second.isSetUp(vault));
  const others = unlocked.map((vault) => vault.profile);
  const counting = isAboutSecrets(capability)
    ? own
    : [...others].sort((a, b) => Number(b === profile) - Number(a === profile));
  if (counting.some((one) => second.isFresh(asker, one))) return;
  const [first] = counting;
  throw first === undefined ? new Denial("totp-missing") : new Denial("totp-needed", first);
}

/** Protected secrets whose values a call would give or use; who could agree is not asked. */
function protectedOf(
  { keeper }: MeansOptions,
  { row, identity, about, covers }: AtPolicy,
): string[] {
  if (row.needs !== "secret-read" && row.needs !== "secret-use") return [];
  if (hasCapability(identity.capabilities, "admin")) return [];
  const { profile, names } = about();
  if (profile === null) throw new Refusal("capability-missing", "no-profile");
  // Which names are protected, only an open vault says: a call to another one ends here.
  const asked = protectedNames(keeper.use(profile));
  const wanted = names === "reachable" ? [...asked].filter(covers) : (names ?? []);
  return wanted.filter((name) => asked.has(name));
}
