import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Home } from "./home.ts";

/**
 * A daemon without a supervisor, so that a test decides when it starts again. Ends with the test's
 * process.
 */
export class DirectDaemon {
  readonly name: "daemon-profile" | "daemon-secrets";
  readonly #home: Home;
  #child: ChildProcess | null = null;

  constructor(home: Home, name: "daemon-profile" | "daemon-secrets") {
    this.#home = home;
    this.name = name;
  }

  /** Resolves once it serves, or once it was killed. */
  async start(): Promise<"ready" | "killed"> {
    const bundle = new URL(`../../packages/cli/dist/${this.name}.mjs`, import.meta.url);
    const child = spawn(process.execPath, ["--disable-sigusr1", fileURLToPath(bundle)], {
      cwd: "/",
      env: { ...this.#home.env, SESAME_READY_FD: "3", SESAME_PARENT_FD: "4" },
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    });
    this.#child = child;
    for (const fd of [3, 4]) {
      const pipe = child.stdio[fd];
      if (pipe instanceof Duplex) pipe.on("error", () => undefined).resume();
    }
    child.stderr?.pipe(createWriteStream(`${this.#home.path}/${this.name}.log`, { flags: "a" }));
    const ready = once(child.stdio[3] as Duplex, "data").then(() => "ready" as const);
    const ended = once(child, "exit").then(([code, signal]) => {
      if (signal === "SIGKILL") return "killed" as const;
      throw new Error(`${this.name} ended by itself: exit code ${code}, signal ${signal}`);
    });
    ended.catch(() => undefined);
    ready.catch(() => undefined);
    return Promise.race([ready, ended]);
  }

  /** SIGKILL; resolves once it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM; resolves once it has ended in order. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}
