import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ROOT } from "../helpers/sources.ts";
import { changed, type Change } from "./row.ts";

const LEFT_OUT = new Set(["node_modules", "dist", ".git", "results"]);

/** A copy of the repository, in which defences can be taken away. */
export class Scratch {
  readonly #folder = mkdtempSync(join(realpathSync(tmpdir()), "sesame-defences-"));
  readonly root = join(this.#folder, "sesame");

  constructor() {
    // Some tests act as another user, who has to get in.
    chmodSync(this.#folder, 0o755);
    cpSync(ROOT, this.root, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
    linkModules(join(ROOT, "node_modules"), join(this.root, "node_modules"));
    // What tests look for beside the repository.
    symlinkSync(join(ROOT, "../shared"), join(this.#folder, "shared"));
  }

  /** @throws {Error} if one of the places is not there */
  async without<T>(changes: readonly Change[], work: () => Promise<T>): Promise<T> {
    const before = new Map<string, string>();
    try {
      for (const change of changes) {
        const path = join(this.root, change.file);
        const text = readFileSync(path, "utf8");
        if (!before.has(path)) before.set(path, text);
        writeFileSync(path, changed(text, change));
      }
      return await work();
    } finally {
      for (const [path, text] of before) writeFileSync(path, text);
    }
  }

  /** @throws {Error} with what the bundler says */
  build(): void {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], {
      cwd: this.root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`it does not build: ${stderr}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The same packages as the repository's, but for its own, which are the copy's. */
function linkModules(from: string, to: string): void {
  mkdirSync(join(to, "@sesame"), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== "@sesame") symlinkSync(join(from, name), join(to, name));
  for (const name of readdirSync(join(from, "@sesame")))
    symlinkSync(join("../../packages", name), join(to, "@sesame", name));
}
