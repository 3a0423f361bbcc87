/** One line of JSON, with its newline: an object of the variables; `{}` for none. */
export function toJson(variables: ReadonlyMap<string, string>): string {
  return `${JSON.stringify(Object.fromEntries(variables))}\n`;
}
