import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import type { Ran } from "./home.ts";

const BOOT = fileURLToPath(new URL("../systemd/boot.sh", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const NEEDED = ["/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/setpriv"];
const BOOT_TIMEOUT_MS = 20_000;

export type As = {
  readonly uid?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
};

/** A systemd that booted for a test, with this repository at `/opt/sesame`. */
export class Machine {
  readonly #boot: ChildProcess;
  readonly #init: string;

  private constructor(boot: ChildProcess, init: string) {
    this.#boot = boot;
    this.#init = init;
  }

  /** @returns a text that says why there can be none here */
  static async boot(uid: number): Promise<Machine | string> {
    if (process.getuid?.() !== 0) return "booting systemd needs root";
    const missing = NEEDED.find((path) => !isExecutable(path));
    if (missing !== undefined) return `there is no ${missing}`;
    const boot = spawn(BOOT, [REPOSITORY, String(uid)], { stdio: ["ignore", "pipe", "pipe"] });
    const said: string[] = [];
    boot.stderr.setEncoding("utf8").on("data", (text: string) => said.push(text));
    const line = once(createInterface(boot.stdout), "line").then(([text]) => String(text).trim());
    const ended = once(boot, "exit").then(() => null);
    const init = await Promise.race([line, ended]);
    const machine = new Machine(boot, init ?? "");
    try {
      await eventually(
        "machine.target",
        async () => {
          if (boot.exitCode !== null) throw new Error("it ended");
          const { out } = await machine.run(["systemctl", "is-active", "machine.target"]);
          return out === "active\n";
        },
        BOOT_TIMEOUT_MS,
      );
      return machine;
    } catch (cause) {
      await machine.stop();
      return `systemd does not boot here: ${String(cause)} ${said.join("").trim()}`;
    }
  }

  /** Runs a program in there to its end, as root unless said otherwise. */
  async run(argv: readonly string[], { uid = 0, env = {}, input = "" }: As = {}): Promise<Ran> {
    const namespaces = ["-t", this.#init, "-m", "-p", "-C", "-i", "-u", "-n"];
    const user = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
    const path = "PATH=/opt/sesame/node_modules/.bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const child = spawn("nsenter", [
      ...namespaces,
      "--",
      ...user,
      ...["env", "-i", path, "LANG=C.UTF-8"].concat(variables, argv),
    ]);
    child.stdin.on("error", () => undefined).end(input);
    const out: string[] = [];
    const err: string[] = [];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => err.push(text));
    const [code] = (await once(child, "close")) as [number | null];
    return { exit: code ?? -1, out: out.join(""), err: err.join("") };
  }

  /** As run, for steps that are no part of what is tested. */
  async must(argv: readonly string[], as: As = {}): Promise<string> {
    const { exit, out, err } = await this.run(argv, as);
    if (exit !== 0) throw new Error(`${argv.join(" ")}: exit ${exit}: ${err}`);
    return out.trim();
  }

  async stop(): Promise<void> {
    if (this.#boot.exitCode !== null || this.#boot.signalCode !== null) return;
    const ended = once(this.#boot, "exit");
    this.#boot.kill("SIGTERM");
    await ended;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
