import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createKeyFile,
  enrolmentProof,
  fingerprintOf,
  loadKeyFile,
  requireInstallation,
  type IdentityKeys,
  type Paths,
} from "@sesame/core-ipc/daemon";
import {
  DEFAULT_CAPABILITIES,
  Denial,
  ENROLLED_KINDS,
  Fault,
  isIdentityName,
  isReservedName,
  LEVELS,
  type Enrolment,
} from "@sesame/core-types";
import { keyFileOf, pathsOf, withBus, type Context } from "../context.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import { table, type Outcome } from "../render.ts";

export type EnrolFlags = {
  readonly name?: string;
  readonly kind?: string;
  readonly clearance?: string;
};

/** Makes keys where there are none, and asks to become somebody with them. */
export function agentEnroll(context: Context, flags: EnrolFlags): Promise<Outcome> {
  const { name = "" } = flags;
  const kind = oneOf(ENROLLED_KINDS, flags.kind, "--kind");
  const clearance = oneOf(LEVELS, flags.clearance, "--clearance");
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  if (isReservedName(name)) throw new Denial("name-taken", name);
  const keys = keysFor(pathsOf(context), name);
  return withBus({ ...context, identity: name }, async (bus) => {
    const wanted = { name, kind, clearance, ...publicKeys(keys) };
    const signature = suite.ed25519Sign(keys.signingSeed, enrolmentProof(bus.session, wanted));
    const { state } = await bus.call("agent.enroll", { ...wanted, signature });
    const fingerprint = fingerprintOf(suite, wanted);
    const text =
      state === "registered"
        ? `${name} is registered.`
        : [
            `${name} waits for the operator, who runs: sesame agent approve ${name}`,
            `Both must see this fingerprint:  ${fingerprint}`,
          ].join("\n");
    return { text, data: { name, state, fingerprint } };
  });
}

export function agentStatus(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { state } = await bus.call("agent.status", {});
    return { text: `${context.identity} is ${state}.`, data: { name: context.identity, state } };
  });
}

export function agentList(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { pending } = await bus.call("agent.list", {});
    const { identities } = requireInstallation(suite, pathsOf(context));
    const rows = [
      ...identities.map((identity) => ({ state: "registered", about: identity })),
      ...pending.map(({ enrolment }) => ({ state: "pending", about: enrolment })),
    ].map(({ state, about }) => {
      const { name, kind, clearance } = about;
      return { name, kind, clearance, state, fingerprint: fingerprintOf(suite, about) };
    });
    const cells = rows.map((row) => Object.values(row));
    return {
      text: table(["NAME", "KIND", "CLEARANCE", "STATE", "FINGERPRINT"], cells),
      data: { agents: rows },
    };
  });
}

/** Safe to run again: a change that was signed and not taken over by the daemons is then. */
export function agentApprove(
  context: Context,
  name: string,
  { fingerprint: expected }: { readonly fingerprint?: string },
): Promise<Outcome> {
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { pending } = await bus.call("agent.list", {});
    const wanted = pending.find(({ enrolment }) => enrolment.name === name)?.enrolment;
    const known = requireInstallation(suite, paths).identities.find((one) => one.name === name);
    if (wanted === undefined && known === undefined) throw new Denial("not-waiting", name);
    const about = wanted ?? (known as NonNullable<typeof known>);
    const fingerprint = fingerprintOf(suite, about);
    if (expected !== undefined && expected !== fingerprint)
      throw new Fault(
        "denied",
        `${name} has another fingerprint: ${fingerprint}`,
        "somebody else asks under this name; `sesame agent reject` it",
      );
    if (known === undefined && wanted !== undefined) await admit(paths, wanted, fingerprint);
    await reloadRecord(bus);
    return {
      text:
        known === undefined
          ? `${name} is registered: ${about.kind}, clearance ${about.clearance}.`
          : `${name} is registered already.`,
      data: { name, fingerprint, changed: known === undefined },
    };
  });
}

export function agentReject(context: Context, name: string): Promise<Outcome> {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  return withBus(context, async (bus) => {
    await bus.call("agent.reject", { name });
    return { text: `${name} waits no longer.`, data: { name } };
  });
}

/** Safe to run again, as approving is. */
export function agentRevoke(context: Context, name: string): Promise<Outcome> {
  if (isReservedName(name))
    throw new Fault("usage", `${name} belongs to every installation`, "revoke somebody else");
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { identities } = requireInstallation(suite, paths);
    const changed = identities.some((identity) => identity.name === name);
    if (changed)
      await changeRecord(paths, `Password of the root key, to revoke ${name}: `, (present) =>
        present.filter((identity) => identity.name !== name),
      );
    await reloadRecord(bus);
    return {
      text: changed ? `${name} is revoked.` : `There is no identity ${name}; nothing was changed.`,
      data: { name, changed },
    };
  });
}

async function admit(paths: Paths, wanted: Enrolment, fingerprint: string): Promise<void> {
  const { name, kind, clearance } = wanted;
  const question = `${name} (${kind}, ${clearance}) has the fingerprint ${fingerprint}.
Password of the root key, to let it in: `;
  await changeRecord(paths, question, (present) => {
    const taken = present.some(
      (identity) => identity.name === name || equalBytes(identity.noiseKey, wanted.noiseKey),
    );
    if (taken) throw new Denial("name-taken", name);
    return [...present, { ...wanted, id: randomUUID(), capabilities: DEFAULT_CAPABILITIES[kind] }];
  });
}

/** A name whose key file is lost stays with its identity: new keys would not be that one's. */
function keysFor(paths: Paths, name: string): IdentityKeys {
  const path = keyFileOf(paths, name);
  const { identities } = requireInstallation(suite, paths);
  const there = statSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!there && identities.some((identity) => identity.name === name))
    throw new Denial("name-taken", name);
  const keys = createKeyFile(suite, path) ?? loadKeyFile(suite, path);
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
