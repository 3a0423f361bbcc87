import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";

test("the package loads no crypto provider and nothing that touches files, sockets or clocks", async () => {
  const loaded: string[] = [];
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context);
      loaded.push(resolved.url);
      return resolved;
    },
  });
  await import("./index.ts");
  hooks.deregister();
  assert.ok(loaded.some((url) => url.endsWith("/chain.ts")));
  assert.deepEqual(
    loaded.filter((url) =>
      /noble|sodium|hash-wasm|^node:(fs|net|http|child_process|os|timers|worker)|core-crypto\/src\/(node|random)\.ts/.test(
        url,
      ),
    ),
    [],
  );
});
