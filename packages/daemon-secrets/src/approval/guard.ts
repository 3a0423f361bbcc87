import { Refusal, type Condition } from "@sesame/core-ipc/server";
import { hasCapability } from "@sesame/core-types";
import type { Keeper } from "../keeper.ts";
import { protectedNames } from "../vault/protection.ts";
import type { Desk } from "./desk.ts";

/**
 * The gate's question whether somebody has agreed. Values of protected secrets leave, or are used,
 * once somebody has; whoever could agree is not asked. docs/APPROVAL.md.
 */
export function approvalGuard(keeper: Keeper, desk: Desk): Condition {
  return ({ row, identity, session, about, covers }) => {
    const { needs } = row;
    if (needs !== "secret-read" && needs !== "secret-use") return;
    if (hasCapability(identity.capabilities, "admin")) return;
    const { profile, names } = about();
    if (profile === null) throw new Refusal("capability-missing", "no-profile");
    // Which names are protected, only an open vault says: a call to another one ends here.
    const asked = protectedNames(keeper.use(profile));
    const wanted = names === "reachable" ? [...asked].filter(covers) : (names ?? []);
    const protectedOnes = wanted.filter((name) => asked.has(name));
    if (protectedOnes.length === 0) return;
    desk.demand({ identity, session }, { capability: needs, profile, names: protectedOnes });
  };
}
