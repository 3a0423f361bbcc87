import { limits } from "@sesame/core-types";

// Every bound of scopes, grants and ledgers, with its unit; docs/AUTHORITY.md, Limits.

/** Both are limits of the wire, too. */
export const { MAX_CHAIN, MAX_GRANT_BYTES } = limits;

/** Entries of one scope. */
export const MAX_ENTRIES = 32;
/** Patterns that one entry demands together. */
export const MAX_PATTERNS = 8;
/** Characters of all patterns of one scope. */
export const MAX_SCOPE_CHARACTERS = 2_048;

/** Profiles that one grant may name. */
export const MAX_GRANT_PROFILES = 32;
/** UTF-8 bytes of an executable's path. */
export const MAX_PATH_BYTES = 1_024;
/** Commands that one grant may admit. */
export const MAX_COMMAND_RULES = 16;
/** Arguments that one rule may give a pattern for. */
export const MAX_COMMAND_ARGUMENTS = 64;
/** UTF-8 bytes of the pattern of one argument. */
export const MAX_PATTERN_BYTES = 512;
/** Times a grant with a limit may be used. */
export const MAX_USES = 1_000_000;

/** Milliseconds that a grant may last. */
export const MIN_TTL_MS = 1_000;
export const MAX_TTL_MS = 24 * 60 * 60_000;
/** Milliseconds that a grant to an AI lasts unless told otherwise. */
export const AI_TTL_MS = 15 * 60_000;
/** Milliseconds that any other grant lasts unless told otherwise. */
export const SESSION_TTL_MS = 8 * 60 * 60_000;

/** Milliseconds between two heartbeats. */
export const MIN_HEARTBEAT_MS = 1_000;
export const MAX_HEARTBEAT_MS = 15 * 60_000;
export const DEFAULT_HEARTBEAT_MS = 60_000;
/** Heartbeat intervals after which silence ends a grant: one is due, one is grace. */
export const HEARTBEAT_INTERVALS = 2;

/** Milliseconds that a grant's date of issue may lie ahead of the wall clock. */
export const CLOCK_TOLERANCE_MS = 30_000;
/** Unix milliseconds of the latest date of issue: what a UUIDv7 can carry. RFC 9562 §5.7 */
export const MAX_ISSUED_MS = 2 ** 48 - 1;

/** Grants that a ledger holds or remembers. */
export const MAX_GRANTS = 16_384;
/** Grants of one delegator that a ledger holds or remembers. */
export const MAX_GRANTS_PER_DELEGATOR = 2_048;
