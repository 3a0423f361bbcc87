import { Denial, Fault } from "@sesame/core-types";
import { MAX_ENTRY_BYTES, variableNames, variableValue } from "@sesame/core-types/environment";

export type User = { readonly name: string; readonly home: string };

export type Secret = { readonly name: string; readonly value: Uint8Array };

/** A secret that the program finds in a file, which a variable names. */
export type FileSecret = { readonly variable: string; readonly value: Uint8Array };

/** In the environment of every program: what remains of a run is found by it. */
export const MARK = "SESAME_RUN";

/**
 * The environment of a program: fixed by the launcher and the user's account, and the secrets.
 * Nothing of it comes from the caller, who could load code or redirect traffic with it.
 *
 * @param files - names of secrets that go into files
 * @throws {Denial} secret-unusable
 */
export function environmentOf(
  user: User,
  mark: string,
  given: { readonly profile: string; readonly secrets: readonly Secret[] },
  files: readonly string[],
): { readonly variables: Readonly<Record<string, string>>; readonly files: readonly FileSecret[] } {
  const { profile, secrets } = given;
  const variables: Record<string, string> = {
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    TERM: "dumb",
    [MARK]: mark,
  };
  const inFiles: FileSecret[] = [];
  const values = new Map(secrets.map(({ name, value }) => [name, value]));
  for (const name of files)
    if (!values.has(name))
      throw new Denial("secret-unusable", `${name} is not among the secrets of this command`);
  try {
    for (const [variable, name] of variableNames(values.keys(), null)) {
      const value = values.get(name) ?? new Uint8Array();
      if (files.includes(name)) inFiles.push({ variable, value });
      else variables[variable] = text(profile, name, variable, value);
    }
  } catch (cause) {
    if (cause instanceof Fault) throw new Denial("secret-unusable", cause.message);
    throw cause;
  }
  return { variables, files: inFiles };
}

function text(profile: string, name: string, variable: string, value: Uint8Array): string {
  if (variable.length + value.length + 2 > MAX_ENTRY_BYTES)
    throw new Denial("secret-unusable", `${name} is too long for a variable (128 KiB)`);
  return variableValue(profile, name, value);
}
