import assert from "node:assert/strict";
import { test } from "node:test";
import { sources } from "../helpers/sources.ts";

// Who may import what. The order of the packages is that of their package.json files; this test
// keeps the files to it, and the pure folders pure.

const IMPORT =
  /^\s*(?:import|export)\s(?:[^"';]*?\sfrom\s)?["']([^"']+)["']|\bimport\(["']([^"']+)["']\)/gm;
const CRYPTO = /^(@noble\/|sodium-native$|hash-wasm$|node:crypto$)/;
const PLAIN_RANDOM = new Set(["randomBytes", "randomFillSync", "randomUUID", "timingSafeEqual"]);
/** SHA-256 for the audit chain: one stateless function of the platform. */
const HASHERS = "packages/core-audit/src/io/hashers.ts";
const LIBRARY = /^(core-[a-z]+|native)$/;

type Manifest = {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
};

const manifests = new Map(
  sources("packages/*/package.json").map(({ path, text }) => [
    path.split("/")[1] ?? "",
    JSON.parse(text) as Manifest,
  ]),
);
const code = sources("packages/*/src/**/*.ts").filter(
  ({ path }) => !/\.test(-helper)?\.ts$|\/testing\/|\.d\.ts$/.test(path),
);
const packageOf = (path: string): string => path.split("/")[1] ?? "";

function imports(text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, from, dynamic]) => from ?? dynamic ?? "");
}

test("a package imports what its package.json names, and no other package's files", () => {
  assert.ok(code.length > 50);
  for (const { path, text } of code) {
    const own = packageOf(path);
    const allowed = Object.keys(manifests.get(own)?.dependencies ?? {});
    for (const from of imports(text)) {
      if (from.startsWith("node:")) continue;
      if (from.startsWith(".")) {
        const full = new URL(from, `file:///${path}`).pathname.slice(1);
        assert.ok(full.startsWith(`packages/${own}/`), `${path} reaches for ${from}`);
        continue;
      }
      const name = from
        .split("/")
        .slice(0, from.startsWith("@") ? 2 : 1)
        .join("/");
      assert.ok(allowed.includes(name), `${path} imports ${from}`);
    }
  }
});

test("packages depend downwards: daemons and the command on libraries, never on each other", () => {
  const inner = (folder: string): string[] =>
    Object.keys(manifests.get(folder)?.dependencies ?? {})
      .filter((name) => name.startsWith("@sesame/"))
      .map((name) => name.slice("@sesame/".length));
  const reaches = (folder: string, seen: readonly string[]): void => {
    assert.ok(!seen.includes(folder), `${[...seen, folder].join(" -> ")} is a circle`);
    for (const name of inner(folder)) {
      assert.match(name, LIBRARY, `${folder} depends on ${name}`);
      reaches(name, [...seen, folder]);
    }
  };
  for (const folder of manifests.keys()) reaches(folder, []);
  assert.deepEqual(inner("core-types"), []);
  assert.deepEqual(inner("core-crypto"), ["core-types"]);
});

test("core-types imports nothing", () => {
  const types = code.filter(({ path }) => packageOf(path) === "core-types");
  assert.ok(types.length > 8);
  for (const { path, text } of types)
    for (const from of imports(text)) assert.match(from, /^\.\.?\//, `${path} imports ${from}`);
});

test("the pure folders touch no socket, file, process or clock", () => {
  const pure = code.filter(({ path }) =>
    /^packages\/(core-types\/src|core-ipc\/src\/(noise|wire|seal|bus))\//.test(path),
  );
  assert.ok(pure.length > 20);
  const outside = /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.now|process)\b/;
  for (const { path, text } of pure) {
    for (const from of imports(text)) assert.ok(!from.startsWith("node:"), `${path}: ${from}`);
    const words = text.replace(/\/\*[^]*?\*\/|\/\/.*$|"(?:[^"\\\n]|\\.)*"|`[^`]*`/gm, "");
    assert.doesNotMatch(words, outside, path);
  }
});

test("primitives are reached through core-crypto only", () => {
  // SECURITY: a second door to the primitives is one that nobody reviewed.
  for (const { path, text } of code) {
    if (packageOf(path) === "core-crypto") continue;
    for (const match of text.matchAll(/^\s*import\s([^;]*?)\sfrom\s["']([^"']+)["']/gm)) {
      const [, what = "", from = ""] = match;
      if (!CRYPTO.test(from)) continue;
      const names = what
        .replace(/[{}]/g, "")
        .split(",")
        .map((name) => name.trim());
      const plain = names
        .filter((name) => name !== "")
        .every((name) => PLAIN_RANDOM.has(name) || (path === HASHERS && name === "hash"));
      assert.ok(from === "node:crypto" && plain, `${path} imports ${what} from ${from}`);
    }
  }
});
