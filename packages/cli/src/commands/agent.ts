import { statSync } from "node:fs";
import { printScope } from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createKeyFile,
  enrolmentProof,
  fingerprintOf,
  fingerprintWords,
  requireInstallation,
  type IdentityKeys,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  ENROLLED_KINDS,
  Fault,
  isIdentityName,
  isReservedName,
  LEVELS,
} from "@sesame/core-types";
import { readWants } from "../agents/rights.ts";
import { keyFileOf, openKeys, pathsOf, withBus, type Context } from "../context.ts";
import type { Outcome } from "../render.ts";

// What who wants to be somebody runs.

export type EnrolFlags = {
  readonly name?: string;
  readonly kind?: string;
  readonly clearance?: string;
  readonly want?: string;
};

/** Makes keys where there are none, and asks to become somebody with them. */
export async function agentEnroll(context: Context, flags: EnrolFlags): Promise<Outcome> {
  const { name = "" } = flags;
  const kind = oneOf(ENROLLED_KINDS, flags.kind, "--kind");
  const clearance = oneOf(LEVELS, flags.clearance, "--clearance");
  const wants = printScope(readWants(flags.want ?? ""));
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  if (isReservedName(name)) throw new Denial("name-taken", name);
  const applicant = { ...context, identity: name };
  const keys = await keysFor(applicant);
  return withBus({ ...applicant, keys }, async (bus) => {
    const wanted = { name, kind, clearance, wants, ...publicKeys(keys) };
    const signature = suite.ed25519Sign(keys.signingSeed, enrolmentProof(bus.session, wanted));
    const { state } = await bus.call("agent.enroll", { ...wanted, signature });
    const fingerprint = fingerprintOf(suite, wanted);
    const words = fingerprintWords(suite, wanted);
    const text =
      state === "pending"
        ? [
            `${name} waits for the operator, who runs: sesame agent approve ${name}`,
            `Both must see this fingerprint:  ${fingerprint}`,
            `in words:  ${words}`,
          ].join("\n")
        : `${name} is ${state}.`;
    return { text, data: { name, state, fingerprint, words } };
  });
}

export function agentStatus(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { state } = await bus.call("agent.status", {});
    return { text: `${context.identity} is ${state}.`, data: { name: context.identity, state } };
  });
}

/** A name whose key file is lost stays with its identity: new keys would not be that one's. */
async function keysFor(context: Context): Promise<IdentityKeys> {
  const { identity: name } = context;
  const paths = pathsOf(context);
  const path = keyFileOf(paths, name);
  const { identities } = requireInstallation(suite, paths);
  const there = statSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!there && identities.some((identity) => identity.name === name))
    throw new Denial("name-taken", name);
  const keys = createKeyFile(suite, path) ?? (await openKeys(context));
  if (keys === null) throw new Denial("storage-failed", "key file");
  return keys;
}

function publicKeys({ noise, sealing, signingKey }: IdentityKeys) {
  return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}

function oneOf<const W extends string>(words: readonly W[], given: string | undefined, of: string) {
  const word = words.find((candidate) => candidate === given);
  if (word !== undefined) return word;
  throw new Fault("usage", `${of} must be one of: ${words.join(", ")}`, "give it such a word");
}
