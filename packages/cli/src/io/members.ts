import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  folded,
  requireInstallation,
  verified,
  type Installation,
  type Paths,
} from "@sesame/core-ipc/daemon";
import { Denial } from "@sesame/core-types";

/**
 * As `presentMembers`; as the record alone says it where daemon-secrets does not answer, for what
 * must not wait for it.
 */
export async function reachableMembers(
  bus: BusClient,
  paths: Pick<Paths, "installation">,
): Promise<Installation> {
  try {
    return await presentMembers(bus, paths);
  } catch (cause) {
    if (!(cause instanceof Denial)) throw cause;
    return requireInstallation(suite, paths);
  }
}

/**
 * Who belongs to the installation now: the signed record, with the certificates that daemon-secrets
 * goes by. These come in a sealed answer, and are verified here: a bus host can keep them back, and
 * add none.
 */
export async function presentMembers(
  bus: BusClient,
  paths: Pick<Paths, "installation">,
): Promise<Installation> {
  const { certificates } = await bus.call("vault.certificates", {});
  const given = certificates.map((certified) => verified(suite, certified));
  const good = given.filter((one) => one !== null);
  return folded(requireInstallation(suite, paths), good).installation;
}
