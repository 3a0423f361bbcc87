import { setImmediate as turn } from "node:timers/promises";
import type { BusClient } from "@sesame/core-ipc/client";

/** Calls that follow each other without a pause until they are stopped. */
export class Traffic {
  readonly #lines: Promise<void>[] = [];
  readonly #errors: string[] = [];
  #stopped = false;
  #done = 0;

  /** Answered calls so far. */
  get done(): number {
    return this.#done;
  }

  /** Asks again as soon as it is answered. */
  add(name: string, ask: () => Promise<unknown>): this {
    this.#lines.push(this.#run(name, ask));
    return this;
  }

  /** What an application asks another over the bus: numbers that have to come back. */
  addEcho(from: BusClient, to: string): this {
    let next = 0;
    return this.add(`echo by ${to}`, async () => {
      const number = String(next++);
      const answer = await from.request(to, Buffer.from(number));
      if (Buffer.from(answer).toString() !== number)
        throw new Error(`${number} was answered otherwise`);
    });
  }

  /** Ends when every call is answered; what went wrong. */
  async stop(): Promise<readonly string[]> {
    this.#stopped = true;
    await Promise.all(this.#lines);
    return this.#errors;
  }

  async #run(name: string, ask: () => Promise<unknown>): Promise<void> {
    while (!this.#stopped) {
      try {
        await ask();
        this.#done++;
      } catch (cause) {
        this.#errors.push(`${name}: ${String(cause)}`);
      }
      await turn();
    }
  }
}
