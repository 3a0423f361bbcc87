// How the name of a secret becomes the name of an environment variable.
import { Fault } from "../errors.ts";
import { quoted } from "../printable.ts";
import { denyText, isDenied } from "./denylist.ts";

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Characters of a prefix. */
const MAX_PREFIX = 64;

/**
 * `db/main-url` is `DB_MAIN_URL`, with prefix `app` `app_DB_MAIN_URL`.
 *
 * @param prefix - as the user wrote it, without the joining `_`
 * @throws {Fault} data: the result is no identifier, or no secret may set it; usage: bad prefix
 */
export function variableName(secret: string, prefix: string | null): string {
  if (prefix !== null) checkPrefix(prefix);
  const plain = secret.replace(/[^A-Za-z0-9]/g, "_").toUpperCase();
  const variable = prefix === null ? plain : `${prefix}_${plain}`;
  if (!IDENTIFIER.test(variable)) {
    throw new Fault(
      "data",
      `secret ${quoted(secret)} has no variable name: ${quoted(variable)} starts with a digit`,
      "use `--prefix`, which puts letters in front, or rename the secret",
    );
  }
  const reason = isDenied(variable);
  if (reason !== null) {
    throw new Fault(
      "data",
      `secret ${quoted(secret)} may not set ${variable}: it ${denyText(reason)}`,
      "use `--prefix`, or rename the secret",
    );
  }
  return variable;
}

/**
 * Variable names of the secrets of one profile.
 *
 * @returns variable name to secret name, in the given order
 * @throws {Fault} data: two secrets have the same variable; and as `variableName`
 */
export function variableNames(
  secrets: Iterable<string>,
  prefix: string | null,
): Map<string, string> {
  const assigned = new Map<string, string>();
  for (const secret of secrets) {
    const variable = variableName(secret, prefix);
    const other = assigned.get(variable);
    if (other !== undefined) {
      throw new Fault(
        "data",
        `secrets ${quoted(other)} and ${quoted(secret)} would both be ${variable}`,
        "rename one of them",
      );
    }
    assigned.set(variable, secret);
  }
  return assigned;
}

function checkPrefix(prefix: string): void {
  if (prefix.length <= MAX_PREFIX && IDENTIFIER.test(prefix)) return;
  throw new Fault(
    "usage",
    `${quoted(prefix)} cannot start a variable name`,
    "a prefix has letters, digits and `_`, starts with no digit, and is at most 64 characters long",
  );
}
