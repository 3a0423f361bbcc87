import {
  CAPABILITIES,
  ENROLLED_KINDS,
  fromHex,
  IDENTITY_KINDS,
  IDENTITY_STATES,
  isIdentityName,
  LEVELS,
  limits,
  toHex,
  type FormerKeys,
  type Identity,
  type Capability,
} from "@sesame/core-types";
import { isToken, type Token } from "./token.ts";

// The installation record's text: TOML that people can read, in one canonical form, so that
// reading it is short and nothing is left to interpretation. What any other TOML parser reads in
// it is the same.

export type Installation = {
  /** UUID, 36 characters. */
  readonly id: string;
  /** Ed25519, 32 bytes. */
  readonly rootKey: Uint8Array;
  /** Grows with every signature; 0 before the first. Milliseconds of the wall clock, mostly. */
  readonly serial: number;
  /** Keys that signed the audit log before the bus host's present one; left out: none. */
  readonly logKeys?: readonly LogKey[];
  readonly identities: readonly Identity[];
  readonly tokens: readonly Token[];
};

/** A key that the audit log was signed with. */
export type LogKey = {
  /** Ed25519, 32 bytes. */
  readonly signingKey: Uint8Array;
  /** When the record gave the bus host another one; wall clock, milliseconds. */
  readonly untilMs: number;
};

