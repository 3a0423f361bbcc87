import { statSync } from "node:fs";
import { printScope } from "@sesame/core-authority";
import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  keyFileOf,
  admittedId,
  agentFingerprint,
  certificateStatement,
  createKeyFile,
  createSignerKeyFile,
  enrolmentProof,
  fingerprintOf,
  fingerprintWords,
  mayWait,
  namesFit,
  ofName,
  replacedBy,
  requireInstallation,
  sealCertificate,
  setAsideIfDamaged,
  signWith,
  tokenId,
  type Admission,
  type HeldKeys,
  type Installation,
  type Token,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  dominates,
  ENROLLED_KINDS,
  Fault,
  isIdentityName,
  isReservedName,
  LEVELS,
  type Enrolment,
  type Identity,
  type Result,
} from "@sesame/core-types";
import { readWants } from "../agents/rights.ts";
import { fingerprintIn, offeredKey } from "../io/ssh-signer.ts";
import { readToken } from "../io/token-file.ts";
import { oneOf } from "../one-of.ts";
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
  readonly tokenFile?: string;
};

type HeldToken = {
  /** Ed25519, 32 bytes. */
  readonly seed: Uint8Array;
  readonly key: Uint8Array;
  /** What the record says of it; null: nothing. */
  readonly limits: Token | null;
};

/** Makes keys where there are none, and asks to become somebody with them. */
export async function agentEnroll(context: Context, flags: EnrolFlags): Promise<Outcome> {
  if (flags.tokenFile === undefined) return enroll(context, flags, null);
  const { tokens } = requireInstallation(suite, pathsOf(context));
  const seed = readToken(flags.tokenFile);
  try {
    const key = suite.ed25519PublicKey(seed);
    const limits = tokens.find((token) => equalBytes(token.key, key)) ?? null;
    return await enroll(context, flags, { seed, key, limits });
  } finally {
    seed.fill(0);
  }
}

async function enroll(
  context: Context,
  flags: EnrolFlags,
  token: HeldToken | null,
): Promise<Outcome> {
  const { name = "" } = flags;
  // With a token that is not in force nothing is made: what is there is shown, or the reason.
  const usual = token === null ? undefined : (token.limits?.kind ?? "ai");
  const kind = oneOf(ENROLLED_KINDS, flags.kind ?? usual, "--kind");
  const least = token?.limits?.clearance ?? "internal";
  const clearance = oneOf(LEVELS, flags.clearance ?? least, "--clearance");
  const wants = printScope(readWants(flags.want ?? ""));
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  if (isReservedName(name)) throw new Denial("name-taken", name);
  const applicant = { ...context, identity: name };
  const aside = setAsideIfDamaged(suite, keyFileOf(pathsOf(context), name));
  const keys = await keysFor(applicant, { kind, clearance }, flags.signer);
  return withBus({ ...applicant, keys }, async (bus) => {
    const wanted = { name, kind, clearance, wants, ...publicKeys(keys) };
    if (token !== null) return comeIn(context, bus, wanted, keys, token);
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

/** By a token: at once, or not at all. Who is registered already stays so, whatever the token. */
async function comeIn(
  context: Context,
  bus: BusClient,
  wanted: Enrolment,
  keys: HeldKeys,
  token: HeldToken,
): Promise<Outcome> {
  const { name } = wanted;
  const fingerprint = fingerprintOf(suite, wanted);
  const id = tokenId(token.key);
  const { state: before } = await bus.call("agent.status", {});
  if (before === "registered" || before === "suspended")
    return { text: `${name} is ${before}.`, data: { name, state: before, fingerprint, token: id } };
  const installation = requireInstallation(suite, pathsOf(context));
  const body = { installation: installation.id, token: token.key, ...wanted };
  const reason = whyNot(installation, body, token.limits);
  if (reason !== null) throw notByToken(id, reason);
  const statement = certificateStatement({ form: "admission", body });
  const certificate = sealCertificate(statement, [
    suite.ed25519Sign(token.seed, statement),
    await signWith(suite, keys, statement, context.env["SSH_AUTH_SOCK"]),
  ]);
  const { state } = await bus.call("agent.certify", { certificate });
  const data = { name, state, fingerprint, token: id };
  return { text: `${name} is ${state}: token ${id} let it in.`, data };
}

/** What can be known here. How often it was used, the daemons know. */
function whyNot(
  { identities }: Installation,
  wanted: Admission,
  limits: Token | null,
): string | null {
  const { name, kind, clearance } = wanted;
  if (limits === null) return "it was revoked, or is another installation's";
  if (Date.now() >= limits.untilMs) return `it lapsed at ${new Date(limits.untilMs).toISOString()}`;
  if (limits.admitted.includes(admittedId(suite, wanted)))
    return "it let these keys in before, and they were revoked since";
  if (limits.admitted.length >= limits.uses) return "it is used up";
  if (kind !== limits.kind) return `it lets in the kind ${limits.kind} only`;
  if (!dominates(limits.clearance, clearance)) return `it gives no more than ${limits.clearance}`;
  if (!namesFit(limits.names, name)) return `it lets in names like ${limits.names} only`;
  return ofName(identities, name) === null ? null : `the name ${name} is taken`;
}

function notByToken(id: string, reason: string): Fault {
  return new Fault(
    "denied",
    `token ${id} does not let this in: ${reason}`,
    "ask for another token; without `--token-file`, the operator is asked to approve",
  );
}

export function agentStatus(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { state, keyedMs } = await bus.call("agent.status", {});
    const keyed = keyedMs === null ? null : new Date(keyedMs).toISOString();
    const text = stateText(context.identity, state);
    return { text, data: { name: context.identity, state, keyed } };
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
    await createSignerKeyFile(suite, path, await offeredKey(env["SSH_AUTH_SOCK"], wanted));
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

function publicKeys({ noise, sealing, signingKey }: HeldKeys) {
  return { noiseKey: noise.publicKey, sealingKey: sealing.publicKey, signingKey };
}
