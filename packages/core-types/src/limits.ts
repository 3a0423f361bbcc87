// Every bound of the protocol and of this implementation, with its unit and source.

/** Version of docs/PROTOCOL.md, in the hello and in every envelope. */
export const PROTOCOL_VERSION = 1;

/** Bytes of one Noise message on the wire. Noise §3. */
export const MAX_NOISE_BYTES = 65_535;
/** Bytes of an authentication tag of ChaCha20-Poly1305. RFC 8439 §2.8. */
export const TAG_BYTES = 16;
/** Plaintext bytes of one frame. */
export const MAX_FRAME_PLAINTEXT = MAX_NOISE_BYTES - TAG_BYTES;
/** Bytes of one handshake message, both directions. */
export const MAX_HANDSHAKE_BYTES = 512;

/** Bytes of one envelope from or to a registered identity. */
export const MAX_ENVELOPE_BYTES = 16 * 1024 * 1024;
/** Bytes of one envelope from an unregistered connection. */
export const MAX_OPEN_ENVELOPE_BYTES = 64 * 1024;

/** Milliseconds from accept to the end of the handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Connections that have not finished their handshake, per bus. */
export const MAX_HALF_OPEN = 64;
/** Authenticated connections, per bus. */
export const MAX_CONNECTIONS = 4_096;
/** Of these, those that people and daemons alone get. */
export const RESERVED_CONNECTIONS = 128;
/** Unregistered connections, per bus. */
export const MAX_OPEN_CONNECTIONS = 256;
/** Noise messages after which a direction is rekeyed. */
export const REKEY_AFTER_MESSAGES = 65_536;

/** Calls that wait for a reply, per connection and direction. */
export const MAX_OUTSTANDING_CALLS = 1_024;
/** Topics one connection may subscribe to. */
export const MAX_SUBSCRIPTIONS = 256;
/** Bytes that may wait for one connection; the largest envelope always fits an empty queue. */
export const MAX_QUEUE_BYTES = 4 * 1024 * 1024;
/** Bytes of the bus's own answers beyond a full queue; a peer that leaves more unread is closed. */
export const MAX_REFUSAL_BYTES = 1024 * 1024;
/** Milliseconds without progress after which a connection with a full queue is closed. */
export const STALL_TIMEOUT_MS = 5_000;
/** Bytes read from one connection before the others get their turn. */
export const READ_TURN_BYTES = 65_536;

/** Milliseconds a call may wait if its kind does not say otherwise. */
export const DEFAULT_DEADLINE_MS = 10_000;
/** Milliseconds after a call's ttl until its caller no longer waits for the bus to say so. */
export const DEADLINE_GRACE_MS = 2_000;
/** Milliseconds a sealed call stays acceptable to its owner, either side of now. */
export const SEALED_WINDOW_MS = 30_000;
/** Sealed call ids an owner remembers; beyond it new calls are refused as busy. */
export const MAX_SEEN_CALLS = 65_536;
/** End-to-end sessions that an owner keeps; the oldest is dropped. */
export const MAX_SEALED_SESSIONS = 1_024;

/** Milliseconds until a log that was found changed is read again for a score. */
export const SCORE_AGAIN_MS = 60_000;

/** Milliseconds over which calls are counted. */
export const RATE_WINDOW_MS = 60_000;
/** Requests within RATE_WINDOW_MS of all unregistered connections of one user. */
export const OPEN_RATE_LIMIT = 300;
/** Callers and classes that an owner counts apart; beyond it they are counted together. */
export const MAX_RATE_KEYS = 10_000;

/** Characters. */
export const MAX_PROFILE_NAME = 64;
export const MAX_IDENTITY_NAME = 64;
export const MAX_SECRET_NAME = 256;
export const MAX_TOPIC_NAME = 256;
/** UTF-8 bytes of a free text field (notes, reasons). */
export const MAX_TEXT_BYTES = 1_024;
/** Bytes of a password. */
export const MAX_PASSWORD_BYTES = 4_096;
/** Bytes of a secret's value. */
export const MAX_SECRET_BYTES = 1024 * 1024;
/** Versions of a secret that are kept. */
export const KEPT_VERSIONS = 10;
/** Items of a list on the wire. */
export const MAX_LIST_ITEMS = 65_536;
/** Bytes of all values that one fetch returns. */
export const MAX_FETCH_BYTES = 15 * 1024 * 1024;
/** Bytes of the audit log that one call reads. */
export const MAX_AUDIT_READ = 1024 * 1024;
/** Profiles of one installation. */
export const MAX_PROFILES = 256;
/** Enrolments that wait for the operator. */
export const MAX_PENDING = 20;
/** Former keys of one identity that are still its own. */
export const MAX_FORMER_KEYS = 4;
/** Keys that signed the audit log before the present one. */
export const MAX_LOG_KEYS = 4_096;
/** Milliseconds that former keys are accepted unless told otherwise. */
export const KEY_OVERLAP_MS = 48 * 60 * 60 * 1000;
/** Milliseconds for which former keys may be accepted. */
export const MAX_KEY_OVERLAP_MS = 30 * 24 * 60 * 60 * 1000;
/** Milliseconds that a rotation certificate may be old, or early, when it is accepted. */
export const ROTATION_WINDOW_MS = 5 * 60_000;
/** Bytes of a certificate. */
export const MAX_CERTIFICATE_BYTES = 2_048;
/** Certificates that an owner keeps until the record is signed again. */
export const MAX_CERTIFICATES = 4_096;
/** Of these, rotations of one identity. */
export const MAX_ROTATIONS = 1_024;
/** Enrolment tokens of one installation. */
export const MAX_TOKENS = 32;
/** Identities that one token lets in. */
export const MAX_TOKEN_USES = 1_000;
/** Milliseconds for which a token may be valid. */
export const MAX_TOKEN_TTL_MS = 90 * 24 * 60 * 60 * 1000;
/** Bytes of the scope that an applicant declares. */
export const MAX_WANTS_BYTES = 1_024;
/** Milliseconds that an enrolment waits. */
export const ENROLMENT_TTL_MS = 24 * 60 * 60 * 1000;

