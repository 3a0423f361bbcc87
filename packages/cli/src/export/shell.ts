/**
 * `export NAME='value'` lines that any POSIX shell and bash evaluate back to the same bytes.
 * Within single quotes nothing is special but the quote itself (POSIX.1-2024 XCU 2.2.2).
 *
 * @param variables - identifiers to values without NUL
 * @returns lines, each with its newline; empty for no variables
 */
export function toShell(variables: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [name, value] of variables) {
    text += `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`;
  }
  return text;
}
