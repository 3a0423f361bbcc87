import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { Paths } from "@sesame/core-ipc/daemon";
import type { BusServer } from "@sesame/core-ipc/server";
import { Fault } from "@sesame/core-types";

/** systemd hands over the socket (sd_listen_fds(3)); otherwise a left-over one is replaced. */
export async function listen(bus: BusServer, { socket: path, system }: Paths): Promise<void> {
  const activated =
    Number(process.env["LISTEN_PID"]) === process.pid && Number(process.env["LISTEN_FDS"]) === 1;
  if (activated) {
    await bus.listen({ fd: 3 });
    return;
  }
  if (system !== null)
    throw new Fault("config", "no socket was handed over", "start sesame-profile@.socket");
  // The lock is held, so whatever is here belongs to nobody that lives.
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket())
    throw new Fault("config", `${path} is in the way and is no socket`, "move it elsewhere");
  if (found !== undefined) unlinkSync(path);
  await bus.listen({ path });
  chmodSync(path, 0o600);
}
