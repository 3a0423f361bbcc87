import { join } from "node:path";
import { run } from "node:test";

/** What became of a test: that it passed, that an assertion of it failed, or what else did. */
export type Verdict =
  | { readonly is: "passed" }
  | { readonly is: "failed"; readonly byAssertion: boolean; readonly error: string };

/** For one test. */
const TIMEOUT_MS = 180_000;
/** For all that are asked for; ends a test that never gives up its turn, too. */
const ALL_TIMEOUT_MS = 600_000;

/**
 * Runs some tests of one file, each as its title names it. Those without a verdict were not found,
 * or did not get as far. A title that is a template stands for several; one that fails is enough.
 */
export async function verdicts(
  root: string,
  file: string,
  titles: readonly string[],
): Promise<Map<string, Verdict>> {
  const patterns = new Map(titles.map((title) => [title, patternOf(title)]));
  const found = new Map<string, Verdict>();
  const note = (name: string, verdict: Verdict): void => {
    for (const [title, pattern] of patterns)
      if (pattern.test(name) && found.get(title)?.is !== "failed") found.set(title, verdict);
  };
  const stream = run({
    files: [join(root, file)],
    cwd: root,
    testNamePatterns: [...patterns.values()],
    timeout: TIMEOUT_MS,
    signal: AbortSignal.timeout(ALL_TIMEOUT_MS),
  });
  stream.on("test:pass", ({ name, nesting, skip }) => {
    if (nesting === 0 && skip === undefined) note(name, { is: "passed" });
  });
  stream.on("test:fail", ({ name, nesting, details }) => {
    if (nesting === 0) note(name, failure(details.error));
  });
  for await (const _ of stream);
  return found;
}

function patternOf(title: string): RegExp {
  const fixed = title.split(/\$\{[^}]*\}/).map(escaped);
  return new RegExp(`^${fixed.join(".*")}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}

/** What failed outside of the test itself, as its file or its preparation, is no verdict on it. */
function failure(error: Error): Verdict {
  const { failureType } = error as Error & { readonly failureType?: string };
  const chain = [...causes(error)];
  const byAssertion =
    failureType !== "hookFailed" &&
    chain.some(({ code, message = "" }) => code === "ERR_ASSERTION" || PROPERTY.test(message));
  const last = chain.at(-1);
  return { is: "failed", byAssertion, error: `${failureType ?? ""} ${last?.message ?? ""}` };
}

/** fast-check: an assertion that some input made fail. */
const PROPERTY = /^Property failed after/;

type Cause = { readonly code?: unknown; readonly message?: string };

function* causes(error: unknown): Generator<Cause> {
  for (let at = error; typeof at === "object" && at !== null;) {
    const { cause, ...rest } = at as Cause & { readonly cause?: unknown };
    yield { ...rest, message: (at as Cause).message ?? "" };
    at = cause;
  }
}
