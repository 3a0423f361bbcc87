import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { orders } from "./orders.ts";

type Orders = typeof orders;
export type Order = { readonly order: keyof Orders; readonly given: unknown };
export type Reply = { readonly result: unknown } | { readonly error: string };

const PATIENCE_MS = 90_000;
const MAIN = fileURLToPath(new URL("worker-main.ts", import.meta.url));

/** A process of its own that does one thing after the other. */
export class Worker {
  readonly #child: ChildProcess;

  constructor(env: Readonly<Record<string, string>>) {
    this.#child = fork(MAIN, { env, execArgv: [] });
  }

  async do<K extends keyof Orders>(
    order: K,
    given: Parameters<Orders[K]>[0],
  ): Promise<Awaited<ReturnType<Orders[K]>>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const ended = (): void => reject(new Error(`the process ended during ${order}`));
    const heard = (reply: Reply): void => {
      if ("error" in reply) reject(new Error(`${order}: ${reply.error}`));
      else resolve(reply.result);
    };
    const timer = setTimeout(() => reject(new Error(`no end of ${order}`)), PATIENCE_MS);
    this.#child.once("message", heard).once("exit", ended);
    this.#child.send({ order, given });
    try {
      return (await promise) as Awaited<ReturnType<Orders[K]>>;
    } finally {
      clearTimeout(timer);
      this.#child.off("message", heard).off("exit", ended);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
