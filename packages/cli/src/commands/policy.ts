import { printScope, VERBS } from "@sesame/core-authority";
import { signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { readBounded, replaceFile, requireInstallation, type Paths } from "@sesame/core-ipc/daemon";
import {
  demandsTrust,
  findings,
  isHeldAt,
  openPolicy,
  parsePolicy,
  POLICY_OWNERS,
  POLICY_TYPE,
  PolicyError,
  policySigners,
  stampPolicy,
  type Policy,
  type Rule,
} from "@sesame/core-policy";
import { Denial, DENIALS, Fault, isSecretName, limits, VAULT_OWNER } from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { POLICY_DESKS } from "../io/policy-desks.ts";
import { askRootKey } from "../io/record.ts";
import { signalsOf } from "../io/signals.ts";
import { findIdentity } from "../agents/find.ts";
import { presentMembers } from "../io/members.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";

const FORM = "docs/POLICY.md has the text's form";
const SIGN = "`sesame policy sign` makes a signed file of rules";

/** Binds rules to this installation and to a version, and signs them with the root key. */
export async function policySign(
  context: Context,
  file: string,
  { out }: { readonly out?: string },
): Promise<Outcome> {
  const paths = pathsOf(context);
  const source = contentOf(file);
  const { id: installation } = requireInstallation(suite, paths);
  const createdMs = Date.now();
  // The clock makes versions grow; where it was set back, the daemons say so.
  const text = explained(() =>
    stampPolicy(source, { installation, version: createdMs, createdMs }),
  );
  const count = parsePolicy(text).rules.length;
  const question = `Password of the root key, to sign a policy of ${count} rules: `;
  const { seed } = await askRootKey(paths, question);
  try {
    const publicKey = suite.ed25519PublicKey(seed);
    const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(seed, message);
    const envelope = signEnvelope(POLICY_TYPE, text, [{ publicKey, sign }]);
    if (out === undefined) return { text: envelope.trimEnd(), data: JSON.parse(envelope) };
    replaceFile(out, Buffer.from(envelope));
    const shown = printable(out);
    return {
      text: `Signed as version ${createdMs}: \`sesame policy install ${shown}\` within 24 hours.`,
      data: { version: createdMs, rules: count, out },
    };
  } finally {
    seed.fill(0);
  }
}

/** Gives the policy to each owner, which verifies it itself. */
export function policyInstall(context: Context, file: string): Promise<Outcome> {
  const paths = pathsOf(context);
  const content = contentOf(file);
  if (!isSigned(content)) throw new Fault("data", `${printable(file)} is not signed yet`, SIGN);
  const { version } = explained(() => openPolicy(suite, content, trustOf(paths))).policy;
  return withBus(context, async (bus) => {
    const owners: { owner: string; changed: boolean }[] = [];
    for (const owner of POLICY_OWNERS) {
      try {
        const { changed } = await POLICY_DESKS[owner].install(bus, content);
        owners.push({ owner, changed });
      } catch (cause) {
        throw halfWay(cause, owner, owners.length > 0);
      }
    }
    const changed = owners.some((one) => one.changed);
    const state = changed ? "is in force" : "is in force already";
    return { text: `Policy ${version} ${state}.`, data: { version, changed, owners } };
  });
}

/** One owner has it, and another has not. */
function halfWay(cause: unknown, owner: string, isBegun: boolean): unknown {
  if (!isBegun || !(cause instanceof Denial || cause instanceof Fault)) return cause;
  return new Fault(
    cause instanceof Denial ? DENIALS[cause.code].exit : cause.exit,
    `the policy is in force, but ${owner} has not taken it: ${cause.message}`,
    `${owner} refuses what a policy can stop until it has: run the same again; ${cause.hint}`,
    cause,
  );
}

export function policyShow(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const states = await Promise.all(
      POLICY_OWNERS.map(async (owner) => {
        const { text, missing } = await POLICY_DESKS[owner].status(bus);
        return { owner, policy: inForce(text), text, missing };
      }),
    );
    if (states.some(({ missing }) => missing)) throw missingAt(states);
    const [{ policy, text } = { policy: null, text: null }] = states;
    const owners = states.map((one) => ({
      owner: one.owner,
      version: one.policy?.version ?? null,
    }));
    if (policy === null || text === null)
      return { text: "No policy is in force.", data: { policy: null, owners } };
    const { version, createdMs, mode, rules } = policy;
    const head = `Version ${version}, signed ${new Date(createdMs).toISOString()}, ${mode}.`;
    const at = `In force at ${states.map(({ owner }) => owner).join(" and ")}.`;
    const rows = rules.map((rule) => [rule.name, whoOf(rule), whatOf(rule), demandOf(rule)]);
    const lines = [head, at, table(["RULE", "WHO", "WHAT", "DEMANDS"], rows)];
    const data = JSON.parse(new TextDecoder().decode(text)) as unknown;
    return {
      text: lines.filter((line) => line !== "").join("\n"),
      data: { policy: data, owners },
    };
  });
}

