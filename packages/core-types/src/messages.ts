import { BLOCK_REASONS, type BlockReason } from "./block.ts";
import { CAPABILITIES, type Capability } from "./capability.ts";
import { BUS_HOST, ENROLLED_KINDS, IDENTITY_KINDS, LAUNCHER, VAULT_OWNER } from "./identity.ts";
import { LEVELS, type Level } from "./level.ts";
import {
  DEFAULT_DEADLINE_MS,
  DESCRIBE_TIMEOUT_MS,
  MAX_BEATS,
  MAX_CHAIN,
  MAX_ASKED,
  MAX_ASKED_NAMES,
  MAX_ARGUMENTS,
  MAX_ARGUMENT_BYTES,
  MAX_AUDIT_READ,
  MAX_BLOCKS,
  MAX_CERTIFICATE_BYTES,
  MAX_CERTIFICATES,
  MAX_CONNECTIONS,
  MAX_DEPTHS,
  MAX_EVIDENCE,
  MAX_FETCH_BYTES,
  MAX_GRANT_BYTES,
  MAX_GRANTS_LISTED,
  MAX_IDENTITY_NAME,
  MAX_LIST_ITEMS,
  MAX_PARENTS,
  MAX_PASSWORD_BYTES,
  MAX_PATH_BYTES,
  MAX_PENDING,
  MAX_POLICY_BYTES,
  MAX_PROFILES,
  MAX_PROFILE_NAME,
  MAX_REASON_BYTES,
  MAX_RUN_FILES,
  MAX_RUN_INPUT,
  MAX_RUN_OUTPUT,
  MAX_RUNS,
  MAX_SECRET_BYTES,
  MAX_SECRET_NAME,
  MAX_SIGNED_POLICY_BYTES,
  MAX_TEXT_BYTES,
  MAX_TOPIC_NAME,
  MAX_WANTS_BYTES,
} from "./limits.ts";
import {
  bool,
  bytes,
  list,
  nothing,
  nullable,
  oneOf,
  secret,
  struct,
  text,
  uint,
  type Infer,
  type Schema,
} from "./schema.ts";
import { trustSchema } from "./trust.ts";

// The one table of message kinds. Types, handlers, routing, redaction, generators and the table
// of docs/PROTOCOL.md derive from it. Tags are never reused.

const profile = text(MAX_PROFILE_NAME, "profile-name");
const name = text(MAX_SECRET_NAME, "secret-name");
const uuid = text(36);
const password = secret(bytes(MAX_PASSWORD_BYTES, 1));
const value = secret(bytes(MAX_SECRET_BYTES));
/** ASCII digits. */
const oneTimeCode = secret(bytes(6, 6));

/** State of one profile as daemon-profile keeps it. */
const profileState = struct({ name: profile, active: bool, default: bool });

/** A signed statement of how far the audit log reached. docs/AUDIT.md, Checkpoints. */
export const checkpointSchema = struct({
  sequence: uint,
  hash: bytes(32, 32),
  timeMs: uint,
  signature: bytes(64, 64),
});
export type Checkpoint = Infer<typeof checkpointSchema>;

/** What a daemon asks daemon-profile to record. docs/AUDIT.md, Entries. */
export const auditRecordSchema = struct({
  action: text(64),
  outcome: text(64),
  profile: nullable(profile),
  object: nullable(text(MAX_TEXT_BYTES)),
  /** Bus session of the caller for whom the daemon acts; 16 bytes. */
  session: nullable(bytes(16, 16)),
  /** Name of the identity that the caller's sealed call proved to the daemon. */
  caller: nullable(text(64, "identity-name")),
});
export type AuditRecord = Infer<typeof auditRecordSchema>;

/** What protects a daemon's process, measured by itself. docs/OPERATIONS.md, Doctor. */
export const postureSchema = struct({
  release: text(32),
  landlockAbi: uint,
  /** A directory outside of its list was tried, and refused. */
  filesConfined: bool,
  threads: uint,
  /** Threads that have no_new_privs and a system call filter. */
  threadsConfined: uint,
  /** Least number of system call filters on any thread. */
  filters: uint,
  dumpable: bool,
  /** Bytes. */
  coreLimit: uint,
  secureMemory: oneOf(["memfd_secret", "mlock", "none"]),
  lockedBytes: uint,
  memlockLimit: uint,
});
export type Posture = Infer<typeof postureSchema>;

const identityName = text(MAX_IDENTITY_NAME, "identity-name");

/** Daemons that serve, with what the posture of each counts for; null: it has not reported. */
const daemonPostures = list(struct({ name: identityName, posture: nullable(uint) }), MAX_PROFILES);
const publicKey = bytes(32, 32);
const wanted = {
  name: identityName,
  kind: oneOf(ENROLLED_KINDS),
  clearance: oneOf(LEVELS),
  wants: text(MAX_WANTS_BYTES),
  sealingKey: publicKey,
  signingKey: publicKey,
};

