import { equalBytes, type Suite } from "@sesame/core-crypto";
import { AuthorityError, parseScope } from "@sesame/core-authority";
import {
  dominates,
  isReservedName,
  limits,
  toHex,
  type Capability,
  type Certified,
  type Identity,
  type PublicKeys,
} from "@sesame/core-types";
import {
  admittedId,
  readCertificate,
  type Admission,
  type Certificate,
  type Rotation,
} from "./certificate.ts";
import { isWants, type Installation } from "./record.ts";
import { namesFit, tokenId, type Token } from "./token.ts";

// Who belongs to an installation: what the record says, and what certificates have changed since.
// Pure: from the same record and the same certificates, everybody gets the same.

/** A certificate whose signatures fit, with what it says and the id that it gives. */
export type Verified = {
  readonly certified: Certified;
  readonly certificate: Certificate;
  /** Of the identity that it lets in; "" for a rotation. */
  readonly id: string;
};

/** Why the record does not bear a certificate. For the audit log, not for whoever shows it. */
export const CERTIFICATE_REASONS = [
  "malformed",
  "foreign",
  "token-unknown",
  "token-early",
  "token-lapsed",
  "token-spent",
  "token-used",
  "token-kind",
  "token-clearance",
  "token-name",
  "wants-invalid",
  "name-taken",
  "key-taken",
  "key-unknown",
  "key-not-connected",
  "by-root-only",
  "suspended",
  "blocked",
  "stale",
  "overlap",
  "former-keys-full",
  "too-often",
  "full",
] as const;
export type CertificateReason = (typeof CERTIFICATE_REASONS)[number];

/** @returns null if it is no certificate, or its signatures do not fit */
export function verified(suite: Suite, certified: Certified): Verified | null {
  const certificate = readCertificate(suite, certified.certificate);
  if (certificate === null) return null;
  const id = certificate.form === "admission" ? admittedId(suite, certificate.body) : "";
  // What came in is freed with its message.
  const copy = { ...certified, certificate: Uint8Array.from(certified.certificate) };
  return { certified: copy, certificate, id };
}

/** The record with those certificates that it bears, in their order; the others are void. */
export function folded(
  record: Installation,
  given: readonly Verified[],
): { readonly installation: Installation; readonly borne: readonly Verified[] } {
  if (given.length === 0) return { installation: record, borne: given };
  const roll = new Roll(record);
  const borne = given.filter((one) => roll.apply(one) === null);
  return { installation: roll.installation, borne };
}

/** With one more certificate, or why not. */
export function withCertificate(
  installation: Installation,
  one: Verified,
): Installation | CertificateReason {
  const roll = new Roll(installation);
  return roll.apply(one) ?? roll.installation;
}

/** Whose keys a rotation replaces, or has replaced; null for an admission. */
export function holderIn(
  { identities }: Installation,
  { certificate: { form, body } }: Verified,
): Identity | null {
  if (form === "admission") return null;
  const isHolder = ({ signingKey }: Identity): boolean =>
    equalBytes(signingKey, body.present) || equalBytes(signingKey, body.signingKey);
  return identities.find(isHolder) ?? null;
}

/** How many of these have given an identity its present keys, one after the other. */
export function rotationsOf({ signingKey }: Identity, given: readonly Verified[]): number {
  let count = 0;
  let key = signingKey;
  for (const { certificate } of given.toReversed()) {
    if (certificate.form === "admission" || !equalBytes(certificate.body.signingKey, key)) continue;
    key = certificate.body.present;
    count++;
  }
  return count;
}

/** What the audit log calls it. */
export function certificateSubject(installation: Installation, one: Verified): string {
  const { form, body } = one.certificate;
  if (form === "admission") return `${body.name} by token ${tokenId(body.token)}`;
  return `new keys of ${holderIn(installation, one)?.name ?? "nobody"}`;
}

/** Of what is given, that which was declared without patterns; all of it if nothing was. */
export function declared(
  given: readonly Capability[],
  wants: string,
): readonly Capability[] | null {
  try {
    const scope = parseScope(wants);
    if (scope.length === 0) return given;
    return given.filter((word) =>
      scope.some(
        ({ capability, patterns, depth }) =>
          capability === word && patterns.length === 0 && depth === 0,
      ),
    );
  } catch (cause) {
    if (cause instanceof AuthorityError) return null;
    throw cause;
  }
}

/** The record's lists with what is looked up in them. */
class Roll {
  readonly #record: Installation;
  readonly #tokens: Map<string, Token>;
  readonly #identities = new Map<string, Identity>();
  /** In lower case: names that differ in case only are one. */
  readonly #names = new Set<string>();
  /** Noise keys and signing keys, present and former ones, in hex: whose they are. */
  readonly #keys = new Map<string, string>();
  /** Present signing keys. */
  readonly #signers = new Map<string, string>();

