import { limits, type Identity } from "@sesame/core-types";
import { CryptoError, type Suite } from "@sesame/core-crypto";
import { MAX_TRUSTED_KEYS, openEnvelope } from "@sesame/core-crypto/dsse";
import { PolicyError, type PolicyFailure } from "./failures.ts";
import { expectHeld } from "./held.ts";
import { MAX_AGE_MS, MAX_AHEAD_MS } from "./limits.ts";
import type { Policy } from "./policy.ts";
import { parsePolicy } from "./text.ts";

// Whether a signed file is a policy that may come into force. docs/POLICY.md, Signed file.

/** The signed record's part that matters here. */
export type Signatories = {
  /** Ed25519, 32 bytes. */
  readonly rootKey: Uint8Array;
  readonly identities: readonly Pick<
    Identity,
    "capabilities" | "signingKey" | "state" | "former"
  >[];
};

/** The payload type of a signed policy. */
export const POLICY_TYPE = "application/vnd.sesame.policy.v1+json";

/** What a verifier goes by: nothing in here comes with the file. */
export type PolicyTrust = {
  /** Id of the installation. */
  readonly installation: string;
  /** Ed25519 keys that may sign policies, 32 bytes each. */
  readonly keys: readonly Uint8Array[];
};

/**
 * The keys of an installation that may sign policies: its root key, and the signing keys of the
 * active identities that were given `config-reload`. `admin` is not enough: the operator's key lies
 * in a file that programs of the same user can read, the root key under a password. Former keys sign
 * until their dates.
 *
 * @param nowMs - wall clock
 */
export function policySigners(
  { rootKey, identities }: Signatories,
  nowMs: number,
): readonly Uint8Array[] {
  const signers = identities.filter(
    ({ state, capabilities }) => state === "active" && capabilities.includes("config-reload"),
  );
  const former = signers.flatMap((one) => one.former.filter(({ untilMs }) => untilMs > nowMs));
  const keys = [...signers, ...former].map(({ signingKey }) => signingKey);
  return [rootKey, ...keys.slice(0, MAX_TRUSTED_KEYS - 1)];
}

const FAILURES: Readonly<Record<string, PolicyFailure>> = {
  "envelope-malformed": "policy-malformed",
  "envelope-type": "policy-type",
  "envelope-untrusted": "policy-untrusted",
};

/**
 * The policy of a signed file that is to be installed, and its text as it was signed.
 *
 * @throws {PolicyError}
 */
export function openPolicy(
  suite: Pick<Suite, "ed25519Verify">,
  file: Uint8Array,
  { installation, keys }: PolicyTrust,
): { readonly policy: Policy; readonly text: Uint8Array } {
  const trust = { payloadType: POLICY_TYPE, keys, maxBytes: limits.MAX_POLICY_BYTES };
  const text = opened(() => openEnvelope(suite, file, trust).payload);
  const policy = parsePolicy(text);
  if (policy.installation !== installation) throw new PolicyError("policy-foreign");
  expectHeld(policy);
  return { policy, text };
}

/**
 * Whether a policy may follow the one in force.
 *
 * @param before - version of the policy in force here; 0: none
 * @param seen - highest version that was in force here or elsewhere
 * @throws {PolicyError} policy-stale, policy-future, policy-older
 */
export function expectNext(
  policy: Policy,
  { before, seen }: { readonly before: number; readonly seen: number },
  wallMs: number,
): void {
  if (wallMs - policy.createdMs > MAX_AGE_MS) throw new PolicyError("policy-stale");
  if (policy.createdMs - wallMs > MAX_AHEAD_MS) throw new PolicyError("policy-future");
  if (policy.version <= before || policy.version < seen) throw new PolicyError("policy-older");
}

function opened<T>(open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const code = cause instanceof CryptoError ? FAILURES[cause.code] : undefined;
    throw code === undefined ? cause : new PolicyError(code);
  }
}
