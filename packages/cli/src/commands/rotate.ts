import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  certificateStatement,
  fingerprintOf,
  keyFileOf,
  requireInstallation,
  rotated,
  sealCertificate,
  signWith,
  type HeldKeys,
} from "@sesame/core-ipc/daemon";
import {
  Fault,
  isIdentityName,
  limits,
  OPERATOR,
  type Identity,
  type PublicKeys,
  type Result,
} from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { findIdentity } from "../agents/find.ts";
import { presentMembers } from "../io/members.ts";
import { RotatingKeys } from "../io/next-keys.ts";
import { askPassphrase } from "../io/passphrase.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import type { Outcome } from "../render.ts";
import { signingKeyOf } from "../io/ssh-signer.ts";

export type RotateFlags = {
  readonly overlap?: string;
  readonly ifOlder?: string;
  readonly signer?: string;
  readonly rootKey?: boolean;
};

type Plan = {
  /** Milliseconds for which the former keys are accepted. */
  readonly overlapMs: number;
  /** Nothing is done before the keys have this age, in milliseconds. */
  readonly olderMs: number;
  /** `ssh-agent:SHA256:…`, if the new signing key is to be that one. */
  readonly signer: string | undefined;
};

/**
 * Gives an identity new keys. Its present signing key certifies them; those of the operator are
 * signed by the root key, as others may be. The former keys are accepted for a while, so that
 * nothing that runs is interrupted. Safe to run again: a rotation that was cut short goes on.
 *
 * @param given - name of the identity; "": the context's own
 */
export async function agentRotate(
  context: Context,
  given: string,
  { overlap, ifOlder, signer, rootKey = false }: RotateFlags,
): Promise<Outcome> {
  const name = given === "" ? context.identity : given;
  const overlapMs =
    overlap === undefined
      ? limits.KEY_OVERLAP_MS
      : durationMs(overlap, "--overlap", MAX_OVERLAP_MS);
  if (overlapMs < MIN_OVERLAP_MS)
    throw new Fault("usage", "--overlap is at least 1s", "`sesame agent revoke` ends keys at once");
  const olderMs = ifOlder === undefined ? 0 : durationMs(ifOlder, "--if-older", MAX_AGE_MS);
  if (!isIdentityName(name)) throw new Fault("usage", "that is no name", "`sesame agent list`");
  const paths = pathsOf(context);
  const known = requireInstallation(suite, paths).identities.find((one) => one.name === name);
  if (known?.kind === "daemon")
    throw new Fault("usage", `${name} is a daemon`, "`sesame key rotate` gives daemons new keys");
  const keys = new RotatingKeys(keyFileOf(paths, name), () =>
    askPassphrase(context.env, `the keys of ${name}`),
  );
  try {
    const plan = { overlapMs, olderMs, signer };
    return rootKey || name === OPERATOR
      ? await signedByRoot(context, name, keys, plan)
      : await certified({ ...context, identity: name }, keys, plan);
  } finally {
    keys.close();
  }
}

/** Whoever has both the key file and the root key's password may. */
function signedByRoot(
  context: Context,
  name: string,
  keys: RotatingKeys,
  plan: Plan,
): Promise<Outcome> {
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { identities } = await presentMembers(bus, paths);
    const before = findIdentity(identities, name);
    const waiting = await keys.waiting();
    if (waiting === null || !isOf(waiting, before)) {
      if (Date.now() - before.keyedMs < plan.olderMs) return younger(name);
      const present = await keys.present();
      if (present === null || !isOf(present, before)) throw otherKeys(name);
      const next = publicKeys(await nextKeys(context, keys, { present, waiting }, plan));
      const fingerprint = fingerprintOf(suite, { ...before, ...next });
      const question = `${name} gets new keys, with the fingerprint ${fingerprint}
Password of the root key, to sign them: `;
      await changeRecord(paths, bus, question, ({ identities: all }) => {
        const nowMs = Date.now();
        const dates = { nowMs, untilMs: nowMs + plan.overlapMs };
        return { identities: rotated(all, name, next, dates) };
      });
    }
    await reloadRecord(bus);
    keys.place();
    const after = findIdentity(requireInstallation(suite, paths).identities, name);
    return renewed(name, after.former.at(-1)?.untilMs ?? 0, fingerprintOf(suite, after));
  });
}

