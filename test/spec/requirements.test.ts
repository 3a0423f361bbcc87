import assert from "node:assert/strict";
import { test } from "node:test";
import { sources } from "../helpers/sources.ts";

// Every requirement of the documents is named by the title of a test, and no test names one that
// is not there.

const DOCUMENTS = [
  "docs/PROTOCOL.md",
  "docs/VAULT.md",
  "docs/AUDIT.md",
  "docs/AUTHORITY.md",
  "docs/ENROLMENT.md",
  "docs/KEYS.md",
  "docs/SIGNALS.md",
  "docs/APPROVAL.md",
  "docs/POLICY.md",
  "docs/TOTP.md",
  "docs/ENVELOPE.md",
  "docs/LAUNCHER.md",
];
const DEFINITION = /^\s*(?:[-*] +)?(?:\*\*)?\[([A-Z]+-\d+)\]/gm;
const TITLE = /\btest\(\s*["'`]((?:\[[A-Z]+-\d+\]\s*)+)/g;
const ID = /[A-Z]+-\d+/g;

function defined(): Map<string, string> {
  const ids = new Map<string, string>();
  for (const { path, text } of sources(...DOCUMENTS))
    for (const [, id] of text.matchAll(DEFINITION)) {
      assert.ok(id !== undefined && !ids.has(id), `${id} is defined twice, also in ${path}`);
      ids.set(id, path);
    }
  return ids;
}

function cited(): Map<string, string> {
  const ids = new Map<string, string>();
  for (const { path, text } of sources("packages/*/src/**/*.test.ts", "test/**/*.test.ts"))
    for (const [, prefix] of text.matchAll(TITLE))
      for (const [id] of (prefix ?? "").matchAll(ID)) ids.set(id, path);
  return ids;
}

test("every requirement is named by a test", () => {
  const tested = cited();
  const missing = [...defined()].filter(([id]) => !tested.has(id));
  assert.deepEqual(missing, []);
});

test("no test names a requirement that is not there", () => {
  const known = defined();
  const unknown = [...cited()].filter(([id]) => !known.has(id));
  assert.deepEqual(unknown, []);
});

test("every MUST of the protocol stands under an identifier", () => {
  const [protocol] = sources("docs/PROTOCOL.md");
  const lines = (protocol?.text ?? "").split("\n").filter((line) => /\bMUST\b/.test(line));
  assert.ok(lines.length > 50);
  const conventions = "The words MUST";
  const bare = lines.filter((line) => !/^- \*\*\[[A-Z]+-\d+\]\*\*/.test(line));
  assert.deepEqual(
    bare.map((line) => line.slice(0, conventions.length)),
    [conventions],
  );
});

test("every rule that the code cites is one of the documents'", () => {
  const known = defined();
  const rules = /(?:new Violation\(|rule: )"([A-Z]+-\d+)"/g;
  const code = sources("packages/*/src/**/*.ts").filter(({ path }) => !path.endsWith(".test.ts"));
  for (const { path, text } of code)
    for (const [, rule = ""] of text.matchAll(rules))
      assert.ok(known.has(rule), `${rule} in ${path}`);
});
