// Which profiles a command is about.
import { Fault, isProfileName, limits } from "@sesame/core-types";
import { quoted } from "./printable.ts";

/**
 * Reads `-p/--profile`, else `SESAME_PROFILES`: comma-separated, each `name` or `org:name`, where
 * the part before the last `:` only informs.
 *
 * @param flag - null if the option was not given
 * @param variable - undefined if the variable is not set
 * @returns distinct names in the given order, or null for the default profile of the installation
 * @throws {Fault} data: a name is not allowed, or the option names no profile
 */
export function requestedProfiles(
  flag: string | null,
  variable: string | undefined,
): readonly string[] | null {
  if (flag !== null) {
    const names = parseProfiles(flag);
    if (names.length > 0) return names;
    throw new Fault("data", "no profile is named", "`sesame profile list` shows them");
  }
  const names = parseProfiles(variable ?? "");
  return names.length > 0 ? names : null;
}

function parseProfiles(csv: string): string[] {
  const names = new Set<string>();
  for (const item of csv.split(",").map((part) => part.trim())) {
    if (item === "") continue;
    const name = item.slice(item.lastIndexOf(":") + 1).trim();
    if (!isProfileName(name)) {
      throw new Fault(
        "data",
        `${quoted(item)} does not name a profile`,
        "profile names have letters, digits, `.`, `_` and `-`, and start with a letter or digit",
      );
    }
    names.add(name);
  }
  if (names.size > limits.MAX_PROFILES) {
    throw new Fault("data", "too many profiles are named", "name fewer profiles");
  }
  return [...names];
}