/** The identity's own doing: no password but that of its keys. docs/ENROLMENT.md, Rotations. */
async function certified(context: Context, keys: RotatingKeys, plan: Plan): Promise<Outcome> {
  const { identity: name } = context;
  const present = await keys.present();
  if (present === null)
    throw new Fault(
      "config",
      `there is no key file of ${name}`,
      `\`sesame agent enroll --name ${name}\` makes one`,
    );
  const waiting = await keys.waiting();
  // Certified already, and not in place: what was cut short goes on.
  if (waiting !== null && (await statusOf(context, waiting)).state === "registered") {
    keys.place();
    return renewed(name, null, null);
  }
  const { state, keyedMs } = await statusOf(context, present);
  if (state !== "registered" || keyedMs === null)
    throw new Fault(
      "denied",
      `${name} is ${state}, so its keys certify nothing`,
      "`sesame agent status` says what it is; the operator can approve or resume it",
    );
  if (Date.now() - keyedMs < plan.olderMs) return younger(name);
  const next = await nextKeys(context, keys, { present, waiting }, plan);
  const madeMs = Math.max(Date.now(), keyedMs);
  const untilMs = madeMs + plan.overlapMs;
  const body = {
    installation: requireInstallation(suite, pathsOf(context)).id,
    present: present.signingKey,
    madeMs,
    untilMs,
    ...publicKeys(next),
  };
  const statement = certificateStatement({ form: "rotation", body });
  const socket = context.env["SSH_AUTH_SOCK"];
  const certificate = sealCertificate(statement, [
    await signWith(suite, present, statement, socket),
    await signWith(suite, next, statement, socket),
  ]);
  await withBus({ ...context, keys: next }, (bus) => bus.call("agent.certify", { certificate }));
  keys.place();
  return renewed(name, untilMs, null);
}

/** What the bus host says of keys. */
function statusOf(context: Context, keys: HeldKeys): Promise<Result<"agent.status">> {
  return withBus({ ...context, keys }, (bus) => bus.call("agent.status", {}));
}

/**
 * Those that wait, or new ones. They are kept as the present ones are: a signing key that an
 * ssh-agent holds stays unless another is named.
 */
async function nextKeys(
  { env }: Context,
  keys: RotatingKeys,
  { present, waiting }: { readonly present: HeldKeys; readonly waiting: HeldKeys | null },
  { signer }: Plan,
): Promise<HeldKeys> {
  const stays = present.signingSeed === null ? present.signingKey : null;
  const named = signer === undefined ? stays : await signingKeyOf(signer, env["SSH_AUTH_SOCK"]);
  if (waiting === null) return keys.make(named);
  keys.expectOwn(waiting, named);
  return waiting;
}

function younger(name: string): Outcome {
  return { text: `The keys of ${name} are younger.`, data: { name, changed: false } };
}

/** @param untilMs - null: not known here */
function renewed(name: string, untilMs: number | null, fingerprint: string | null): Outcome {
  const until = untilMs === null ? null : new Date(untilMs).toISOString();
  const shown = fingerprint === null ? "" : `, with the fingerprint ${fingerprint}`;
  const former = until === null ? "for the time that was said" : `until ${until}`;
  return {
    text: `${name} has new keys${shown}.\nThe former ones are accepted ${former}.`,
    data: { name, changed: true, fingerprint, until },
  };
}

const MIN_OVERLAP_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
export const MAX_OVERLAP_MS = limits.MAX_KEY_OVERLAP_MS;
export const MAX_AGE_MS = 3_650 * DAY_MS;

function otherKeys(name: string): Fault {
  return new Fault(
    "integrity",
    `the key file of ${name} does not hold its keys`,
    "restore it from a backup; without one, `sesame agent revoke` it and enrol anew",
  );
}

function publicKeys({ noise, sealing, signingKey }: HeldKeys): PublicKeys {
  return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}

function isOf({ noise, signingKey }: HeldKeys, identity: Identity): boolean {
  return (
    equalBytes(noise.publicKey, identity.noiseKey) && equalBytes(signingKey, identity.signingKey)
  );
}
