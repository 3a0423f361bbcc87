import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import fc from "fast-check";
import { buildEnvironment, selectVariables, undecodable, type FetchedSecret } from "./build.ts";

function secret(profile: string, name: string, value: string | Uint8Array): FetchedSecret {
  return { profile, name, value: Buffer.from(value) };
}

function select(profiles: readonly string[], ...secrets: readonly FetchedSecret[]) {
  return selectVariables({ profiles, secrets, prefix: null });
}

function dataFault(message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault);
    assert.equal(error.exit, "data");
    assert.match(error.message, message);
    return true;
  };
}

test("the parent's environment is kept, the secrets and SESAME_PROFILES are added", () => {
  const parent = { PATH: "/bin", API_KEY: "old", EMPTY: "", SESAME_PROFILES: "x", GONE: undefined };
  const secrets = [secret("work", "api-key", "new"), secret("work", "db/url", "")];
  const { env, shadowed } = buildEnvironment(parent, {
    profiles: ["work", "home"],
    secrets,
    prefix: null,
  });
  assert.deepEqual(env, {
    PATH: "/bin",
    API_KEY: "new",
    EMPTY: "",
    SESAME_PROFILES: "work,home",
    DB_URL: "",
  });
  assert.deepEqual(shadowed, []);
});

test("nothing of the parent changes, whatever its names and values", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (parent) => {
      const { env } = buildEnvironment(parent, { profiles: ["p"], secrets: [], prefix: null });
      const { SESAME_PROFILES: profiles, ...rest } = env;
      assert.equal(profiles, "p");
      const { SESAME_PROFILES: _, ...before } = parent;
      assert.deepEqual(Object.entries(rest), Object.entries(before));
    }),
  );
});

test("the profile further left wins a variable, and what it hides is told", () => {
  const { variables, shadowed } = select(
    ["work", "home"],
    secret("home", "api.key", "home"),
    secret("work", "api-key", "work"),
    secret("home", "other", "o"),
  );
  assert.deepEqual(
    [...variables],
    [
      ["API_KEY", "work"],
      ["OTHER", "o"],
    ],
  );
  assert.deepEqual(shadowed, [
    { variable: "API_KEY", profile: "home", name: "api.key", by: "work" },
  ]);
});

test("a collision within one profile is an error, even if another profile wins it", () => {
  const secrets = [secret("b", "x-y", "1"), secret("b", "x.y", "2"), secret("a", "x_y", "3")];
  assert.throws(() => select(["a", "b"], ...secrets), dataFault(/"x-y" and "x\.y"/));
});

test("a secret of a profile that was not asked for is a fault", () => {
  assert.throws(() => select(["a"], secret("b", "x", "1")), /"x" of profile "b"/);
  assert.throws(() => select(["a"], secret("a", "x", "1"), secret("a", "x", "2")), /came twice/);
});

test("a value with NUL or without UTF-8 is refused by name, its bytes untold", () => {
  // SECURITY: a value that was cut or replaced without notice would weaken a key, or disable a check.
  for (const bytes of [
    [0x71, 0, 0x72],
    [0x71, 0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xe2, 0x82],
  ]) {
    const value = Uint8Array.from(bytes);
    assert.throws(
      () => select(["work"], secret("work", "pem/key", value)),
      (error: unknown) => {
        assert.ok(error instanceof Fault);
        assert.equal(error.exit, "data");
        assert.match(error.message, /"pem\/key" of profile "work" is binary-unsafe/);
        assert.match(error.hint, /sesame secret get -p work pem\/key/);
        return !`${error.message}${error.hint}`.includes("q\u{0}");
      },
    );
  }
});

test("a value longer than the kernel takes is refused by name", () => {
  const most = 131_072 - "BIG=".length - 1;
  const build = (value: string) => {
    const secrets = [secret("p", "big", value)];
    return buildEnvironment({}, { profiles: ["p"], secrets, prefix: null }).env;
  };
  const env = build("ä".repeat(Math.floor(most / 2)) + "x".repeat(most % 2));
  assert.equal(spawnSync("/bin/true", { env }).status, 0);
  assert.throws(() => build("ä".repeat(Math.floor(most / 2)) + "xx"), dataFault(/BIG is too long/));
  assert.throws(() => build("x".repeat(most + 1)), dataFault(/BIG is too long/));
});

test("a program started with the result sees exactly these bytes", () => {
  const values = [
    "\u{feff}bom",
    " a\tb ",
    "line\r\nline\n",
    "'\"`$\\!",
    "é€👍",
    "\u{1}\u{7f}",
    "=",
    "",
    "\u{2028}",
    ...fc.sample(fc.string({ unit: "binary" }), { numRuns: 50, seed: 1 }),
  ].map((value) => value.replaceAll("\0", ""));
  const secrets = values.map((value, index) => secret("p", `v${index}`, value));
  const { env } = buildEnvironment(
    { ["__proto__"]: "kept", A: "1" },
    { profiles: ["p"], secrets, prefix: null },
  );
  const seen = spawnSync("env", ["-0"], { env }).stdout.toString();
  const expected = ["A=1", ...values.map((value, index) => `V${index}=${value}`)];
  assert.deepEqual(
    new Set(seen.split("\0").slice(0, -1)),
    new Set([...expected, "__proto__=kept", "SESAME_PROFILES=p"]),
  );
});

test("variables of the parent that Node decoded with loss are found", () => {
  assert.deepEqual(undecodable({ A: "ok", B: "\u{fffd}", "C\u{fffd}": "", D: undefined }), [
    "B",
    "C\u{fffd}",
  ]);
});
