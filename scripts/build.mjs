// Bundles the command and the daemons into packages/cli/dist. Native modules stay outside.
import { build } from "esbuild";
import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const common = {
  bundle: true,
  platform: "node",
  target: "node24",
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  external: ["sodium-native", "better-sqlite3-multiple-ciphers"],
  define: { SESAME_PREBUILT: '"../../native/prebuilt"' },
};

await Promise.all([
  // CommonJS loads faster than an ES module, and what a command does not need stays unevaluated.
  build({
    ...common,
    entryPoints: [root("packages/cli/src/main.ts")],
    outfile: root("packages/cli/dist/sesame.cjs"),
    format: "cjs",
    logOverride: { "empty-import-meta": "silent" },
  }),
  ...["daemon-profile", "daemon-secrets"].map((name) =>
    build({
      ...common,
      entryPoints: [root(`packages/${name}/src/main.ts`)],
      outfile: root(`packages/cli/dist/${name}.mjs`),
      format: "esm",
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
      },
    }),
  ),
]);
chmodSync(root("packages/cli/bin/sesame"), 0o755);
