import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { privateDirectory, requireInstallation } from "@sesame/core-ipc/daemon";
import { pathsOf, withBus, type Context } from "../context.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import type { Outcome } from "../render.ts";

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
  await changeRecord(paths, question, (present) => present);
  await withBus(context, reloadRecord);
  const { serial } = requireInstallation(suite, paths);
  return { text: "The record is the latest one now.", data: { serial, names } };
}