/** What somebody asks to become, with all its keys. docs/ENROLMENT.md, Request. */
export const enrolmentSchema = struct({ ...wanted, noiseKey: publicKey });
export type Enrolment = Infer<typeof enrolmentSchema>;

/** Who asked, as the kernel saw it then; what is not certain is null. */
const evidenceSchema = struct({
  pid: uint,
  uid: uint,
  executable: nullable(text(MAX_TEXT_BYTES)),
  unit: nullable(text(MAX_TEXT_BYTES)),
});
export type Evidence = Infer<typeof evidenceSchema>;

/** Id of an identity, or a Noise key in hex. */
const blockSubject = text(64);
const blockReason = oneOf(Object.keys(BLOCK_REASONS) as BlockReason[]);
/** Entries of the audit log that led to a block, and the hash over them. docs/SIGNALS.md */
const blockEvidence = struct({ hash: bytes(32, 32), entries: list(uint, MAX_EVIDENCE) });

/** One block of the list that the audit log bears. docs/SIGNALS.md, Block list. */
export const blockSchema = struct({
  subject: blockSubject,
  /** Of the identity when it was blocked. */
  name: nullable(identityName),
  reason: blockReason,
  /** Wall clock, milliseconds; null: until it is lifted. */
  untilMs: nullable(uint),
  evidence: nullable(blockEvidence),
  /** The entry of the audit log that bears it, and its time. */
  entry: uint,
  sinceMs: uint,
  /** Who blocked it. */
  by: nullable(identityName),
});
export type BlockOnRecord = Infer<typeof blockSchema>;
/** Signed by a token or by an identity. docs/ENROLMENT.md, Certificates. */
const certificate = bytes(MAX_CERTIFICATE_BYTES, 128);

/** A certificate that daemon-secrets has accepted, and when: wall clock, milliseconds. */
export const certifiedSchema = struct({ certificate, acceptedMs: uint });
export type Certified = Infer<typeof certifiedSchema>;

/** All of them, in the order in which they were accepted, and the serial of the record beneath. */
export const certificatesSchema = struct({
  serial: uint,
  certificates: list(certifiedSchema, MAX_CERTIFICATES),
});
export type Certificates = Infer<typeof certificatesSchema>;

/** What becomes of a key that asks to be somebody's. */
const ENROLMENT_STATES = ["unknown", "pending", "registered", "suspended", "lapsed"] as const;
/** A process as the bus host finds it. docs/POLICY.md, Approval. */
const processSchema = struct({
  pid: uint,
  /** What it calls itself: up to 15 bytes. proc_pid_comm(5) */
  title: text(64),
  /** Path of its program, where it could be read. */
  executable: nullable(text(MAX_TEXT_BYTES)),
});

/** A process and its parents, as /proc shows them. docs/LAUNCHER.md, Evidence. */
const processesSchema = struct({
  processes: list(processSchema, MAX_PARENTS + 1),
  /** Of the first one's program; null: not known. */
  sha256: nullable(bytes(32, 32)),
});
export type Processes = Infer<typeof processesSchema>;

/** Who is at the other end of a connection, as the bus host says. */
export const peerSchema = struct({
  uid: uint,
  unit: nullable(text(256)),
  /** The process that connected, then its parents; the first one was there when it connected. */
  processes: list(processSchema, MAX_PARENTS + 1),
  /** Of the first one's program, if it is the same since it connected; null: not known. */
  sha256: nullable(bytes(32, 32)),
});
export type PeerEvidence = Infer<typeof peerSchema>;

/** An approval that waits for its answer. docs/POLICY.md, Approval. */
export const askedSchema = struct({
  id: text(8),
  name: identityName,
  kind: oneOf(IDENTITY_KINDS),
  capability: oneOf(CAPABILITIES),
  /** Null: none, or all. */
  profile: nullable(profile),
  /** None: whatever the call is about. */
  names: list(name, MAX_ASKED_NAMES),
  askedMs: uint,
  reason: nullable(text(MAX_REASON_BYTES)),
  peer: nullable(peerSchema),
});
export type AskedApproval = Infer<typeof askedSchema>;

/** A command to be run with secrets; compared with the rules of grants. docs/AUTHORITY.md, Commands. */
export const commandSchema = struct({
  /** Absolute, in normal form, as the directory's. */
  path: text(MAX_PATH_BYTES),
  args: list(text(MAX_ARGUMENT_BYTES), MAX_ARGUMENTS),
  directory: text(MAX_PATH_BYTES),
  /** Its output is to be handed on unredacted. */
  plain: bool,
});

export type Command = Infer<typeof commandSchema>;

/** Shown by whoever wants to run a command, redeemed by the launcher; 32 bytes. */
const ticket = bytes(32, 32);
const run = bytes(16, 16);