  constructor(record: Installation) {
    this.#record = record;
    this.#tokens = new Map(record.tokens.map((token) => [toHex(token.key), token]));
    for (const identity of record.identities) this.#enter(identity);
  }

  get installation(): Installation {
    return {
      ...this.#record,
      identities: [...this.#identities.values()],
      tokens: [...this.#tokens.values()],
    };
  }

  /** Null once it is applied; else why not, and nothing is changed. */
  apply({ certificate, certified, id }: Verified): CertificateReason | null {
    const { form, body } = certificate;
    if (body.installation !== this.#record.id) return "foreign";
    return form === "admission"
      ? this.#admit(body, id, certified.acceptedMs)
      : this.#rotate(body, certified.acceptedMs);
  }

  #admit(
    { token: key, name, kind, clearance, wants, ...rest }: Admission,
    id: string,
    nowMs: number,
  ): CertificateReason | null {
    const token = this.#tokens.get(toHex(key));
    if (token === undefined) return "token-unknown";
    if (token.admitted.includes(id)) return "token-used";
    if (nowMs < token.madeMs) return "token-early";
    if (nowMs >= token.untilMs) return "token-lapsed";
    if (token.admitted.length >= token.uses) return "token-spent";
    if (kind !== token.kind) return "token-kind";
    if (!dominates(token.clearance, clearance)) return "token-clearance";
    if (isReservedName(name) || !namesFit(token.names, name)) return "token-name";
    const capabilities = declared(token.capabilities, wants);
    // What the record cannot say would keep the root key from ever signing it again.
    if (capabilities === null || !isWants(wants)) return "wants-invalid";
    if (this.#names.has(name.toLowerCase())) return "name-taken";
    const { noiseKey, sealingKey, signingKey } = rest;
    if ([noiseKey, signingKey].some((one) => this.#keys.has(toHex(one)))) return "key-taken";
    this.#tokens.set(toHex(key), { ...token, admitted: [...token.admitted, id] });
    this.#enter({
      id,
      name,
      kind,
      state: "active",
      enrolledMs: nowMs,
      clearance,
      capabilities,
      wants,
      keyedMs: nowMs,
      noiseKey,
      sealingKey,
      signingKey,
      former: [],
    });
    return null;
  }

  #rotate(
    { present, madeMs, untilMs, noiseKey, sealingKey, signingKey }: Rotation,
    nowMs: number,
  ): CertificateReason | null {
    const name = this.#signers.get(toHex(present));
    const identity = name === undefined ? undefined : this.#identities.get(name);
    if (identity === undefined) return "key-unknown";
    if (identity.kind === "human" || identity.kind === "daemon") return "by-root-only";
    if (identity.state !== "active") return "suspended";
    if (Math.abs(nowMs - madeMs) > limits.ROTATION_WINDOW_MS || madeMs < identity.keyedMs)
      return "stale";
    if (untilMs < madeMs || untilMs - madeMs > limits.MAX_KEY_OVERLAP_MS) return "overlap";
    // A signing key that an ssh-agent holds may stay.
    const others = equalBytes(signingKey, present) ? [noiseKey] : [noiseKey, signingKey];
    if (others.some((one) => this.#keys.has(toHex(one)))) return "key-taken";
    const { noiseKey: oldNoise, sealingKey: oldSealing } = identity;
    const left = { noiseKey: oldNoise, sealingKey: oldSealing, signingKey: present, untilMs };
    const former = [...identity.former, left].filter((one) => one.untilMs > nowMs);
    if (former.length > limits.MAX_FORMER_KEYS) return "former-keys-full";
    this.#leave(identity);
    this.#enter({ ...identity, noiseKey, sealingKey, signingKey, keyedMs: madeMs, former });
    return null;
  }

  #enter(identity: Identity): void {
    const { name } = identity;
    this.#identities.set(name, identity);
    this.#names.add(name.toLowerCase());
    for (const key of keysOf(identity)) this.#keys.set(key, name);
    this.#signers.set(toHex(identity.signingKey), name);
  }

  /** Its keys; its place in the order stays. */
  #leave(identity: Identity): void {
    for (const key of keysOf(identity)) this.#keys.delete(key);
    this.#signers.delete(toHex(identity.signingKey));
  }
}

function keysOf(identity: Identity): string[] {
  const all: readonly PublicKeys[] = [identity, ...identity.former];
  return all.flatMap(({ noiseKey, signingKey }) => [toHex(noiseKey), toHex(signingKey)]);
}
