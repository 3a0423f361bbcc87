import { sources } from "../helpers/sources.ts";

export type SecurityTest = {
  readonly file: string;
  /** As it stands between the quotes; a template is one still. */
  readonly title: string;
};

const TEST = /\btest\(\s*(["'`])((?:(?!\1).)+)\1/g;

/** Every test that says what an attacker would gain. CONTRIBUTING.md, Rules */
export function securityTests(): SecurityTest[] {
  return sources("packages/*/src/**/*.test.ts", "test/**/*.test.ts").flatMap(({ path, text }) => {
    const found = [...text.matchAll(TEST)];
    return found.flatMap(({ index, 2: title = "" }, i) => {
      const body = text.slice(index, found[i + 1]?.index);
      return body.includes("// SECURITY: ") ? [{ file: path, title }] : [];
    });
  });
}
