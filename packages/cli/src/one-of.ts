import { Fault } from "@sesame/core-types";

/** The word that was given, if it is one of these. @throws {Fault} usage */
export function oneOf<const W extends string>(
  words: readonly W[],
  given: string | undefined,
  flag: string,
): W {
  const word = words.find((candidate) => candidate === given);
  if (word !== undefined) return word;
  throw new Fault("usage", `${flag} must be one of: ${words.join(", ")}`, "give it such a word");
}