const VERSION = 2;
const WANTS = /^[!#-[\]-~ ]{0,1024}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const SEPARATOR = "\n[[identity]]\n";
const TOKEN_SEPARATOR = "\n[[token]]\n";

/** True for what an identity may have declared: no character that TOML and JSON write differently. */
export function isWants(wants: string): boolean {
  return WANTS.test(wants);
}

export function recordText(installation: Installation): string {
  const { id, rootKey, serial, logKeys = [], identities, tokens } = installation;
  const signed = logKeys.length === 0 ? {} : { log_keys: logKeys.map(logKeyText) };
  const head = lines({ version: VERSION, id, root_key: toHex(rootKey), serial, ...signed });
  const members = [head, ...identities.map((identity) => identityText(identity))].join(SEPARATOR);
  return [members, ...tokens.map((token) => tokenText(token))].join(TOKEN_SEPARATOR);
}

/** The installation that a record describes; null if it is not in canonical form. */
export function parseRecord(text: string): Installation | null {
  const [members = "", ...rest] = text.split(TOKEN_SEPARATOR);
  const [head = "", ...blocks] = members.split(SEPARATOR);
  const { id, root_key: rootKey, serial, log_keys: signed = [] } = fields(head);
  const key = typeof rootKey === "string" ? fromHex(rootKey) : null;
  const identities = blocks.map((block) => identityOf(fields(block)));
  if (typeof id !== "string" || !UUID.test(id) || key?.length !== 32) return null;
  if (typeof serial !== "number" || !isSerial(serial)) return null;
  if (!identities.every((identity) => identity !== null)) return null;
  const tokens = rest.map((block) => tokenOf(fields(block)));
  if (!tokens.every((token) => token !== null)) return null;
  if (tokens.length > limits.MAX_TOKENS) return null;
  const logKeys = logKeysOf(signed);
  if (logKeys === null) return null;
  const signers = logKeys.length === 0 ? {} : { logKeys };
  const installation = { id, rootKey: key, serial, ...signers, identities, tokens };
  return recordText(installation) === text ? installation : null;
}

/** The key that a record names, of whatever release; null if it names none. */
export function rootKeyIn(text: string): Uint8Array | null {
  const [head = ""] = text.split(SEPARATOR);
  return keyOf(fields(head)["root_key"]);
}

/** A whole number that the next one still fits behind. */
export function isSerial(serial: number): boolean {
  return Number.isSafeInteger(serial) && serial >= 0 && serial < Number.MAX_SAFE_INTEGER;
}

/**
 * The serial of the next signature: greater than the one before it, and than that of every copy
 * that was signed before now, so that a record restored from a backup can be made the latest.
 */
export function nextSerial({ serial }: Installation, wallMs: number): number {
  return Math.max(serial + 1, wallMs);
}

/** True if the record says the same of both. */
export function sameIdentity(one: Identity, other: Identity): boolean {
  return identityText(one) === identityText(other);
}

function identityText(identity: Identity): string {
  return lines({
    id: identity.id,
    name: identity.name,
    kind: identity.kind,
    state: identity.state,
    enrolled: identity.enrolledMs,
    clearance: identity.clearance,
    capabilities: identity.capabilities,
    wants: identity.wants,
    keyed: identity.keyedMs,
    noise_key: toHex(identity.noiseKey),
    sealing_key: toHex(identity.sealingKey),
    signing_key: toHex(identity.signingKey),
    former: identity.former.map(formerText),
  });
}

function identityOf(entry: Readonly<Record<string, unknown>>): Identity | null {
  const { id, name, enrolled: enrolledMs, capabilities, wants, keyed: keyedMs } = entry;
  const kind = IDENTITY_KINDS.find((word) => word === entry["kind"]);
  const state = IDENTITY_STATES.find((word) => word === entry["state"]);
  const clearance = LEVELS.find((word) => word === entry["clearance"]);
  const [noiseKey, sealingKey, signingKey] = ["noise_key", "sealing_key", "signing_key"].map(
    (field) => keyOf(entry[field]),
  );
  if (typeof id !== "string" || !UUID.test(id)) return null;
  if (typeof name !== "string" || !isIdentityName(name)) return null;
  if (kind === undefined || state === undefined || clearance === undefined) return null;
  if (typeof enrolledMs !== "number" || !isSerial(enrolledMs)) return null;
  if (typeof keyedMs !== "number" || !isSerial(keyedMs)) return null;
  const former = formerOf(entry["former"]);
  if (former === null) return null;
  if (!Array.isArray(capabilities) || typeof wants !== "string" || !isWants(wants)) return null;
  if (!noiseKey || !sealingKey || !signingKey) return null;
  const held = capabilitiesOf(capabilities);
  if (held === null) return null;
  return {
    id,
    name,
    kind,
    state,
    enrolledMs,
    clearance,
    capabilities: held,
    wants,
    keyedMs,
    noiseKey,
    sealingKey,
    signingKey,
    former,
  };
}

/** Words that this release does not know make the record another one than it reads. */
function capabilitiesOf(value: unknown): readonly Capability[] | null {
  if (!Array.isArray(value)) return null;
  const known = CAPABILITIES.filter((word) => value.includes(word));
  return known.length === value.length ? (value as typeof known) : null;
}

function tokenText(token: Token): string {
  return lines({
    key: toHex(token.key),
    kind: token.kind,
    clearance: token.clearance,
    capabilities: token.capabilities,
    names: token.names,
    uses: token.uses,
    made: token.madeMs,
    until: token.untilMs,
    admitted: token.admitted,
  });
}

function tokenOf(entry: Readonly<Record<string, unknown>>): Token | null {
  const { names, uses, made: madeMs, until: untilMs, admitted } = entry;
  const key = keyOf(entry["key"]);
  const kind = ENROLLED_KINDS.find((word) => word === entry["kind"]);
  const clearance = LEVELS.find((word) => word === entry["clearance"]);
  const capabilities = capabilitiesOf(entry["capabilities"]);
  if (key === null || kind === undefined || clearance === undefined || capabilities === null)
    return null;
  if (typeof names !== "string" || typeof uses !== "number") return null;
  if (typeof madeMs !== "number" || !isSerial(madeMs)) return null;
  if (typeof untilMs !== "number" || !isSerial(untilMs)) return null;
  if (!Array.isArray(admitted) || !admitted.every((id) => UUID.test(String(id)))) return null;
  const ids = admitted.map(String);
  const limited = { names, uses, madeMs, untilMs, admitted: ids };
  const token = { key, kind, clearance, capabilities, ...limited };
  return isToken(token) ? token : null;
}

function formerText({ untilMs, noiseKey, sealingKey, signingKey }: FormerKeys): string {
  return [untilMs, ...[noiseKey, sealingKey, signingKey].map(toHex)].join(" ");
}

function formerOf(value: unknown): readonly FormerKeys[] | null {
  if (!Array.isArray(value) || value.length > limits.MAX_FORMER_KEYS) return null;
  const former = value.map((line) => {
    const [until, ...keys] = typeof line === "string" ? line.split(" ") : [];
    const untilMs = Number(until);
    const [noiseKey, sealingKey, signingKey] = keys.map(keyOf);
    if (!isSerial(untilMs) || !noiseKey || !sealingKey || !signingKey) return null;
    return { noiseKey, sealingKey, signingKey, untilMs };
  });
  return former.every((keys) => keys !== null) ? former : null;
}

function logKeyText({ signingKey, untilMs }: LogKey): string {
  return `${untilMs} ${toHex(signingKey)}`;
}

function logKeysOf(value: unknown): readonly LogKey[] | null {
  if (!Array.isArray(value) || value.length > limits.MAX_LOG_KEYS) return null;
  const logKeys = value.map((line) => {
    const [until, key, ...rest] = typeof line === "string" ? line.split(" ") : [];
    const [untilMs, signingKey] = [Number(until), keyOf(key)];
    return isSerial(untilMs) && signingKey && rest.length === 0 ? { signingKey, untilMs } : null;
  });
  return logKeys.every((one) => one !== null) ? logKeys : null;
}

/** 32 bytes from hex digits, or null. */
export function keyOf(value: unknown): Uint8Array | null {
  const bytes = typeof value === "string" ? fromHex(value) : null;
  return bytes?.length === 32 ? bytes : null;
}

/** TOML writes these values as JSON does: words without escapes, numbers, arrays of words. */
export function lines(entry: Readonly<Record<string, unknown>>): string {
  return Object.entries(entry)
    .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
    .join("");
}

export function fields(block: string): Readonly<Record<string, unknown>> {
  const entry: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const line of block.split("\n")) {
    const at = line.indexOf(" = ");
    if (at > 0) entry[line.slice(0, at)] = jsonOf(line.slice(at + 3));
  }
  return entry;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
