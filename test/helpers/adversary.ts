import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Home } from "./home.ts";

/** A hostile program of test/e2e/adversary in a process of its own. */
export class Adversary {
  readonly #child: ChildProcess;
  readonly #said: unknown[] = [];
  readonly #waiting: ((message: unknown) => void)[] = [];
  readonly #exited: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    child.on("message", (message) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#said.push(message);
      else waiting(message);
    });
    child.on("exit", () => exited.resolve());
  }

  /** @param script - name of a file beside the adversary tests, without its ending */
  static start(home: Home, script: string, args: readonly string[] = []): Adversary {
    const path = fileURLToPath(new URL(`../e2e/adversary/${script}.ts`, import.meta.url));
    const child = fork(path, args, {
      env: home.env,
      execArgv: ["--no-warnings"],
      serialization: "advanced",
    });
    return new Adversary(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(message: object): void {
    this.#child.send(message);
  }

  /** The next thing that it says, in order. */
  async said(): Promise<unknown> {
    if (this.#said.length > 0) return this.#said.shift();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push(resolve);
    void this.#exited.then(() => reject(new Error("the adversary has ended")));
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
