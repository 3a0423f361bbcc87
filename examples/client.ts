// A program on the bus: run it with the repository's Node after `sesame init`.
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";

const bus = await openBus({ suite, as: process.argv[2] ?? "operator" });
await bus.subscribe("builds/done", (body, { sender }) => {
  process.stdout.write(`${sender.name} built ${Buffer.from(body).toString()}\n`);
});
bus.publish("builds/started", Buffer.from("release 42"));
const { profiles } = await bus.call("profile.list", {}, { signal: AbortSignal.timeout(2_000) });
process.stdout.write(`profiles: ${profiles.map(({ name }) => name).join(", ")}\n`);
await bus.close();
