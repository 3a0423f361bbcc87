import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SESAME, type Home, type Ran } from "./home.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** What the bundles leave outside. */
const RUNTIME_PACKAGES = [
  "sodium-native",
  "better-sqlite3-multiple-ciphers",
  "commander",
  "hash-wasm",
  "@noble/hashes",
] as const;
/** Not in any user database, which is no hindrance. */
const UID = 4242;

/** Runs `sesame` as an ordinary user: as UID if the tests run as root, else as who runs them. */
export class OrdinaryUser {
  readonly uid: number;
  readonly #home: Home;
  readonly #command: readonly string[];

  /** The home becomes that user's. */
  constructor(home: Home) {
    this.#home = home;
    const own = process.getuid?.() ?? UID;
    this.uid = own === 0 ? UID : own;
    if (own !== 0) {
      this.#command = [SESAME];
      return;
    }
    const setpriv = ["setpriv", "--reuid", `${UID}`, "--regid", `${UID}`, "--clear-groups"];
    const may = (flag: string, path: string): boolean =>
      spawnSync("setpriv", [...setpriv.slice(1), "test", flag, path]).status === 0;
    const become = may("-w", "/dev/null") ? setpriv : [...withOwnNull(home), ...setpriv];
    const program = may("-x", SESAME) ? SESAME : copyOfProgram(join(home.path, "program"));
    spawnSync("chown", ["-R", `${UID}:${UID}`, home.path]);
    this.#command = [...become, program];
  }

  run(args: readonly string[], input = "", env: Readonly<Record<string, string>> = {}): Ran {
    const [file = "", ...rest] = this.#command;
    const { status, stdout, stderr } = spawnSync(file, [...rest, ...args], {
      env: { ...this.#home.env, ...env },
      cwd: "/",
      input,
      encoding: "utf8",
      timeout: 60_000,
    });
    return { exit: status ?? -1, out: stdout, err: stderr };
  }
}

/** For containers whose /dev/null is root's alone: another one, in a mount namespace. */
function withOwnNull(home: Home): string[] {
  const device = join(home.path, "null");
  spawnSync("mknod", ["-m", "666", device, "c", "1", "3"]);
  const mount = 'mount --bind "$0" /dev/null && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", mount, device];
}

/** For a repository in a directory that other users may not enter. */
function copyOfProgram(to: string): string {
  for (const part of ["packages/cli/bin", "packages/cli/dist", "packages/native/prebuilt"])
    cpSync(join(ROOT, part), join(to, part), { recursive: true });
  const wanted: string[] = [...RUNTIME_PACKAGES, `node-linux-${process.arch}`];
  mkdirSync(join(to, "node_modules"));
  for (let name; (name = wanted.pop()) !== undefined;) {
    const from = join(ROOT, "node_modules", name);
    if (!existsSync(from) || existsSync(join(to, "node_modules", name))) continue;
    cpSync(from, join(to, "node_modules", name), { recursive: true });
    const { dependencies = {} } = JSON.parse(readFileSync(join(from, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    wanted.push(...Object.keys(dependencies));
  }
  return join(to, "packages/cli/bin/sesame");
}
