// Lines for the npm package `dotenv`, whose format has no escape that works everywhere. What its
// parser does (both its regular expression and its `fast` mode):
// - CR and CRLF of the file become LF;
// - a value in quotes ends at the first such quote that has no backslash before it, if only blanks
//   or a comment follow on that line; backslashes stay in the value;
// - otherwise the value is the rest of the line up to `#`, trimmed, and then loses one pair of
//   equal quotes around it;
// - a value that began with `"` has `\n` and `\r` replaced by LF and CR, and no other escape.
import { Fault } from "@sesame/core-types";

type Quote = "'" | '"' | "`";

/** Line ends to a regular expression with the `m` flag, beyond CR and LF. */
const UNICODE_LINE_END = /[\u2028\u2029]/;

/**
 * `NAME=value` lines that `dotenv.parse` reads back to the same values.
 *
 * @param variables - identifiers to values without NUL
 * @returns lines, each with its newline; empty for no variables
 * @throws {Fault} data: no quoting holds a value; the text names the variable
 */
export function toDotenv(variables: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [name, value] of variables) {
    const form = encode(value);
    if (form === null) {
      throw new Fault(
        "data",
        `dotenv has no notation for the value of ${name}`,
        "use `--format json` or `--format shell`",
      );
    }
    text += `${name}=${form}\n`;
  }
  return text;
}

function encode(value: string): string | null {
  const raw = value.includes("\r") ? null : value;
  const escapable = /\\[nr]/.test(value) ? null : value;
  const crEscaped = escapable?.replaceAll("\r", "\\r") ?? null;
  return (
    delimited(raw, "'") ??
    delimited(crEscaped, '"') ??
    delimited(raw, "`") ??
    unquoted(value) ??
    wholeLine(raw, "'") ??
    wholeLine(crEscaped?.replaceAll("\n", "\\n") ?? null, '"') ??
    wholeLine(raw, "`")
  );
}

/**
 * Between quotes, over any number of lines. After a final backslash the parser first tries to read
 * on to a quote in what follows; the comment offers it one that cannot end a value.
 */
function delimited(body: string | null, quote: Quote): string | null {
  if (body === null || hasBareQuote(body, quote)) return null;
  const guard = body.endsWith("\\") ? `\n#${quote}.` : "";
  return `${quote}${body}${quote}${guard}`;
}

function unquoted(value: string): string | null {
  if (value === "" || value.trim() !== value || /^['"`]/.test(value)) return null;
  return fitsOneLine(value) ? value : null;
}

/**
 * Where `delimited` failed, the body has a bare quote. Not followed by the end of the line, it
 * makes the parser take the whole line and then remove the outer pair.
 */
function wholeLine(body: string | null, quote: Quote): string | null {
  if (body === null || !fitsOneLine(body)) return null;
  return `${quote}${body}${quote}`;
}

function fitsOneLine(text: string): boolean {
  return !/[#\r\n]/.test(text) && !UNICODE_LINE_END.test(text);
}

function hasBareQuote(text: string, quote: Quote): boolean {
  for (let at = text.indexOf(quote); at !== -1; at = text.indexOf(quote, at + 1)) {
    if (text[at - 1] !== "\\") return true;
  }
  return false;
}
