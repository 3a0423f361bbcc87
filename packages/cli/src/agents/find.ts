import { Fault, type Identity } from "@sesame/core-types";
import { printable } from "../printable.ts";

/**
 * The identity of a name.
 *
 * @throws {Fault} not-found
 */
export function findIdentity(identities: readonly Identity[], name: string): Identity {
  const found = identities.find((identity) => identity.name === name);
  if (found !== undefined) return found;
  throw new Fault(
    "not-found",
    `there is no identity ${printable(name)}`,
    "`sesame agent list` shows them",
  );
}