/** Grants between an enrolled identity and the one that acts; also how often a right is handed on. */
export const MAX_CHAIN = 8;
/** Bytes of one signed grant. */
export const MAX_GRANT_BYTES = 8_192;
/** Grants that one heartbeat may name. */
export const MAX_BEATS = 256;
/** Grants that one answer lists. */
export const MAX_GRANTS_LISTED = 1_000;
/** Identities whose delegation one message tells. */
export const MAX_DEPTHS = 1_000;
/** Identities whose delegation the bus host keeps for a daemon: of more it knows none. */
export const MAX_DEPTHS_KEPT = 16_384;
/** Approvals that wait for an answer. */
export const MAX_ASKED = 32;
/** Approvals of one identity that wait for an answer. */
export const MAX_ASKED_EACH = 4;
/** Names of secrets that one approval is about. */
export const MAX_ASKED_NAMES = 256;
/** Milliseconds that an approval waits for its answer. */
export const ASKED_TTL_MS = 5 * 60_000;
/** Milliseconds within which what was approved once has to be used. */
export const ONCE_TTL_MS = 5 * 60_000;
/** Milliseconds within which the root key answers a challenge to end a panic. */
export const LIFT_CHALLENGE_MS = 60_000;
/** Milliseconds for which an approval may be given. */
export const MAX_APPROVAL_MS = 8 * 60 * 60_000;
/** Answers to one identity that are in force, one for each name. */
export const MAX_ANSWERS = 4_096;
/** Milliseconds after which the bus host's word about an asker is no longer waited for. */
export const PEER_TIMEOUT_MS = 4_000;
/** Milliseconds after which the launcher's word about a process is no longer waited for. */
export const DESCRIBE_TIMEOUT_MS = 3_000;
/** Processes that wait to be looked at by the launcher. */
export const MAX_DESCRIBES = 64;
/** Milliseconds that one call waits for an answer at most. */
export const MAX_WAIT_MS = 25_000;
/** UTF-8 bytes of the reason that an asker gives. */
export const MAX_REASON_BYTES = 200;
/** Parents of a process that the bus host names. */
export const MAX_PARENTS = 4;
/** UTF-8 bytes of a policy's text. */
export const MAX_POLICY_BYTES = 65_536;
/** Bytes of a signed policy: base64 of the text, a type and signatures. */
export const MAX_SIGNED_POLICY_BYTES = 131_072;
/** UTF-8 bytes of a path of a program or directory. */
export const MAX_PATH_BYTES = 1_024;
/** Arguments of a command that is run with secrets. */
export const MAX_ARGUMENTS = 256;
/** UTF-8 bytes of one argument. */
export const MAX_ARGUMENT_BYTES = 16 * 1024;
/** Milliseconds that a ticket may wait to be redeemed. */
export const TICKET_TTL_MS = 30_000;
/** Tickets that daemon-secrets keeps, redeemed ones with their runs. */
export const MAX_TICKETS = 256;
/** Runs at once. */
export const MAX_RUNS = 32;
/** Runs at once of one identity. */
export const MAX_RUNS_OF_ONE = 8;
/** Milliseconds without output after which an ended program's streams end, whoever holds them. */
export const RUN_LINGER_MS = 1_000;
/** Bytes that an ended program's pipe can hold still: the most of pipe(7). */
export const MAX_PIPE_BYTES = 1024 * 1024;
/** Secrets that a run may get in files. */
export const MAX_RUN_FILES = 16;
/** Bytes of a run's output, per stream, that wait for its reader; then the program waits. */
export const MAX_RUN_OUTPUT = 256 * 1024;
/** Bytes of input that one call hands to a program. */
export const MAX_RUN_INPUT = 64 * 1024;
/** Milliseconds that one call may wait for output, or for input to be taken. */
export const MAX_RUN_WAIT_MS = 5_000;
/** Milliseconds after which a run that nobody asked about ends. */
export const RUN_LEASE_MS = 15_000;
/** Milliseconds between two questions whether the right to a run still stands. */
export const RUN_CHECK_MS = 1_000;
/** Milliseconds without an answer to that after which runs end. */
export const RUN_BLIND_MS = 5_000;
/** Milliseconds from SIGTERM to SIGKILL for a run that ends. */
export const RUN_STOP_MS = 2_000;
/** Bytes of a program that is run. */
export const MAX_PROGRAM_BYTES = 256 * 1024 * 1024;
/** Bytes of all values that are looked for in a run's output. */
export const MAX_REDACTED_BYTES = 16 * 1024;
/** Milliseconds for which a session has given a one-time code. */
export const MAX_TOTP_AGE_MS = 5 * 60_000;
/** Blocks that are in force at the same time. */
export const MAX_BLOCKS = 1_024;
/** Entries of the audit log that one block names as its evidence. */
export const MAX_EVIDENCE = 60;
