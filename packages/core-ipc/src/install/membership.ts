import { equalBytes } from "@sesame/core-crypto";
import {
  Denial,
  Fault,
  fromHex,
  isReservedName,
  limits,
  toHex,
  type FormerKeys,
  type Identity,
  type IdentityState,
  type PublicKeys,
} from "@sesame/core-types";
import { sameIdentity, type Installation } from "./record.ts";
import { tokenId } from "./token.ts";

// How the list of identities changes. What the operator signs is made here.

export type Identities = readonly Identity[];

/** The identity that has this name, or one that differs in case only. */
export function ofName(identities: Identities, name: string): Identity | null {
  const lower = name.toLowerCase();
  return identities.find((identity) => identity.name.toLowerCase() === lower) ?? null;
}

/** The identity, in whatever state, whose Noise key this is, or was and may not be another's. */
export function ofKey(identities: Identities, noiseKey: Uint8Array): Identity | null {
  return (
    identities.find((identity) =>
      keysOf(identity).some((keys) => equalBytes(keys.noiseKey, noiseKey)),
    ) ?? null
  );
}

/** The identity, in whatever state, that a subject of the block list is, or whose key it is. */
export function subjectIn(identities: Identities, subject: string): Identity | null {
  const key = fromHex(subject);
  if (key !== null) return ofKey(identities, key);
  return identities.find(({ id }) => id === subject) ?? null;
}

/** @throws {Denial} name-taken, key-taken: a name and a key are one identity's */
export function admitted(identities: Identities, identity: Identity): Identities {
  const { name } = identity;
  if (ofName(identities, name) !== null) throw new Denial("name-taken", name);
  expectFree(identities, identity);
  return [...identities, identity];
}

/**
 * The identity that an applicant would replace: the active one that it says it is, whose keys are
 * others. docs/KEYS.md, Lost and damaged files
 */
export function replacedBy(
  identities: Identities,
  wanted: Pick<Identity, "name" | "kind" | "clearance" | "noiseKey">,
): Identity | null {
  const known = ofName(identities, wanted.name);
  const same =
    known !== null &&
    !isReservedName(known.name) &&
    known.state === "active" &&
    known.name === wanted.name &&
    known.kind === wanted.kind &&
    known.clearance === wanted.clearance;
  return same && !equalBytes(known.noiseKey, wanted.noiseKey) ? known : null;
}

/** True if an applicant may wait under its name. */
export function mayWait(
  identities: Identities,
  wanted: Pick<Identity, "name" | "kind" | "clearance" | "noiseKey">,
): boolean {
  return ofName(identities, wanted.name) === null || replacedBy(identities, wanted) !== null;
}

/**
 * With other keys for one identity; those that it has stay its own until a date, as do those
 * before them whose date has not come. Where that date is no later than now they may be somebody
 * else's, and all of them end: nobody says which of them was stolen.
 *
 * @throws {Denial} key-taken
 * @throws {Fault} try-later, if too many former keys are still its own
 */
export function rotated(
  identities: Identities,
  name: string,
  keys: PublicKeys,
  { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number },
): Identities {
  expectFree(identities, keys);
  return identities.map((identity) => {
    if (identity.name !== name) return identity;
    const { noiseKey, sealingKey, signingKey } = identity;
    const left = [...identity.former, { noiseKey, sealingKey, signingKey, untilMs }];
    if (untilMs <= nowMs) return { ...identity, ...keys, keyedMs: nowMs, former: ended(left) };
    const former = left.filter((one) => one.untilMs > nowMs);
    if (former.length > limits.MAX_FORMER_KEYS)
      throw new Fault(
        "try-later",
        `${limits.MAX_FORMER_KEYS} former keys of ${name} are accepted still`,
        "wait until the first of them has lapsed: `sesame agent show` has the dates",
      );
    return { ...identity, ...keys, keyedMs: nowMs, former };
  });
}

/** Keys that nobody takes for the identity's, whatever the clock says: the record still names them. */
function ended(former: readonly FormerKeys[]): readonly FormerKeys[] {
  return former.slice(-limits.MAX_FORMER_KEYS).map((keys) => ({ ...keys, untilMs: 0 }));
}

function expectFree(identities: Identities, { noiseKey, signingKey }: PublicKeys): void {
  const holder = identities.find((identity) =>
    keysOf(identity).some(
      (keys) => equalBytes(keys.noiseKey, noiseKey) || equalBytes(keys.signingKey, signingKey),
    ),
  );
  if (holder !== undefined) throw new Denial("key-taken", holder.name);
}

function keysOf(identity: Identity): readonly PublicKeys[] {
  return [identity, ...identity.former];
}

/** With one identity suspended, or active again. */
export function inState(identities: Identities, name: string, state: IdentityState): Identities {
  return identities.map((identity) => (identity.name === name ? { ...identity, state } : identity));
}

export function without(identities: Identities, name: string): Identities {
  return identities.filter((identity) => identity.name !== name);
}

/** Who is somebody while a panic holds: the operator and the daemons. docs/PROTOCOL.md, Panic */
export function steadfast(identities: Identities): Identities {
  return identities.filter(({ kind }) => kind === "human" || kind === "daemon");
}

/** Who belongs to an installation, and which tokens let in more. */
export type Members = Pick<Installation, "identities" | "tokens">;

/** What became of whom between two records, in the words of the audit log. */
export function changesOf(before: Members, after: Members): string[] {
  const was = new Map(before.identities.map((identity) => [identity.id, identity]));
  const is = new Set(after.identities.map(({ id }) => id));
  const changes = after.identities.flatMap((identity) => {
    const change = changeOf(was.get(identity.id) ?? null, identity);
    return change === null ? [] : [`${change} ${identity.name}`];
  });
  const removed = before.identities.filter(({ id }) => !is.has(id));
  return [
    ...changes,
    ...removed.map(({ name }) => `removed ${name}`),
    ...tokensBeyond(after, before).map((id) => `added token ${id}`),
    ...tokensBeyond(before, after).map((id) => `removed token ${id}`),
  ];
}

/** Ids of the tokens that the other has not. */
function tokensBeyond({ tokens }: Members, other: Members): string[] {
  const there = new Set(other.tokens.map(({ key }) => toHex(key)));
  return tokens.flatMap(({ key }) => (there.has(toHex(key)) ? [] : [tokenId(key)]));
}

/** True if one of the daemons has other keys than before. */
export function haveOtherKeys(before: Identities, after: Identities): boolean {
  const was = new Map(before.map(({ id, noiseKey }) => [id, noiseKey]));
  return after.some(({ id, kind, noiseKey }) => {
    const key = was.get(id);
    return kind === "daemon" && key !== undefined && !equalBytes(key, noiseKey);
  });
}

function changeOf(before: Identity | null, after: Identity): string | null {
  if (before === null) return "added";
  if (!equalBytes(before.noiseKey, after.noiseKey)) return "rotated";
  if (before.state !== after.state) return after.state === "active" ? "resumed" : "suspended";
  return sameIdentity(before, after) ? null : "changed";
}
