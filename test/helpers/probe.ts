import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { Places, Probed } from "./confined-probe.ts";
import type { Home } from "./home.ts";
import { ROOT } from "./sources.ts";

const run = promisify(execFile);

/** The daemon that has been taken over, bundled as the real ones are. */
export class Probe {
  readonly #directory = mkdtempSync(join(tmpdir(), "sesame-probe-"));

  static async build(): Promise<Probe> {
    const probe = new Probe();
    const prebuilt = relative(probe.#directory, join(ROOT, "packages/native/prebuilt"));
    symlinkSync(join(ROOT, "node_modules"), join(probe.#directory, "node_modules"));
    // Node looks for it upwards, and the probe sees no further than here.
    writeFileSync(join(probe.#directory, "package.json"), "{}\n");
    await build({
      entryPoints: [join(ROOT, "test/helpers/confined-probe.ts")],
      outfile: probe.#program,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
      logLevel: "warning",
      external: ["sodium-native", "better-sqlite3-multiple-ciphers"],
      define: { SESAME_PREBUILT: JSON.stringify(prebuilt) },
      banner: {
        js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
      },
    });
    return probe;
  }

  get #program(): string {
    return join(this.#directory, "probe.mjs");
  }

  /** As one of the daemons of a home in which they do not run, or as nobody in no sandbox. */
  async run(as: "bus" | "vault" | "nobody", home: Home, places: Places): Promise<Probed> {
    const { SESAME_SYSCALLS: _, ...env } = home.env;
    const args = ["--no-warnings", this.#program, as, JSON.stringify(places)];
    const { stdout } = await run(process.execPath, args, { env, cwd: "/", timeout: 60_000 });
    const line = stdout.split("\n").find((text) => text.startsWith('{"main"'));
    if (line === undefined) throw new Error(`the probe said nothing: ${stdout}`);
    return JSON.parse(line) as Probed;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}
