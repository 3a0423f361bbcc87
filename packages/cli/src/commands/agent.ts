import { statSync } from "node:fs";
import { printScope } from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  keyFileOf,
  agentFingerprint,
  agentKeys,
  createKeyFile,
  createSignerKeyFile,
  enrolmentProof,
  fingerprintOf,
  fingerprintWords,
  mayWait,
  replacedBy,
  requireInstallation,
  setAsideIfDamaged,
  signWith,
  type HeldKeys,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  ENROLLED_KINDS,
  Fault,
  isIdentityName,
  isReservedName,
  LEVELS,
  type Identity,
  type Result,
} from "@sesame/core-types";
import { readWants } from "../agents/rights.ts";
import { openKeys, pathsOf, withBus, type Context } from "../context.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

// What who wants to be somebody runs.

export type EnrolFlags = {
  readonly name?: string;
  readonly kind?: string;
  readonly clearance?: string;
  readonly want?: string;
  readonly signer?: string;
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
  const aside = setAsideIfDamaged(suite, keyFileOf(pathsOf(context), name));
  const keys = await keysFor(applicant, { kind, clearance }, flags.signer);
  return withBus({ ...applicant, keys }, async (bus) => {
    const wanted = { name, kind, clearance, wants, ...publicKeys(keys) };
    const proof = enrolmentProof(bus.session, wanted);
    const signature = await signWith(suite, keys, proof, context.env["SSH_AUTH_SOCK"]);
    const { state } = await bus.call("agent.enroll", { ...wanted, signature });
    const fingerprint = fingerprintOf(suite, wanted);
    const words = fingerprintWords(suite, wanted);
    const { identities } = requireInstallation(suite, pathsOf(context));
    const replaces = replacedBy(identities, wanted) !== null;
    const text =
      state === "pending"
        ? [
            ...(aside === null ? [] : [`The damaged key file is kept: ${printable(aside)}`]),
            ...(replaces ? [`These are new keys, in the place of the ones ${name} had.`] : []),
            `${name} waits for the operator, who runs: sesame agent approve ${name}`,
            `Both must see this fingerprint:  ${fingerprint}`,
            `in words:  ${words}`,
          ].join("\n")
        : stateText(name, state);
    return { text, data: { name, state, fingerprint, words, replaces, aside } };
  });
}

export function agentStatus(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { state } = await bus.call("agent.status", {});
    return { text: stateText(context.identity, state), data: { name: context.identity, state } };
  });
}

function stateText(name: string, state: Result<"agent.status">["state"]): string {
  if (state !== "lapsed") return `${name} is ${state}.`;
  return `These keys of ${name} have lapsed: it has others, and these are nobody's.`;
}

/** New keys have none of the rights that the lost ones have: they are another identity's. */
async function keysFor(
  context: Context,
  about: Pick<Identity, "kind" | "clearance">,
  signer: string | undefined,
): Promise<HeldKeys> {
  const { identity: name, env } = context;
  const paths = pathsOf(context);
  const path = keyFileOf(paths, name);
  const { identities } = requireInstallation(suite, paths);
  const there = statSync(path, { throwIfNoEntry: false }) !== undefined;
  const fresh = { ...about, name, noiseKey: new Uint8Array(32) };
  if (!there && !mayWait(identities, fresh)) throw new Denial("name-taken", name);
  const wanted = signer === undefined ? null : fingerprintIn(signer);
  if (!there && wanted !== null)
    await createSignerKeyFile(suite, path, await offered(env["SSH_AUTH_SOCK"], wanted));
  const made = there || wanted !== null ? null : createKeyFile(suite, path);
  const keys = made ?? (await openKeys(context));
  if (keys === null) throw new Denial("storage-failed", "key file");
  const held = keys.signingSeed === null ? agentFingerprint(keys.signingKey) : null;
  if (wanted === null || wanted === held) return keys;
  throw new Fault(
    "exists",
    `${name} signs with ${held ?? "a key in its file"} already`,
    "enrol under another name, or without `--signer`",
  );
}

function fingerprintIn(signer: string): string {
  const fingerprint = /^ssh-agent:(SHA256:[A-Za-z0-9+/]{43})$/.exec(signer)?.[1];
  if (fingerprint !== undefined) return fingerprint;
  throw new Fault(
    "usage",
    "--signer must be ssh-agent:SHA256:… with a key's fingerprint",
    "`ssh-add -l` shows the fingerprints",
  );
}

/** The public key of an Ed25519 key that the agent has. */
async function offered(socket: string | undefined, wanted: string): Promise<Uint8Array> {
  const found = (await agentKeys(socket)).find(({ fingerprint }) => fingerprint === wanted);
  if (found?.publicKey) return found.publicKey;
  throw new Fault(
    found === undefined ? "not-found" : "data",
    found === undefined
      ? `the ssh-agent has no key ${wanted}`
      : `${wanted} is no plain Ed25519 key, so it cannot sign for an identity`,
    "`ssh-add -l` shows its keys; `ssh-keygen -t ed25519` makes one that fits",
  );
}

function publicKeys({ noise, sealing, signingKey }: HeldKeys) {
  return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}

function oneOf<const W extends string>(words: readonly W[], given: string | undefined, of: string) {
  const word = words.find((candidate) => candidate === given);
  if (word !== undefined) return word;
  throw new Fault("usage", `${of} must be one of: ${words.join(", ")}`, "give it such a word");
}