/** Tells which owner goes by what. */
function missingAt(
  states: readonly { owner: string; policy: Policy | null; missing: boolean }[],
): Fault {
  const words = states.map(({ owner, policy, missing }) => {
    const has = policy === null ? "none" : `version ${policy.version}`;
    return `${owner} has ${has}${missing ? " and misses a later one" : ""}`;
  });
  const { exit } = DENIALS["policy-missing"];
  return new Fault(exit, words.join("; "), new Denial("policy-missing").hint);
}

export type TestedCall = {
  readonly identity: string;
  readonly capability: string;
  readonly secret: string | null;
};

/** Says what would stand against a call, at the best posture and without any use before. */
export function policyTest(
  context: Context,
  { identity: name, capability: word, secret }: TestedCall,
  flags: { readonly profile?: string; readonly file?: string },
): Promise<Outcome> {
  const paths = pathsOf(context);
  const capability = VERBS.find((verb) => verb === word);
  if (capability === undefined)
    throw new Fault("usage", `${printable(word)} is no capability`, VERBS.join(", "));
  if (!POLICY_OWNERS.some((owner) => isHeldAt(owner, capability)))
    throw new Fault(
      "usage",
      `no policy holds back what takes ${capability}`,
      "docs/POLICY.md, section 4, has what is never held back",
    );
  if (secret !== null && !isSecretName(secret))
    throw new Denial("name-invalid", "name of a secret");
  return withBus(context, async (bus) => {
    const { identities } = await presentMembers(bus, paths);
    const identity = findIdentity(identities, name);
    const policy =
      flags.file === undefined
        ? inForce((await POLICY_DESKS[VAULT_OWNER].status(bus)).text)
        : explained(() => offered(paths, contentOf(flags.file ?? "")));
    const subject = { identity, capability, profile: flags.profile ?? null, secret };
    const trust =
      policy !== null && demandsTrust(policy) ? await scoreOf(context, bus, name) : null;
    const evidence = { wallMs: Date.now(), posture: 1, trust, totp: false, approved: false };
    const found = policy === null ? [] : findings(policy, subject, { ...evidence, uses: () => 0 });
    const rows = found.map(({ condition, rule }) => [condition, rule]);
    const text =
      rows.length === 0
        ? "The policy has nothing against it; enrolment or a grant has to allow it."
        : table(["NOT MET", "RULE"], rows);
    return {
      text,
      data: { trust, version: policy?.version ?? null, mode: policy?.mode ?? null, found },
    };
  });
}

/** 0 to 1, from the log as anybody reads it who may. */
async function scoreOf(context: Context, bus: BusClient, name: string): Promise<number> {
  const { connections } = await bus.call("trust.show", { name });
  const proofs = connections.map(({ trust }) => trust.authentication);
  return (await signalsOf(context, name, proofs)).score / 100;
}

function inForce(text: Uint8Array | null): Policy | null {
  return text === null ? null : parsePolicy(text);
}

/** Of a signed file, or of rules that nobody has signed yet. */
function offered(paths: Paths, content: Uint8Array): Policy {
  const { id: installation } = requireInstallation(suite, paths);
  try {
    const stamp = { installation, version: 1, createdMs: Date.now() };
    return parsePolicy(stampPolicy(content, stamp));
  } catch (cause) {
    if (!isSigned(content) || !(cause instanceof PolicyError)) throw cause;
    return openPolicy(suite, content, trustOf(paths)).policy;
  }
}

/** Whether it is meant to be a signed file; it proves nothing. */
function isSigned(content: Uint8Array): boolean {
  return Buffer.from(content).includes('"payloadType"');
}

function trustOf(paths: Paths) {
  const installation = requireInstallation(suite, paths);
  return { installation: installation.id, keys: policySigners(installation, Date.now()) };
}

function contentOf(file: string): Uint8Array {
  const content = readBounded(file, limits.MAX_SIGNED_POLICY_BYTES);
  if (content !== null) return content;
  throw new Fault("not-found", `there is no file ${printable(file)}`, "check the path");
}

function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause;
    const { code, message } = cause;
    const isText = code === "policy-malformed" || code === "policy-invalid";
    throw new Fault("data", `${code}: ${message}`, isText ? FORM : SIGN, cause);
  }
}

function whoOf({ who: { kinds, names } }: Rule): string {
  return [...(kinds ?? []), ...(names ?? [])].join(" ") || "everybody";
}

function whatOf({ what: { capabilities, profiles, secrets } }: Rule): string {
  const parts = [capabilities, profiles?.map((name) => `-p ${name}`), secrets];
  return parts.flatMap((part) => part ?? []).join(" ") || "everything";
}

function demandOf({ demands }: Rule): string {
  const { ceiling, times, posture, trust, rate, totp, approval } = demands;
  const words = [
    ceiling === null ? null : `at most [${printScope(ceiling)}]`,
    times === null ? null : `within ${times.length} spans of time`,
    posture === null ? null : `posture ${posture}`,
    trust === null ? null : `trust ${trust}`,
    rate === null ? null : `${rate.uses} in ${rate.withinMs / 1_000} s`,
    totp ? "one-time code" : null,
    approval ? "approval" : null,
  ];
  return words.filter((word) => word !== null).join(", ");
}
