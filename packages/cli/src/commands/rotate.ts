import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  fingerprintOf,
  keyFileOf,
  loadKeyFile,
  requireInstallation,
  rotated,
  type IdentityKeys,
} from "@sesame/core-ipc/daemon";
import { Fault, limits, type Identity } from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { nextKeys, placeNextKeys, waitingKeys } from "../io/next-keys.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import type { Outcome } from "../render.ts";

export type RotateFlags = {
  readonly overlap?: string;
  readonly ifOlder?: string;
};

/**
 * Gives an identity new keys. Whoever has both its key file and the root key's password may; the
 * former keys are accepted for a while, so that nothing that runs is interrupted. Safe to run again:
 * a rotation that was cut short goes on.
 */
export async function agentRotate(
  context: Context,
  name: string,
  { overlap, ifOlder }: RotateFlags,
): Promise<Outcome> {
  const overlapMs =
    overlap === undefined
      ? limits.KEY_OVERLAP_MS
      : durationMs(overlap, "--overlap", MAX_OVERLAP_MS);
  if (overlapMs < MIN_OVERLAP_MS)
    throw new Fault("usage", "--overlap is at least 1s", "`sesame agent revoke` ends keys at once");
  const olderMs = ifOlder === undefined ? 0 : durationMs(ifOlder, "--if-older", MAX_AGE_MS);
  const paths = pathsOf(context);
  const path = keyFileOf(paths, name);
  const before = find(requireInstallation(suite, paths).identities, name);
  if (before.kind === "daemon")
    throw new Fault("usage", `${name} is a daemon`, "`sesame key rotate` gives daemons new keys");
  const waiting = waitingKeys(path);
  const signed = waiting !== null && isOf(waiting, before);
  if (!signed) {
    if (Date.now() - before.keyedMs < olderMs)
      return { text: `The keys of ${name} are younger.`, data: { name, changed: false } };
    const present = loadKeyFile(suite, path);
    if (present === null || !isOf(present, before))
      throw new Fault(
        "integrity",
        `${path} does not hold the keys of ${name}`,
        "restore it from a backup; without one, `sesame agent revoke` it and enrol anew",
      );
  }
  return withBus(context, async (bus) => {
    if (!signed) {
      const { noise, sealing, signingKey } = nextKeys(path);
      const keys = { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
      const fingerprint = fingerprintOf(suite, { ...before, ...keys });
      const question = `${name} gets new keys, with the fingerprint ${fingerprint}
Password of the root key, to sign them: `;
      await changeRecord(paths, bus, question, ({ identities }) => {
        const nowMs = Date.now();
        const dates = { nowMs, untilMs: nowMs + overlapMs };
        return { identities: rotated(identities, name, keys, dates) };
      });
    }
    await reloadRecord(bus);
    placeNextKeys(path);
    const after = find(requireInstallation(suite, paths).identities, name);
    const until = new Date(after.former.at(-1)?.untilMs ?? 0).toISOString();
    const fingerprint = fingerprintOf(suite, after);
    return {
      text: `${name} has new keys, with the fingerprint ${fingerprint}.
The former ones are accepted until ${until}.`,
      data: { name, changed: true, fingerprint, until },
    };
  });
}

const MIN_OVERLAP_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
export const MAX_OVERLAP_MS = 30 * DAY_MS;
export const MAX_AGE_MS = 3_650 * DAY_MS;

function find(identities: readonly Identity[], name: string): Identity {
  const found = identities.find((identity) => identity.name === name);
  if (found !== undefined) return found;
  throw new Fault("not-found", `there is no identity ${name}`, "`sesame agent list`");
}

function isOf({ noise, signingKey }: IdentityKeys, identity: Identity): boolean {
  return (
    equalBytes(noise.publicKey, identity.noiseKey) && equalBytes(signingKey, identity.signingKey)
  );
}
