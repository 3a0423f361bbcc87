import assert from "node:assert/strict";
import { test } from "node:test";
import { CAPABILITIES } from "./capability.ts";
import { MESSAGES, type MessageName } from "./messages.ts";
import { list, nullable, struct, text, type Node } from "./schema.ts";
import { holds, subjectOf } from "./subject.ts";

const value = new Uint8Array();
const named = text(256, "secret-name");

test("[OWNER-6] what a call is about is read from its parameters", () => {
  // SECURITY: a name that is not seen is a name that no grant is held against.
  const cases = [
    ["secret.get", { profile: "work", name: "a/b" }, "work", ["a/b"]],
    ["secret.set", { profile: "work", name: "a/b", value }, "work", ["a/b"]],
    ["secret.fetch", { profile: "work", names: ["a", "b"] }, "work", ["a", "b"]],
    ["secret.fetch", { profile: "work", names: [] }, "work", []],
    ["secret.fetch", { profile: "work", names: null }, "work", "reachable"],
    ["secret.list", { profile: "work" }, "work", "reachable"],
    ["vault.unlock", { profile: "work", password: value }, "work", null],
    ["vault.lock", { profile: null }, null, null],
    ["profile.activate", { profile: "work" }, "work", null],
    ["profile.list", {}, null, null],
  ] as const;
  for (const [kind, params, profile, names] of cases)
    assert.deepEqual(subjectOf(MESSAGES[kind], params), { profile, names }, kind);
});

test("[OWNER-6] names are found wherever the schema has them", () => {
  const params = struct({
    uses: list(struct({ variable: text(10), name: named }), 9),
    also: nullable(named),
  });
  const row = { needs: "secret-use", params } as const;
  const uses = [
    { variable: "A", name: "a" },
    { variable: "B", name: "b" },
  ];
  assert.deepEqual(subjectOf(row, { uses, also: "c" }).names, ["a", "b", "c"]);
  assert.deepEqual(subjectOf(row, { uses, also: null }).names, ["a", "b"]);
});

test("[OWNER-6] a kind that a grant can open names one profile at most", () => {
  // SECURITY: of two profiles only the first would be held against the grant.
  const places = (node: Node): number => {
    if (node.type === "struct")
      return Object.values(node.fields)
        .map(places)
        .reduce((a, b) => a + b, 0);
    if (node.type === "list") return holds(node.of, "profile-name") ? 2 : 0;
    return holds(node, "profile-name") ? 1 : 0;
  };
  for (const kind of Object.keys(MESSAGES) as MessageName[]) {
    const row = MESSAGES[kind];
    if (row.form !== "request" || !CAPABILITIES.some((one) => one === row.needs)) continue;
    assert.ok(places(row.params) <= 1, kind);
  }
});
