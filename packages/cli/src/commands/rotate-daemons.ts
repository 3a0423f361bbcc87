import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  addKeys,
  eraseKeys,
  keyDirectory,
  loadSuite,
  requireInstallation,
  rotated,
  type Identities,
  type Paths,
} from "@sesame/core-ipc/daemon";
import {
  BUS_HOST,
  Fault,
  LAUNCHER,
  limits,
  VAULT_OWNER,
  type PublicKeys,
} from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";
import { MAX_AGE_MS, MAX_OVERLAP_MS } from "./rotate.ts";

export type RotateDaemonsFlags = {
  readonly overlap?: string;
  readonly compromised?: boolean;
  readonly ifOlder?: string;
};

/** What daemons are called on the command line. */
const DAEMONS = { bus: BUS_HOST, secrets: VAULT_OWNER, launcher: LAUNCHER } as const;

/**
 * Gives daemons new keys. Those before are accepted for a while, so that nothing that runs is
 * interrupted. Cut short before the signature it leaves keys that the next rotation erases; after
 * it, the daemons find the new keys by themselves.
 */
export async function keyRotate(
  context: Context,
  which: string,
  flags: RotateDaemonsFlags,
): Promise<Outcome> {
  const wanted = daemonsNamed(which);
  const overlapMs = overlapOf(flags);
  const olderMs =
    flags.ifOlder === undefined ? 0 : durationMs(flags.ifOlder, "--if-older", MAX_AGE_MS);
  const paths = pathsOf(context);
  const present = requireInstallation(suite, paths).identities;
  const due = present
    .filter(({ name, keyedMs }) => wanted.includes(name) && Date.now() - keyedMs >= olderMs)
    .map(({ name }) => name);
  if (due.length === 0)
    return { text: "The keys are younger.", data: { changed: false, daemons: [] } };
  const text = due.join(", ");
  return withBus(context, async (bus) => {
    const question = `New keys for ${text}
Password of the root key, to sign them: `;
    let until = "";
    await changeRecord(paths, bus, question, ({ identities }) => {
      const nowMs = Date.now();
      const untilMs = nowMs + overlapMs;
      until = new Date(untilMs).toISOString();
      const made = due.map((name) => ({ name, keys: nextKeys(paths, identities, name) }));
      const after = made.reduce(
        (list, { name, keys }) => rotated(list, name, keys, { nowMs, untilMs }),
        identities,
      );
      return { identities: after };
    });
    await reloadRecord(bus);
    return {
      text:
        overlapMs === 0
          ? `New keys for ${text}. The former ones are accepted no more.`
          : `New keys for ${text}. The former ones are accepted until ${until}.`,
      data: { changed: true, daemons: due, until },
    };
  });
}

function daemonsNamed(which: string): readonly string[] {
  const all: readonly [string, string][] = Object.entries(DAEMONS);
  const found = all.filter(([word, name]) => ["all", word, name].includes(which));
  if (found.length > 0) return found.map(([, name]) => name);
  throw new Fault(
    "usage",
    `${printable(which)} is no daemon`,
    `one of ${[...Object.keys(DAEMONS), "all"].join(", ")}`,
  );
}

function overlapOf({ overlap, compromised = false }: RotateDaemonsFlags): number {
  if (compromised && overlap !== undefined)
    throw new Fault("usage", "stolen keys have no overlap", "leave out `--overlap`");
  if (compromised) return 0;
  return overlap === undefined
    ? limits.KEY_OVERLAP_MS
    : durationMs(overlap, "--overlap", MAX_OVERLAP_MS);
}

/** The keys that a daemon is to have next; in system mode those that root has had made. */
function nextKeys(paths: Paths, identities: Identities, name: string): PublicKeys {
  const { system } = paths;
  if (system !== null) return saidKeys(system.user, identities, name);
  const directory = keyDirectory(paths, name);
  eraseUnnamed(directory, identities, name);
  const { noise, sealing, signingKey } = addKeys(suite, directory);
  return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}

/** What rotations left that were cut short, and keys that ended while the daemon did not run. */
function eraseUnnamed(directory: string, identities: Identities, name: string): void {
  const nowMs = Date.now();
  const own = identities.find((identity) => identity.name === name);
  if (own === undefined) return;
  const former = own.former.filter(({ untilMs }) => untilMs > nowMs);
  const named = [own.noiseKey, ...former.map(({ noiseKey }) => noiseKey)];
  eraseKeys(suite, directory, (key) => !named.some((one) => equalBytes(one, key)));
}

function saidKeys(user: number, identities: Identities, name: string): PublicKeys {
  const said = loadSuite(user)?.daemons.find((daemon) => daemon.name === name);
  const present = identities.find((identity) => identity.name === name);
  if (said !== undefined && present !== undefined && !equalBytes(said.noiseKey, present.noiseKey))
    return said;
  throw new Fault(
    "config",
    `there are no new keys of ${name}: its keys are another user's`,
    `as root, first: sesame daemon install --system --user ${user} --new-keys`,
  );
}
