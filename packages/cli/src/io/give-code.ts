import { isatty } from "node:tty";
import type { BusClient } from "@sesame/core-ipc/client";
import type { Denial } from "@sesame/core-types";

/** One for each profile whose code is being asked for. */
const asking = new Map<string, Promise<void>>();
let last: Promise<unknown> = Promise.resolve();

/**
 * Gives the one-time code that a call was refused for want of; every command's calls pass here. At a
 * terminal only: what is on stdin may be for a program.
 *
 * @returns true, if the call can be made again
 */
export async function giveCode(bus: BusClient, { code, detail }: Denial): Promise<boolean> {
  if (code !== "totp-needed" || !isatty(0)) return false;
  // Calls that run at the same time and take the same code ask for it once.
  const asked = asking.get(detail) ?? inTurn(() => give(bus, detail));
  asking.set(detail, asked);
  try {
    await asked;
  } finally {
    asking.delete(detail);
  }
  return true;
}

/** A terminal shows one question at a time. */
function inTurn(work: () => Promise<void>): Promise<void> {
  const mine = last.then(work, work);
  last = mine;
  return mine;
}

async function give(bus: BusClient, profile: string): Promise<void> {
  const { promptCode } = await import("./prompt-code.ts");
  const code = await promptCode(profile);
  try {
    await bus.call("totp.verify", { profile, code });
  } finally {
    code.fill(0);
  }
}
