import { Fault } from "../errors.ts";
import { quoted } from "../printable.ts";

/** Bytes of `NAME=value` with its NUL that the kernel takes. execve(2), MAX_ARG_STRLEN. */
export const MAX_ENTRY_BYTES = 131_072;

/**
 * A secret as the value of a variable.
 *
 * @throws {Fault} data: it holds NUL or is not UTF-8; the text names the secret, never the value
 */
export function variableValue(profile: string, name: string, value: Uint8Array): string {
  const text = value.includes(0) ? null : decodeUtf8(value);
  if (text !== null) return text;
  throw new Fault(
    "data",
    `secret ${quoted(name)} of profile ${quoted(profile)} is binary-unsafe: ` +
      "a variable holds UTF-8 text without NUL",
    `write it to a file: \`sesame secret get -p ${profile} ${name} > file\``,
  );
}

/** ignoreBOM keeps a leading U+FEFF, which is part of the value. */
function decodeUtf8(value: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return null;
  }
}
