// Publishes and calls as fast as the bus takes it, and reads the answers.
import { setImmediate as turn } from "node:timers/promises";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";
import { pathsFrom } from "@sesame/core-ipc/daemon";

const QUEUE = 256 * 1024;
const bus = await openBus({ suite, as: "flooder", paths: pathsFrom(process.env) });
const body = new Uint8Array(256);
const state = { flooding: false, sent: 0 };

process.on("message", ({ flood: on }: { flood: boolean }) => {
  state.flooding = on;
  process.send?.({ sent: state.sent });
  if (on) void flood();
});
process.send?.({ ready: true });

async function flood(): Promise<void> {
  while (state.flooding) {
    while (bus.queued < QUEUE) {
      bus.publish("flood/topic", body);
      // Refused once too many wait; that is for the bus to bear, too.
      bus.call("status.get", {}).catch(() => undefined);
      state.sent += 2;
    }
    await bus.drained();
    await turn();
  }
}
