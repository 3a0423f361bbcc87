// One process of a measurement. It does what it is told over IPC, and ends with its parent.
import { orders } from "./orders.ts";
import type { Order, Reply } from "./worker.ts";

process.on("message", (message) => void obey(message as Order));
process.on("disconnect", () => process.exit());

async function obey({ order, given }: Order): Promise<void> {
  const carryOut = orders[order] as (given: unknown) => Promise<unknown>;
  let reply: Reply;
  try {
    reply = { result: await carryOut(given) };
  } catch (cause) {
    reply = { error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) };
  }
  process.send?.(reply);
}