/** Signals that may be sent to a run. */
export const RUN_SIGNALS = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
] as const;

type RequestRow<P, R, O extends string> = {
  readonly form: "request";
  readonly tag: number;
  readonly level: Level;
  /** Name of the identity that answers. */
  readonly owner: O;
  /** Capability that the owner demands; null: clearance is enough. */
  readonly needs: Capability | "daemon" | null;
  /** End-to-end between caller and owner: the bus host relays what it cannot read. */
  readonly sealed: boolean;
  /** Whether the owner records every call, only refused ones, or none. */
  readonly audit: "always" | "refused" | "never";
  readonly deadlineMs: number;
  /** Safe to send again when no answer came. */
  readonly idempotent: boolean;
  /** Answered while a panic holds; every other kind is refused then. */
  readonly inPanic: boolean;
  /** To be enrolled with what it needs is not enough: grants have to cover it. */
  readonly byGrant: boolean;
  /** The answer may be long: it is counted, whatever the kind needs. docs/PROTOCOL.md, Rates. */
  readonly atLength: boolean;
  /** No policy holds it back: it locks, shows the state, or mends. docs/POLICY.md, Owners. */
  readonly repair: boolean;
  readonly params: Schema<P>;
  readonly result: Schema<R>;
};

type EventRow<P> = {
  readonly form: "event";
  readonly tag: number;
  readonly level: Level;
  /** Name of the only identity that may publish it. */
  readonly from: string;
  readonly params: Schema<P>;
};

const NEVER = { inPanic: false, byGrant: false, atLength: false, repair: false };

function request<P, R, const O extends string>(
  row: Omit<RequestRow<P, R, O>, "form" | "deadlineMs" | keyof typeof NEVER> & {
    readonly deadlineMs?: number;
    readonly inPanic?: boolean;
    readonly byGrant?: boolean;
    readonly atLength?: boolean;
    readonly repair?: boolean;
  },
): RequestRow<P, R, O> {
  return { form: "request", deadlineMs: DEFAULT_DEADLINE_MS, ...NEVER, ...row };
}

function event<P>(row: Omit<EventRow<P>, "form">): EventRow<P> {
  return { form: "event", ...row };
}

/** What is asked about grants, of every owner alike. */
const GRANT = {
  issue: {
    audit: "always",
    /** From the leaf to the root. */
    params: struct({ chain: list(bytes(MAX_GRANT_BYTES, 64), MAX_CHAIN) }),
    result: struct({ endsMs: uint }),
  },
  heartbeat: {
    audit: "refused",
    params: struct({ grants: list(uuid, MAX_BEATS) }),
    result: struct({ ended: list(uuid, MAX_BEATS) }),
  },
  revoke: {
    inPanic: true,
    audit: "always",
    /** One of both. */
    params: struct({ grant: nullable(uuid), identity: nullable(uuid) }),
    result: struct({ changed: bool }),
  },
  list: {
    inPanic: true,
    audit: "refused",
    params: struct({ after: nullable(uuid) }),
    result: struct({
      damaged: bool,
      grants: list(
        struct({ grant: bytes(MAX_GRANT_BYTES, 64), usesLeft: nullable(uint) }),
        MAX_GRANTS_LISTED,
      ),
    }),
  },
  show: {
    inPanic: true,
    audit: "refused",
    params: struct({ grant: uuid }),
    result: struct({ chain: list(bytes(MAX_GRANT_BYTES, 64), MAX_CHAIN) }),
  },
} as const;

/** What is asked about policies, of every owner that goes by one. docs/POLICY.md, Owners. */
const POLICY = {
  install: {
    level: "internal",
    needs: "admin",
    audit: "always",
    idempotent: true,
    repair: true,
    params: struct({ file: bytes(MAX_SIGNED_POLICY_BYTES, 1) }),
    result: struct({ version: uint, changed: bool }),
  },
  status: {
    level: "internal",
    needs: "status-read",
    audit: "refused",
    idempotent: true,
    inPanic: true,
    repair: true,
    params: nothing,
    /** The text as it was signed; missing: a later one was in force, here or at another owner. */
    result: struct({ text: nullable(bytes(MAX_POLICY_BYTES)), missing: bool }),
  },
} as const;

/** Sealed where the owner is not the bus host itself. */
function grantRequest<P, R, const O extends string>(
  tag: number,
  owner: O,
  row: Pick<RequestRow<P, R, O>, "audit" | "params" | "result"> & { readonly inPanic?: boolean },
): RequestRow<P, R, O> {
  const sealed = owner !== BUS_HOST;
  return request({ tag, level: "internal", owner, needs: null, sealed, idempotent: true, ...row });
}

