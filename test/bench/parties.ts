import { join } from "node:path";
import type { Via } from "./orders.ts";
import type { Bench } from "./scenario.ts";
import { Worker } from "./worker.ts";

/** The name that requests are sent to. */
export const SERVICE = "bench-service";
const CLIENT = "bench-client";

/** Client and service of one bus, each a process. */
export type Party = {
  readonly env: Readonly<Record<string, string>>;
  readonly client: Worker;
  readonly service: Worker;
  readonly toClient: Via;
  readonly toService: Via;
};

/** Ours, with the bus in its daemon. */
export async function sesameParty(bench: Bench): Promise<Party> {
  const { env } = await bench.home();
  return {
    env,
    client: bench.stack.use(new Worker(env)),
    service: bench.stack.use(new Worker(env)),
    toClient: { via: "sesame", as: CLIENT },
    toService: { via: "sesame", as: SERVICE },
  };
}

/** The plain relay in a process of its own. */
export async function relayParty(bench: Bench): Promise<Party> {
  const { env } = await bench.home();
  const path = join(bench.directory(), "relay.sock");
  await bench.stack.use(new Worker(env)).do("listen", { what: "relay", path });
  return {
    env,
    client: bench.stack.use(new Worker(env)),
    service: bench.stack.use(new Worker(env)),
    toClient: { via: "floor", path, as: CLIENT },
    toService: { via: "floor", path, as: SERVICE },
  };
}

/** A plain echo server: there is nobody between client and service. */
export async function echoParty(bench: Bench): Promise<Party> {
  const { env } = await bench.home();
  const path = join(bench.directory(), "echo.sock");
  const service = bench.stack.use(new Worker(env));
  await service.do("listen", { what: "echo", path });
  const to: Via = { via: "floor", path, as: CLIENT };
  return { env, client: bench.stack.use(new Worker(env)), service, toClient: to, toService: to };
}

/** Connects both; the service answers. */
export async function meet(party: Party): Promise<void> {
  await party.service.do("connect", { to: party.toService, count: 1 });
  await party.service.do("serve", undefined);
  await party.client.do("connect", { to: party.toClient, count: 1 });
}

/** Runs `work` with a client and a service that have just started. */
export async function afresh<T>(party: Party, work: (party: Party) => Promise<T>): Promise<T> {
  await using client = new Worker(party.env);
  await using service = new Worker(party.env);
  return await work({ ...party, client, service });
}
