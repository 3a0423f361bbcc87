/** Exit codes of `sesame`; sysexits(3) where it has a word for the class. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: "done" },
  usage: { code: 64, meaning: "the command line is wrong" },
  data: { code: 65, meaning: "a name or value is not acceptable" },
  "not-found": { code: 66, meaning: "no such secret, profile or file" },
  unavailable: { code: 69, meaning: "a daemon or the bus is not reachable, or did not answer" },
  fault: { code: 70, meaning: "internal failure; please report" },
  exists: { code: 73, meaning: "it exists already; nothing was changed" },
  io: { code: 74, meaning: "the file system refused: full, read-only or not permitted" },
  "try-later": { code: 75, meaning: "busy or throttled; the message says how long to wait" },
  integrity: { code: 76, meaning: "a file or message is damaged or forged" },
  denied: { code: 77, meaning: "not allowed, or the factor was wrong" },
  config: { code: 78, meaning: "not set up, or set up wrongly" },
  locked: { code: 79, meaning: "the vault is locked" },
  interrupted: { code: 130, meaning: "stopped by the user" },
} as const;

export type ExitClass = keyof typeof EXIT_CODES;

/**
 * Expected refusals. They travel as replies; `{name}` in a text is replaced by the detail.
 * Codes are never reused.
 */