export const MESSAGES = {
  // The bus itself.
  "bus.subscribe": request({
    tag: 0x0101,
    level: "internal",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ topic: text(MAX_TOPIC_NAME, "topic-name") }),
    result: nothing,
  }),
  "bus.unsubscribe": request({
    tag: 0x0102,
    level: "internal",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ topic: text(MAX_TOPIC_NAME, "topic-name") }),
    result: nothing,
  }),
  "bus.serve": request({
    tag: 0x0103,
    level: "internal",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: nothing,
  }),
  "bus.missed": event({
    tag: 0x0104,
    level: "open",
    from: BUS_HOST,
    params: struct({ count: uint }),
  }),
  "status.get": request({
    tag: 0x0110,
    level: "open",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "never",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({
      release: text(32),
      pid: uint,
      uptimeMs: uint,
      secretsConnected: bool,
      auditWritable: bool,
      panic: bool,
      you: nullable(text(64)),
    }),
  }),

  "bus.posture": request({
    tag: 0x0111,
    level: "internal",
    owner: BUS_HOST,
    needs: "status-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: postureSchema,
  }),

  "bus.reload": request({
    tag: 0x0112,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: nothing,
  }),

  "bus.panic": request({
    tag: 0x0114,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "always",
    idempotent: true,
    inPanic: true,
    /** From the owner of the vaults alone, which knows who called for it or lifted it. */
    params: struct({ held: bool }),
    result: nothing,
  }),

  // Trust vectors. docs/PROTOCOL.md, Trust vector.
  "trust.own": request({
    tag: 0x0115,
    level: "internal",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "never",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({ trust: trustSchema, daemons: daemonPostures }),
  }),
  "trust.show": request({
    tag: 0x0116,
    level: "internal",
    owner: BUS_HOST,
    needs: "audit-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ name: identityName }),
    result: struct({
      kind: nullable(oneOf(IDENTITY_KINDS)),
      connections: list(struct({ pid: uint, trust: trustSchema }), MAX_CONNECTIONS),
      daemons: daemonPostures,
    }),
  }),
  "trust.report": request({
    tag: 0x0117,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ posture: postureSchema }),
    result: nothing,
  }),

  /** How deep delegations are in the caller's ledger: all of them at first, then what changes. */
  "trust.delegations": request({
    tag: 0x011f,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ depths: list(struct({ identity: text(36), links: uint }), MAX_DEPTHS) }),
    result: nothing,
  }),

  /** For an owner whose policy demands one; null: it could not be measured. */
  "trust.score": request({
    tag: 0x011e,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    params: struct({ name: identityName }),
    result: struct({ score: nullable(uint) }),
  }),

  // Block list. docs/SIGNALS.md.
  "block.add": request({
    tag: 0x0118,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: struct({
      subject: blockSubject,
      reason: blockReason,
      untilMs: nullable(uint),
      evidence: nullable(blockEvidence),
    }),
    result: nothing,
  }),
  "block.remove": request({
    tag: 0x0119,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "always",
    idempotent: true,
    params: struct({ subject: blockSubject }),
    result: struct({ changed: bool }),
  }),
  "block.list": request({
    tag: 0x011a,
    level: "internal",
    owner: BUS_HOST,
    needs: "audit-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: struct({ blocks: list(blockSchema, MAX_BLOCKS) }),
  }),
  /** The list is another one; what it is, only `block.list` says. */
  "block.changed": event({ tag: 0x011b, level: "internal", from: BUS_HOST, params: nothing }),
  "vault.block": request({
    tag: 0x011c,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: struct({ subject: blockSubject, untilMs: nullable(uint) }),
    result: nothing,
  }),
  "vault.unblock": request({
    tag: 0x011d,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    params: struct({ subject: blockSubject }),
    result: struct({ changed: bool }),
  }),

  // Enrolment: daemon-profile. docs/ENROLMENT.md.
  "agent.enroll": request({
    tag: 0x0120,
    level: "open",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "refused",
    idempotent: true,
    params: struct({ ...wanted, signature: bytes(64, 64) }),
    result: struct({ state: oneOf(ENROLMENT_STATES) }),
  }),
  "agent.status": request({
    tag: 0x0121,
    level: "open",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "never",
    idempotent: true,
    inPanic: true,
    params: nothing,
    /** `keyedMs`: when the identity got the keys that it has. */
    result: struct({ state: oneOf(ENROLMENT_STATES), keyedMs: nullable(uint) }),
  }),
  "agent.list": request({
    tag: 0x0122,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({
      pending: list(
        struct({ enrolment: enrolmentSchema, evidence: evidenceSchema, untilMs: uint }),
        MAX_PENDING,
      ),
    }),
  }),
  "agent.reject": request({
    tag: 0x0123,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "always",
    idempotent: false,
    inPanic: true,
    params: struct({ name: identityName }),
    result: nothing,
  }),

  "agent.certify": request({
    tag: 0x0124,
    level: "open",
    owner: BUS_HOST,
    needs: null,
    sealed: false,
    audit: "refused",
    idempotent: true,
    params: struct({ certificate }),
    result: struct({ state: oneOf(ENROLMENT_STATES) }),
  }),
  "agent.settle": request({
    tag: 0x0125,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    /** From the owner of the vaults alone, which accepts certificates first. */
    params: certificatesSchema,
    result: nothing,
  }),

  // Profiles and audit: daemon-profile.
  "profile.list": request({
    tag: 0x0201,
    level: "internal",
    owner: BUS_HOST,
    needs: "profile-list",
    sealed: false,
    audit: "refused",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: struct({ profiles: list(profileState, MAX_PROFILES) }),
  }),
  "profile.create": request({
    tag: 0x0202,
    level: "internal",
    owner: BUS_HOST,
    needs: "admin",
    sealed: false,
    audit: "always",
    idempotent: true,
    params: struct({ profile }),
    result: struct({ created: bool }),
  }),
  "profile.activate": request({
    tag: 0x0203,
    level: "internal",
    owner: BUS_HOST,
    needs: "profile-activate",
    sealed: false,
    audit: "always",
    idempotent: true,
    params: struct({ profile }),
    result: struct({ changed: bool }),
  }),
  "profile.deactivate": request({
    tag: 0x0204,
    level: "internal",
    owner: BUS_HOST,
    needs: "profile-deactivate",
    sealed: false,
    audit: "always",
    idempotent: true,
    inPanic: true,
    params: struct({ profile }),
    result: struct({ changed: bool }),
  }),
  "profile.set-default": request({
    tag: 0x0205,
    level: "internal",
    owner: BUS_HOST,
    needs: "profile-set-default",
    sealed: false,
    audit: "always",
    idempotent: true,
    params: struct({ profile }),
    result: struct({ previous: nullable(profile) }),
  }),
  "profile.changed": event({
    tag: 0x0206,
    level: "internal",
    from: BUS_HOST,
    params: struct({ profiles: list(profileState, MAX_PROFILES) }),
  }),
  "audit.append": request({
    tag: 0x0210,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: false,
    inPanic: true,
    params: struct({ records: list(auditRecordSchema, 1024) }),
    result: struct({ sequence: uint }),
  }),
  "audit.checkpoint": request({
    tag: 0x0211,
    level: "internal",
    owner: BUS_HOST,
    needs: "audit-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({ checkpoint: checkpointSchema }),
  }),
  "audit.checkpointed": event({
    tag: 0x0212,
    level: "internal",
    from: BUS_HOST,
    params: struct({ checkpoint: checkpointSchema }),
  }),

  "audit.files": request({
    tag: 0x021c,
    level: "internal",
    owner: BUS_HOST,
    needs: "audit-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({ files: list(struct({ name: text(64), bytes: uint }), MAX_LIST_ITEMS) }),
  }),
  "audit.read": request({
    tag: 0x021d,
    level: "internal",
    owner: BUS_HOST,
    needs: "audit-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    /** At most `length` bytes from `offset` on; fewer at the end of the file, none without it. */
    params: struct({ name: text(64), offset: uint, length: uint }),
    result: struct({ bytes: bytes(MAX_AUDIT_READ) }),
  }),
  "audit.grown": event({
    tag: 0x021e,
    level: "internal",
    from: BUS_HOST,
    params: nothing,
  }),

  // Vaults and secrets: daemon-secrets.
  "vault.create": request({
    tag: 0x0301,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: false,
    deadlineMs: 60_000,
    params: struct({ profile, password }),
    result: nothing,
  }),
  "vault.unlock": request({
    tag: 0x0302,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "unlock",
    sealed: true,
    audit: "always",
    idempotent: true,
    deadlineMs: 60_000,
    params: struct({ profile, password }),
    result: struct({ changed: bool }),
  }),
  "vault.lock": request({
    tag: 0x0303,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "lock",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: struct({ profile: nullable(profile) }),
    result: struct({ locked: list(profile, MAX_PROFILES) }),
  }),
  "vault.status": request({
    tag: 0x0304,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "status-read",
    sealed: false,
    audit: "refused",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: struct({
      panic: bool,
      vaults: list(struct({ profile, locked: bool, throttledMs: uint }), MAX_PROFILES),
    }),
  }),
  "vault.changed": event({
    tag: 0x0305,
    level: "internal",
    from: VAULT_OWNER,
    params: struct({ profile, state: oneOf(["created", "unlocked", "locked"]) }),
  }),
  "vault.anchors": request({
    tag: 0x0306,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "audit-read",
    sealed: true,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({
      anchors: list(struct({ profile, checkpoint: checkpointSchema }), MAX_PROFILES),
    }),
  }),
  "vault.anchor": request({
    tag: 0x0307,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: struct({ checkpoint: checkpointSchema }),
    result: struct({ stored: uint }),
  }),
  "vault.posture": request({
    tag: 0x0308,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "status-read",
    sealed: true,
    audit: "refused",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: postureSchema,
  }),
  "vault.reload": request({
    tag: 0x0309,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: nothing,
  }),
  "vault.certify": request({
    tag: 0x0318,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    params: struct({ certificate }),
    /** What is in force: of the same keys, it may be an earlier one. */
    result: certifiedSchema,
  }),
  "vault.certificates": request({
    tag: 0x0319,
    level: "internal",
    owner: VAULT_OWNER,
    needs: null,
    sealed: true,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    atLength: true,
    params: nothing,
    result: certificatesSchema,
  }),
  "vault.certified": event({
    tag: 0x031a,
    level: "internal",
    from: VAULT_OWNER,
    params: nothing,
  }),
  "secret.set": request({
    tag: 0x0310,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "secret-write",
    sealed: true,
    audit: "always",
    idempotent: false,
    params: struct({ profile, name, value }),
    result: struct({ version: uint }),
  }),
  "secret.get": request({
    tag: 0x0311,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "secret-read",
    sealed: true,
    audit: "always",
    idempotent: true,
    params: struct({ profile, name }),
    result: struct({ value, version: uint }),
  }),
  "secret.list": request({
    tag: 0x0312,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "secret-list",
    sealed: true,
    audit: "always",
    idempotent: true,
    params: struct({ profile }),
    result: struct({
      secrets: list(
        struct({ name, version: uint, updatedMs: uint, pseudonym: text(64), ask: bool }),
        MAX_LIST_ITEMS,
      ),
    }),
  }),
  "secret.delete": request({
    tag: 0x0313,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "secret-delete",
    sealed: true,
    audit: "always",
    idempotent: false,
    params: struct({ profile, name }),
    result: nothing,
  }),
  "secret.fetch": request({
    tag: 0x0314,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "secret-read",
    sealed: true,
    audit: "always",
    idempotent: true,
    /** `names` null: all of the profile. One missing name refuses the whole fetch. */
    params: struct({ profile, names: nullable(list(name, MAX_LIST_ITEMS)) }),
    result: struct({ secrets: list(struct({ name, value }), MAX_LIST_ITEMS) }),
  }),

  // Grants: each owner keeps those that it goes by. docs/AUTHORITY.md, Owners.
  "grant.issue": grantRequest(0x0320, VAULT_OWNER, GRANT.issue),
  "grant.heartbeat": grantRequest(0x0321, VAULT_OWNER, GRANT.heartbeat),
  "grant.revoke": grantRequest(0x0322, VAULT_OWNER, GRANT.revoke),
  "grant.list": grantRequest(0x0323, VAULT_OWNER, GRANT.list),
  "grant.show": grantRequest(0x0324, VAULT_OWNER, GRANT.show),
  "grant.ended": event({
    tag: 0x0325,
    level: "internal",
    from: VAULT_OWNER,
    params: struct({ grant: uuid, why: text(64) }),
  }),
  "bus-grant.issue": grantRequest(0x0328, BUS_HOST, GRANT.issue),
  "bus-grant.heartbeat": grantRequest(0x0329, BUS_HOST, GRANT.heartbeat),
  "bus-grant.revoke": grantRequest(0x032a, BUS_HOST, GRANT.revoke),
  "bus-grant.list": grantRequest(0x032b, BUS_HOST, GRANT.list),
  "bus-grant.show": grantRequest(0x032c, BUS_HOST, GRANT.show),
  "bus-grant.ended": event({
    tag: 0x032d,
    level: "internal",
    from: BUS_HOST,
    params: struct({ grant: uuid, why: text(64) }),
  }),

  // Panic: daemon-secrets. docs/PROTOCOL.md, Panic.
  "vault.panic": request({
    tag: 0x0350,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    params: nothing,
    result: struct({ locked: list(profile, MAX_PROFILES) }),
  }),
  "vault.lift": request({
    tag: 0x0351,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    inPanic: true,
    deadlineMs: 60_000,
    /** The password of any vault; it stays locked. */
    params: struct({ profile, password }),
    result: struct({ changed: bool }),
  }),
  "vault.lift-challenge": request({
    tag: 0x0352,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    repair: true,
    params: nothing,
    /** For a signature of the root key; null: no panic holds. */
    result: struct({ challenge: nullable(bytes(32, 32)) }),
  }),
  "vault.lift-by-root": request({
    tag: 0x0353,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: false,
    inPanic: true,
    repair: true,
    params: struct({ signature: bytes(64, 64) }),
    result: struct({ changed: bool }),
  }),

  // Approval at access time: daemon-secrets. docs/POLICY.md, Approval.
  "approval.wait": request({
    tag: 0x0340,
    level: "internal",
    owner: VAULT_OWNER,
    needs: null,
    sealed: true,
    audit: "refused",
    idempotent: true,
    deadlineMs: 60_000,
    /** Answers once the state is another than `asked`, or after `waitMs`. */
    params: struct({ id: text(8), reason: nullable(text(MAX_REASON_BYTES)), waitMs: uint }),
    result: struct({ state: oneOf(["asked", "approved", "refused", "gone"]) }),
  }),
  "approval.list": request({
    tag: 0x0341,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    params: nothing,
    result: struct({ asked: list(askedSchema, MAX_ASKED) }),
  }),
  "approval.answer": request({
    tag: 0x0342,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: false,
    /** `forMs` counts for the answer `for` alone. */
    params: struct({ id: text(8), answer: oneOf(["once", "for", "never"]), forMs: uint }),
    result: nothing,
  }),
  "approval.changed": event({
    tag: 0x0343,
    level: "internal",
    from: VAULT_OWNER,
    params: struct({ waiting: uint }),
  }),
  // Policy: daemon-secrets. docs/POLICY.md.
  "policy.install": request({
    tag: 0x0335,
    owner: VAULT_OWNER,
    sealed: true,
    ...POLICY.install,
  }),
  "policy.status": request({
    tag: 0x0331,
    owner: VAULT_OWNER,
    sealed: true,
    ...POLICY.status,
  }),
  "bus-policy.install": request({
    tag: 0x0336,
    owner: BUS_HOST,
    sealed: false,
    ...POLICY.install,
  }),
  "bus-policy.status": request({
    tag: 0x0337,
    owner: BUS_HOST,
    sealed: false,
    ...POLICY.status,
  }),
  "policy.condition": request({
    tag: 0x0338,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: false,
    /** From the bus host alone, about a call to itself. */
    params: struct({
      caller: identityName,
      session: bytes(16, 16),
      capability: oneOf(CAPABILITIES),
      profile: nullable(profile),
      condition: oneOf(["totp", "approval"]),
    }),
    result: nothing,
  }),
  "bus-policy.compare": request({
    tag: 0x0339,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    inPanic: true,
    /** From the owner of the vaults alone; versions, 0: none. */
    params: struct({ version: uint }),
    result: struct({ version: uint }),
  }),

  "totp.offer": request({
    tag: 0x0332,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: false,
    /** `code`: of the secret in force, if there is one. */
    params: struct({ profile, code: nullable(oneTimeCode) }),
    result: struct({ secret: secret(bytes(20, 20)) }),
  }),
  "totp.confirm": request({
    tag: 0x0333,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: false,
    params: struct({ profile, code: oneTimeCode }),
    result: nothing,
  }),
  "totp.verify": request({
    tag: 0x0334,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: null,
    sealed: true,
    audit: "always",
    idempotent: false,
    params: struct({ profile, code: oneTimeCode }),
    result: nothing,
  }),
  "secret.protect": request({
    tag: 0x0344,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    params: struct({ profile, name, ask: bool }),
    /** `exists`: there is such a secret now; protection is for the name, also for one to come. */
    result: struct({ changed: bool, exists: bool }),
  }),
  "bus.peer": request({
    tag: 0x0345,
    level: "internal",
    owner: BUS_HOST,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    params: struct({ session: bytes(16, 16) }),
    result: struct({ peer: nullable(peerSchema) }),
  }),

  // Using without reading: daemon-secrets decides and releases, daemon-launcher runs.
  // docs/LAUNCHER.md.
  "secret.use": request({
    tag: 0x0315,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "secret-use",
    byGrant: true,
    sealed: true,
    audit: "always",
    idempotent: true,
    /** `names` null: all that the grant covers; `grant` null: any that fits. */
    params: struct({
      profile,
      names: nullable(list(name, MAX_LIST_ITEMS)),
      grant: nullable(text(36)),
      command: commandSchema,
    }),
    result: struct({ ticket, names: list(name, MAX_LIST_ITEMS), grant: text(36) }),
  }),
  "secret.redeem": request({
    tag: 0x0316,
    level: "secrets-only",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: true,
    audit: "always",
    idempotent: false,
    /** Caller and session are those that the sealed `run.start` proved to the launcher. */
    params: struct({
      ticket,
      caller: identityName,
      session: bytes(16, 16),
      command: commandSchema,
      sha256: bytes(32, 32),
    }),
    result: struct({ profile, secrets: list(struct({ name, value }), MAX_LIST_ITEMS) }),
  }),
  "secret.ticket": request({
    tag: 0x033a,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: true,
    audit: "refused",
    idempotent: false,
    /** As `secret.redeem`, before anything of the command is looked at; the ticket stays good. */
    params: struct({
      ticket,
      caller: identityName,
      session: bytes(16, 16),
      command: commandSchema,
    }),
    result: nothing,
  }),
  "secret.standing": request({
    tag: 0x0317,
    level: "internal",
    owner: VAULT_OWNER,
    needs: "daemon",
    sealed: true,
    audit: "refused",
    idempotent: true,
    params: struct({ tickets: list(ticket, MAX_RUNS) }),
    result: struct({ standing: list(bool, MAX_RUNS) }),
  }),

  "run.start": request({
    tag: 0x0601,
    level: "internal",
    owner: LAUNCHER,
    needs: null,
    sealed: true,
    audit: "always",
    idempotent: false,
    deadlineMs: 30_000,
    /** `files`: names of secrets that the program finds in files that its variables name. */
    params: struct({ ticket, command: commandSchema, files: list(name, MAX_RUN_FILES) }),
    result: struct({ run, pid: uint }),
  }),
  "run.read": request({
    tag: 0x0602,
    level: "internal",
    owner: LAUNCHER,
    needs: null,
    sealed: true,
    audit: "never",
    idempotent: false,
    params: struct({ run, waitMs: uint }),
    result: struct({
      output: bytes(2 * MAX_RUN_OUTPUT),
      errors: bytes(2 * MAX_RUN_OUTPUT),
      /** Null while it runs, or while there is more to read. */
      ended: nullable(
        struct({ code: nullable(uint), signal: nullable(text(16)), stopped: nullable(text(64)) }),
      ),
    }),
  }),
  "run.write": request({
    tag: 0x0603,
    level: "internal",
    owner: LAUNCHER,
    needs: null,
    sealed: true,
    audit: "never",
    idempotent: false,
    deadlineMs: 60_000,
    /** Taken over, unless the answer is `busy`; `end`: nothing follows. docs/LAUNCHER.md, Runs. */
    params: struct({ run, data: bytes(MAX_RUN_INPUT), end: bool }),
    result: nothing,
  }),
  "run.signal": request({
    tag: 0x0604,
    level: "internal",
    owner: LAUNCHER,
    needs: null,
    sealed: true,
    audit: "refused",
    idempotent: false,
    params: struct({ run, signal: oneOf(RUN_SIGNALS) }),
    result: nothing,
  }),
  "process.describe": request({
    tag: 0x0605,
    level: "internal",
    owner: LAUNCHER,
    needs: "daemon",
    sealed: false,
    audit: "refused",
    idempotent: true,
    deadlineMs: DESCRIBE_TIMEOUT_MS,
    params: struct({ pid: uint }),
    result: processesSchema,
  }),
  "run.reload": request({
    tag: 0x060e,
    level: "internal",
    owner: LAUNCHER,
    needs: "admin",
    sealed: true,
    audit: "always",
    idempotent: true,
    repair: true,
    params: nothing,
    result: nothing,
  }),
  "run.posture": request({
    tag: 0x060f,
    level: "internal",
    owner: LAUNCHER,
    needs: "status-read",
    sealed: true,
    audit: "refused",
    idempotent: true,
    repair: true,
    params: nothing,
    result: postureSchema,
  }),

  // Applications. The level is the sender's choice, up to its clearance.
  "app.call": request({
    tag: 0x0501,
    level: "internal",
    owner: "*",
    needs: null,
    sealed: false,
    audit: "never",
    idempotent: false,
    params: struct({ body: bytes(MAX_FETCH_BYTES) }),
    result: struct({ body: bytes(MAX_FETCH_BYTES) }),
  }),
} as const;

