import { parseScope } from "@sesame/core-authority";
import type { Capability, Identity } from "@sesame/core-types";

/** What the commands ask for by themselves, whatever an identity does with them. */
const ORDINARY: readonly Capability[] = ["status-read", "profile-list"];

/** What an identity said it would do when it applied; without a word of it, what it was given. */
export function declaredBy({
  wants,
  capabilities,
}: Pick<Identity, "wants" | "capabilities">): readonly Capability[] {
  if (wants === "") return capabilities;
  return [...parseScope(wants).map(({ capability }) => capability), ...ORDINARY];
}
