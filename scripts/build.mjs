// Bundles the command and the daemons into packages/cli/dist. Native modules stay outside.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
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
    outfile: root("packages/cli/dist/command.cjs"),
    format: "cjs",
    // Needed by few commands only; every byte of the bundle is parsed at each start.
    external: [...common.external, "commander", "hash-wasm", "@noble/*"],
    minifyWhitespace: true,
    logOverride: { "empty-import-meta": "silent" },
  }),
  ...["daemon-profile", "daemon-secrets", "daemon-launcher"].map((name) =>
    build({
      ...common,
      entryPoints: [root(`packages/${name}/src/main.ts`)],
      outfile: root(`packages/cli/dist/${name}.mjs`),
      format: "esm",
      banner: {
        js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
      },
    }),
  ),
]);
// The compiled form of the command lies beside it and is used while it fits source and Node; the
// first run makes it.
const entry = root("packages/cli/dist/sesame.cjs");
rmSync(root("packages/cli/dist/compiled"), { recursive: true, force: true });
writeFileSync(
  entry,
  'require("node:module").enableCompileCache(__dirname + "/compiled");\nrequire("./command.cjs");\n',
);
// Node looks for the package of a program upwards; a confined daemon sees no further than here.
writeFileSync(root("packages/cli/dist/package.json"), '{ "type": "commonjs" }\n');
spawnSync(process.execPath, [entry, "status"], { env: { HOME: "/nonexistent" }, stdio: "ignore" });
chmodSync(root("packages/cli/bin/sesame"), 0o755);
