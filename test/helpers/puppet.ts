import type { Command, Said } from "../e2e/adversary/puppet-process.ts";
import type { Welcome } from "../../packages/core-ipc/src/wire/session.ts";
import { Adversary } from "./adversary.ts";
import type { Home } from "./home.ts";
import type { Given, Received } from "./raw-client.ts";

type Order = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: Error) => void;
};

/** A raw client that lives in another process; see RawClient for what it does. */
export class Puppet {
  readonly #adversary: Adversary;
  readonly #orders = new Map<number, Order>();
  readonly #closed = Promise.withResolvers<void>();
  #number = 0;

  private constructor(adversary: Adversary) {
    this.#adversary = adversary;
  }

  /**
   * @param as - identity to be; null: unregistered
   * @throws {Error} if the bus closes the connection instead of welcoming it
   */
  static async connect(
    home: Home,
    as: string | null,
  ): Promise<Puppet & { readonly welcome: Welcome; readonly session: Uint8Array }> {
    const puppet = new Puppet(Adversary.start(home, "puppet-process", [as ?? ""]));
    const connected = puppet.#await(0);
    puppet.#listen();
    try {
      return Object.assign(puppet, await connected) as never;
    } catch (cause) {
      await puppet[Symbol.asyncDispose]();
      throw cause;
    }
  }

  get pid(): number {
    return this.#adversary.pid;
  }

  /** Resolves once the bus has closed its connection. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async ask(given: Omit<Given, "type">, payload?: Uint8Array): Promise<Received> {
    const command = { do: "ask", given, ...(payload && { payload }) } as const;
    return (await this.#order(command)) as Received;
  }

  async send(given: Given, payload?: Uint8Array): Promise<Uint8Array> {
    const command = { do: "send", given, ...(payload && { payload }) } as const;
    return (await this.#order(command)) as Uint8Array;
  }

  async answerTo(id: Uint8Array): Promise<Received> {
    return (await this.#order({ do: "answer-to", id })) as Received;
  }

  async sendFrame(bytes: Uint8Array): Promise<void> {
    await this.#order({ do: "frame", bytes });
  }

  async sendEnvelope(header: Uint8Array, payload: Uint8Array): Promise<void> {
    await this.#order({ do: "envelope", header, payload });
  }

  /** Everything that the bus has sent it. */
  async received(): Promise<readonly Received[]> {
    return (await this.#order({ do: "received" })) as Received[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#adversary[Symbol.asyncDispose]();
  }

  #order(command: Command): Promise<unknown> {
    const number = ++this.#number;
    const answered = this.#await(number);
    this.#adversary.tell({ number, command });
    return answered;
  }

  #await(number: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#orders.set(number, { resolve, reject });
    return promise;
  }

  #listen(): void {
    const next = async (): Promise<never> => {
      for (;;) {
        const said = (await this.#adversary.said()) as Said;
        if (said.event === "closed") this.#closed.resolve();
        else {
          const order = this.#orders.get(said.number);
          this.#orders.delete(said.number);
          if (said.event === "answer") order?.resolve(said.value);
          else order?.reject(new Error(said.message));
        }
      }
    };
    next().catch((cause: Error) => {
      for (const { reject } of this.#orders.values()) reject(cause);
    });
  }
}