/** Tag of messages on application topics; their payload is opaque to the suite. */
export const TOPIC_TAG = 0x0500;

export type MessageName = keyof typeof MESSAGES;
export type RequestName = {
  [N in MessageName]: (typeof MESSAGES)[N]["form"] extends "request" ? N : never;
}[MessageName];
export type EventName = Exclude<MessageName, RequestName>;

export type Params<N extends MessageName> = Infer<(typeof MESSAGES)[N]["params"]>;
export type Result<N extends RequestName> = Infer<(typeof MESSAGES)[N]["result"]>;

/** Requests that an identity answers. */
export type RequestsOf<Owner extends string> = {
  [N in RequestName]: (typeof MESSAGES)[N]["owner"] extends Owner ? N : never;
}[RequestName];

/** A row with its name, looked up by tag. */
export type MessageRow = { readonly name: MessageName } & (
  RequestRow<unknown, unknown, string> | EventRow<unknown>
);

const BY_TAG: ReadonlyMap<number, MessageRow> = new Map(
  (Object.keys(MESSAGES) as MessageName[]).map((key) => {
    const row = { name: key, ...MESSAGES[key] } as unknown as MessageRow;
    return [row.tag, row];
  }),
);

/** The row of a tag, or undefined if this release does not know it. */
export function messageByTag(tag: number): MessageRow | undefined {
  return BY_TAG.get(tag);
}

/** Payload of a denial: a refusal by the bus itself, or by an owner of an unsealed kind. */
export const denialSchema = struct({ code: text(64), detail: text(300), retryAfterMs: uint });
