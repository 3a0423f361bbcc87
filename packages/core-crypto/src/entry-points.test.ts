import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

/** The modules outside this folder that an entry point loads, itself and through others. */
function loadedBy(entry: string): string[] {
  const program = `
    import { registerHooks } from "node:module";
    const seen = new Set();
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        seen.add(found.url);
        return found;
      },
    });
    await import(${JSON.stringify(new URL(entry, import.meta.url).href)});
    process.stdout.write(JSON.stringify([...seen]));`;
  const output = execFileSync(
    process.execPath,
    ["--conditions=@sesame/source", "--input-type=module", "--eval", program],
    { encoding: "utf8" },
  );
  const here = new URL(".", import.meta.url).href;
  return (JSON.parse(output) as string[]).filter((url) => !url.startsWith(here)).toSorted();
}

test("./node loads node:crypto and nothing else: the command line's start depends on it", () => {
  assert.deepEqual(loadedBy("./node.ts"), ["node:crypto"]);
});

test("the main entry point loads no provider", () => {
  assert.deepEqual(loadedBy("./index.ts"), ["node:crypto"]);
});

test("./sodium loads no noble and no hash-wasm, and the hook sees what it loads", () => {
  const loaded = loadedBy("./sodium.ts");
  assert.ok(loaded.some((url) => url.includes("/sodium-native/")));
  assert.deepEqual(
    loaded.filter((url) => url.includes("noble") || url.includes("hash-wasm")),
    [],
  );
});
