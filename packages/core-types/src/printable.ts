// Text from outside on its way to a terminal: nothing in it may move the cursor, change colours,
// hide characters or reverse their order.

/** Control, format (bidi, zero width), lone surrogate, private use, line and paragraph marks. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Longest quoted name, in code points. */
const MAX_QUOTED = 80;

/** The text on one line with every unsafe character as a visible escape such as `\u{1b}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    return SHORT[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** A name from outside for an error text: in double quotes, unambiguous, at most 80 characters. */
export function quoted(name: string): string {
  const characters = Array.from(name.slice(0, 2 * MAX_QUOTED + 2));
  const shown = characters.slice(0, MAX_QUOTED).join("");
  const ellipsis = characters.length > MAX_QUOTED ? "…" : "";
  return `"${printable(shown.replace(/["\\]/g, "\\$&"))}${ellipsis}"`;
}

/** JSON on one line in which unsafe characters are `\uXXXX` escapes; `undefined` is `null`. */
export function printableJson(value: unknown): string {
  return (JSON.stringify(value) ?? "null").replace(UNSAFE, (character) => {
    let escaped = "";
    for (let i = 0; i < character.length; i++) {
      escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }
    return escaped;
  });
}
