import { equalBytes, type Suite } from "@sesame/core-crypto";
import {
  CAPABILITIES,
  ENROLLED_KINDS,
  isIdentityName,
  LEVELS,
  limits,
  toHex,
  type Capability,
  type Level,
} from "@sesame/core-types";

// Enrolment tokens. The record has the public key and the limits; whoever has the seed may let
// identities in within them. docs/ENROLMENT.md, Tokens.

/** What a token lets in, as the operator signed it. */
export type Token = {
  /** Ed25519, 32 bytes. */
  readonly key: Uint8Array;
  readonly kind: (typeof ENROLLED_KINDS)[number];
  /** The highest that it gives. */
  readonly clearance: Level;
  /** All that it gives. */
  readonly capabilities: readonly Capability[];
  /** Which names: one `*` may stand for any characters. */
  readonly names: string;
  /** How many identities. */
  readonly uses: number;
  /** Wall clock, milliseconds. */
  readonly madeMs: number;
  /** From then on it is void; wall clock, milliseconds. */
  readonly untilMs: number;
  /** Ids of the identities that came in by it, also of those that are revoked. */
  readonly admitted: readonly string[];
};

const START = "sesame-token-";
const SEED_BYTES = 32;
const CHECK_BYTES = 4;
const ID_DIGITS = 8;

/** Bytes of a token's text. */
export const TOKEN_TEXT_BYTES = START.length + 2 * (SEED_BYTES + CHECK_BYTES);

/** What people and the audit log call a token: the start of its public key. */
export function tokenId(key: Uint8Array): string {
  return toHex(key).slice(0, ID_DIGITS);
}

/** The text that is shown once, to be handed to whoever enrols. */
export function tokenText(suite: Suite, seed: Uint8Array): string {
  return `${START}${toHex(seed)}${toHex(checkOf(suite, seed))}`;
}

/**
 * The seed of a token's text, outside the V8 heap, for the caller to wipe.
 *
 * @returns null if a character is wrong or missing
 */
export function tokenSeed(suite: Suite, text: Uint8Array): Uint8Array | null {
  const start = new TextEncoder().encode(START);
  if (text.length !== TOKEN_TEXT_BYTES || !equalBytes(text.subarray(0, start.length), start))
    return null;
  const bytes = new Uint8Array(new ArrayBuffer(SEED_BYTES + CHECK_BYTES));
  for (let i = 0; i < bytes.length; i++) {
    const at = start.length + 2 * i;
    const [high, low] = [digit(text[at]), digit(text[at + 1])];
    if (high < 0 || low < 0) return wiped(bytes);
    bytes[i] = 16 * high + low;
  }
  const seed = new Uint8Array(new ArrayBuffer(SEED_BYTES));
  seed.set(bytes.subarray(0, SEED_BYTES));
  const fits = equalBytes(bytes.subarray(SEED_BYTES), checkOf(suite, seed));
  bytes.fill(0);
  return fits ? seed : wiped(seed);
}

/** True if a token may let in somebody of that name. */
export function namesFit(pattern: string, name: string): boolean {
  const [before = "", after] = pattern.split("*");
  if (after === undefined) return name === pattern;
  return (
    name.length >= before.length + after.length && name.startsWith(before) && name.endsWith(after)
  );
}

/** True for a name, or one with a single `*` in the place of some characters. */
export function isNamePattern(pattern: string): boolean {
  return isIdentityName(pattern.replace("*", "x"));
}

/** True if every field has a value that a token may have. */
export function isToken(token: Token): boolean {
  const { key, kind, clearance, capabilities, names, uses, madeMs, untilMs, admitted } = token;
  return (
    key.length === SEED_BYTES &&
    ENROLLED_KINDS.includes(kind) &&
    LEVELS.includes(clearance) &&
    capabilities.every((word) => CAPABILITIES.includes(word)) &&
    isNamePattern(names) &&
    isCount(uses, limits.MAX_TOKEN_USES) &&
    madeMs >= 0 &&
    isCount(untilMs - madeMs, limits.MAX_TOKEN_TTL_MS) &&
    admitted.length <= uses
  );
}

function isCount(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}

function checkOf(suite: Suite, seed: Uint8Array): Uint8Array {
  return suite.blake2s(new TextEncoder().encode(START), seed).subarray(0, CHECK_BYTES);
}

/** Of a lower-case hex digit; -1 for anything else. */
function digit(code = 0): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

function wiped(bytes: Uint8Array): null {
  bytes.fill(0);
  return null;
}
