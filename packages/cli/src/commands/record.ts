import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { privateDirectory, requireInstallation } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { connect, pathsOf, withBus, type Context } from "../context.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import type { Outcome } from "../render.ts";

/** Daemons that do not run have nothing to add. */
async function ifRunning(context: Context): Promise<BusClient | null> {
  try {
    return await connect(context, false);
  } catch (cause) {
    if (cause instanceof Fault && cause.exit === "unavailable") return null;
    throw cause;
  }
}

/**
 * Signs the present record anew, so that it is the latest one: the daemons refuse one that was
 * restored from a backup. Works without daemons, since they do not start with such a record.
 */
export async function recordRenew(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  const names = requireInstallation(suite, paths).identities.map(({ name }) => name);
  if (paths.system === null) privateDirectory(paths.runtime);
  const question = `The record names: ${names.join(", ")}
Password of the root key, to make it the latest: `;
  const bus = await ifRunning(context);
  try {
    await changeRecord(paths, bus, question, () => ({}));
  } finally {
    await bus?.close();
  }
  await withBus(context, reloadRecord);
  const { serial } = requireInstallation(suite, paths);
  return { text: "The record is the latest one now.", data: { serial, names } };
}