export const DENIALS = {
  "unknown-kind": {
    exit: "unavailable",
    text: "this message kind is not known here",
    hint: "update both sides to the same release",
  },
  "clearance-too-low": {
    exit: "denied",
    text: "this identity is not cleared for that",
    hint: "use the operator's identity; `sesame agent status` says whether another one is in force",
  },
  "capability-missing": {
    exit: "denied",
    text: "this identity may not do that",
    hint: "ask the operator of this installation",
  },
  "owner-absent": {
    exit: "unavailable",
    text: "the daemon that answers this is not connected",
    hint: "run `sesame status`; `sesame daemon start` starts it",
  },
  "deadline-passed": {
    exit: "unavailable",
    text: "no answer in time",
    hint: "run `sesame status`, then try again",
  },
  busy: { exit: "try-later", text: "too much is waiting already", hint: "try again in a moment" },
  "duplicate-call": {
    exit: "fault",
    text: "a call with this id is already waiting",
    hint: "use a fresh random id for every call",
  },
  "params-invalid": {
    exit: "data",
    text: "the request is malformed: {detail}",
    hint: "update both sides to the same release",
  },
  "seal-invalid": {
    exit: "denied",
    text: "the sealed call was not accepted",
    hint: "run `sesame init` again if keys were replaced",
  },
  "name-invalid": {
    exit: "data",
    text: "this name is not allowed: {detail}",
    hint: "use letters, digits, `.`, `_`, `-`; `/` between segments of a secret's name",
  },
  "value-too-large": {
    exit: "data",
    text: "the value is larger than 1 MiB",
    hint: "keep files in a file store and their key here",
  },
  "reply-too-large": {
    exit: "data",
    text: "the values together do not fit one reply",
    hint: "name the secrets that you need",
  },
  "profile-unknown": {
    exit: "not-found",
    text: "there is no profile {detail}",
    hint: "`sesame profile list` shows them; `sesame profile create` makes one",
  },
  "profile-exists": {
    exit: "exists",
    text: "profile {detail} exists already",
    hint: "`sesame profile list` shows it",
  },
  "profile-inactive": {
    exit: "denied",
    text: "profile {detail} is not active",
    hint: "`sesame profile activate {detail}`",
  },
  "too-many-profiles": {
    exit: "data",
    text: "this installation is full of profiles",
    hint: "remove one first",
  },
  "vault-missing": {
    exit: "not-found",
    text: "profile {detail} has no vault",
    hint: "`sesame profile create {detail}` makes it",
  },
  "vault-exists": {
    exit: "exists",
    text: "profile {detail} has a vault already",
    hint: "nothing was changed",
  },
  "vault-locked": {
    exit: "locked",
    text: "the vault of profile {detail} is locked",
    hint: "`sesame unlock -p {detail}`",
  },
  "vault-damaged": {
    exit: "integrity",
    text: "the vault of profile {detail} is damaged or was tampered with",
    hint: "restore the whole `vaults` directory from a backup",
  },
  panic: {
    exit: "denied",
    text: "a panic holds: everything is locked and stays so",
    hint: "the operator ends it: `sesame panic --lift` asks for a vault's password",
  },
  "factor-rejected": {
    exit: "denied",
    text: "wrong password",
    hint: "try again; each wrong try makes the next wait longer",
  },
  throttled: { exit: "try-later", text: "too many wrong tries", hint: "wait {detail} s" },
  "rate-limited": {
    exit: "try-later",
    text: "too many calls in a short time",
    hint: "wait {detail} s; `sesame env` and `sesame export` fetch a whole profile in one call",
  },
  "secret-not-found": {
    exit: "not-found",
    text: "there is no secret {detail}",
    hint: "`sesame secret list` shows the names",
  },
  "name-taken": {
    exit: "exists",
    text: "the name {detail} is taken",
    hint: "enrol under another name; the operator can `sesame agent revoke` a lost one",
  },
  "key-taken": {
    exit: "exists",
    text: "this key is enrolled already, in other words, as {detail}",
    hint: "a key file is one identity: use another name, or have that one rejected",
  },
  "proof-invalid": {
    exit: "denied",
    text: "the signature does not prove these keys on this connection",
    hint: "`sesame agent enroll` makes a new one",
  },
  "certificate-refused": {
    exit: "denied",
    text: "the certificate was not accepted",
    hint: "the operator's audit log has the reason; without a token, `sesame agent enroll` asks them",
  },
  "waiting-room-full": {
    exit: "try-later",
    text: "too many enrolments are waiting",
    hint: "the operator empties the list: `sesame agent list`, then approve or reject",
  },
  "not-waiting": {
    exit: "not-found",
    text: "nobody waits under the name {detail}",
    hint: "`sesame agent list` shows who does; enrolments end after 24 hours",
  },
  "block-list-full": {
    exit: "data",
    text: "the block list is full",
    hint: "`sesame agent blocked` shows it; `sesame agent unblock` what needs no block any more",
  },
  "record-refused": {
    exit: "integrity",
    text: "the installation record was not taken over: {detail}",
    hint: "restore the latest record, or make this one the latest: `sesame record renew`",
  },
  "policy-refused": {
    exit: "integrity",
    text: "the policy was not taken over: {detail}",
    hint: "the one before stays in force; `sesame policy sign` makes a new one",
  },
  "policy-missing": {
    exit: "integrity",
    text: "a policy that was in force is missing, so nothing is allowed",
    hint: "`sesame policy install` with the latest one, or sign it anew first: `sesame policy sign`",
  },
  "totp-missing": {
    exit: "denied",
    text: "this takes a one-time code, and no unlocked profile has codes",
    hint: "unlock a profile that has; or install a policy without the rule, then `sesame totp enroll`",
  },
  "totp-needed": {
    exit: "denied",
    text: "this takes a one-time code of profile {detail}",
    hint: "run it on a terminal, which asks for one; `sesame totp enroll -p {detail}` sets codes up",
  },
  "totp-rejected": {
    exit: "denied",
    text: "wrong one-time code, or one that was used",
    hint: "wait for the next one; the clocks may differ by 30 seconds",
  },
  "approval-needed": {
    exit: "try-later",
    text: "this has to be approved (request {detail})",
    hint: "the operator answers with `sesame approve {detail}`; then run the same again",
  },
  "not-asked": {
    exit: "not-found",
    text: "nothing waits for approval as {detail}",
    hint: "`sesame approve --list` shows what does; requests end after five minutes",
  },
  "program-missing": {
    exit: "not-found",
    text: "there is no program {detail}",
    hint: "name it by its absolute path, or check PATH",
  },
  "program-refused": {
    exit: "data",
    text: "the program is not run: {detail}",
    hint: "it must be an executable file with a format or interpreter line that the kernel knows",
  },
  "directory-refused": {
    exit: "data",
    text: "the program cannot be run in {detail}",
    hint: "change to a directory that exists, by a path without symbolic links",
  },
  "secret-unusable": {
    exit: "data",
    text: "a secret cannot be handed to a program: {detail}",
    hint: "rename it, leave it out with `--only`, or hand it over in a file with `--file`",
  },
  "too-much-to-redact": {
    exit: "data",
    text: "the values together are too long to be kept out of the output",
    hint: "name fewer secrets with `--only`, or use a grant whose commands allow `--no-redact`",
  },
  "run-unknown": {
    exit: "not-found",
    text: "there is no such run of this connection",
    hint: "start it again; it ended, or another connection started it",
  },
  "audit-unavailable": {
    exit: "io",
    text: "the audit log cannot be written, so nothing is released",
    hint: "free space or fix the permissions of the audit directory; `sesame audit verify`",
  },
  "audit-damaged": {
    exit: "integrity",
    text: "the audit log is damaged, so nothing is released",
    hint: "run `sesame audit verify`; keep the directory as evidence, move it away to begin a new log",
  },
  "storage-failed": {
    exit: "io",
    text: "the disk refused the write: {detail}",
    hint: "free space or fix permissions; nothing was lost",
  },
  "memory-exhausted": {
    exit: "try-later",
    text: "no locked memory is left for secrets",
    hint: "name fewer secrets, or raise LimitMEMLOCK= (`ulimit -l`) and restart the daemons",
  },
  fault: {
    exit: "fault",
    text: "internal failure (incident {detail})",
    hint: "the daemon's log has the details",
  },
} as const satisfies Record<string, { exit: ExitClass; text: string; hint: string }>;

export type DenialCode = keyof typeof DENIALS;

/** An expected no. `detail` is a name or a number, never a secret. */
export class Denial extends Error {
  override readonly name = "Denial";
  readonly code: DenialCode;
  readonly detail: string;
  readonly retryAfterMs: number;

  constructor(code: DenialCode, detail = "", retryAfterMs = 0) {
    super(DENIALS[code].text.replaceAll("{detail}", detail));
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }

  get hint(): string {
    return DENIALS[this.code].hint.replaceAll("{detail}", this.detail);
  }
}

/** True for a code of the table: replies come from outside. */
export function isDenialCode(text: string): text is DenialCode {
  return Object.hasOwn(DENIALS, text);
}

/** The peer broke docs/PROTOCOL.md; `rule` is the requirement's id. The connection is closed. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

/** A failure on this side of the bus that the user can act on: files, set-up, reachability. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly exit: ExitClass;
  readonly hint: string;

  constructor(exit: ExitClass, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exit = exit;
    this.hint = hint;
  }
}
