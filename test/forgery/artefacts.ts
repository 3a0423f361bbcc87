import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isSignedCheckpoint, EXPORT_TYPE } from "@sesame/core-audit";
import {
  AuthorityError,
  decodeGrant,
  draftGrant,
  encodeGrant,
  enrolledScope,
  parseScope,
  resolveChain,
  signGrant,
} from "@sesame/core-authority";
import { checkpointOf, statement } from "../../packages/core-audit/src/checkpoint.ts";
import { enrolmentProof } from "../../packages/core-ipc/src/install/enrolment.ts";
import {
  certificateStatement,
  sealCertificate,
  type Certificate,
} from "../../packages/core-ipc/src/install/certificate.ts";
import { verified, withCertificate } from "../../packages/core-ipc/src/install/certified.ts";
import {
  loadInstallation,
  saveInstallation,
  type Installation,
} from "../../packages/core-ipc/src/install/installation.ts";
import { PolicyKeeper } from "../../packages/core-ipc/src/io/policy-keeper.ts";
import { liftStatement } from "../../packages/core-ipc/src/install/lift-statement.ts";
import { contradiction } from "../../packages/core-ipc/src/install/record-mark.ts";
import { CryptoError } from "@sesame/core-crypto";
import { openEnvelope, signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openPolicy, PolicyError, POLICY_TYPE, stampPolicy } from "@sesame/core-policy";
import {
  checkpointSchema,
  decode,
  encode,
  Fault,
  fromHex,
  MESSAGES,
  toHex,
  Violation,
} from "@sesame/core-types";

// Everything that the suite signs, each with the code that reads it.

export const NOW_MS = 1_763_000_000_000;

/** Who makes an artefact, and for what. */
export type Origin = {
  /** UUID of the installation. */
  readonly installation: string;
  /** Bus session, 16 bytes. */
  readonly session: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
};

/** What a verifier goes by. */
export type Trust = Pick<Origin, "installation" | "session"> & {
  readonly keys: readonly Uint8Array[];
};

/** A test that shows it, or why there is nothing to show. */
export type Shown = { readonly file: string; readonly title: string } | { readonly none: string };

export type Artefact = {
  readonly title: string;
  /** What its signed bytes begin with: no two kinds share it. */
  readonly heading: string;
  readonly make: (origin: Origin) => Uint8Array;
  /** What the reader takes from it; null if it refuses. */
  readonly read: (artefact: Uint8Array, trust: Trust) => string | null;
  /** Members of JSON around or in what is signed. */
  readonly json: boolean;
  /** Of one installation, or of one session. */
  readonly boundTo: "installation" | "session" | Shown;
  readonly outlived: Shown;
  readonly early: Shown;
  readonly replayed: Shown;
};

const KEY = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const dsse = (type: string): string => `DSSEv1 ${type.length} ${type} `;

const RECORD: Artefact = {
  title: "installation record",
  heading: "sesame installation v1\n",
  make: ({ installation, publicKey, sign }) =>
    inFolder((path) => {
      const signer = Object.assign(Object.create(suite) as typeof suite, {
        ed25519Sign: (_: Uint8Array, message: Uint8Array) => sign(message),
      });
      const members = { identities: [OPERATOR], tokens: [TOKEN] };
      const record = { id: installation, rootKey: publicKey, serial: 0, ...members };
      saveInstallation(signer, path, record, KEY(0), NOW_MS);
    }),
  read: (bytes, { installation, keys }) =>
    underAny(keys, (key) => {
      const found = fromFolder(bytes, (path) => loadInstallation(suite, path));
      const mark = { installation, rootKey: toHex(key), serial: 0 };
      return found === null || contradiction(mark, found) !== null ? null : textOf(found);
    }),
  json: false,
  boundTo: "installation",
  outlived: {
    file: "test/e2e/enrolment.test.ts",
    title: "[ENROL-17] a former key lapses by itself, and what is open under it ends",
  },
  early: { none: "a record holds from its signature on" },
  replayed: {
    file: "test/e2e/enrolment.test.ts",
    title: "[ENROL-13] an old record that is put back brings nobody back, also after a restart",
  },
};

const OPERATOR = {
  id: "0198c2f4-0000-7000-8000-00000000000a",
  name: "operator",
  kind: "human",
  state: "active",
  enrolledMs: NOW_MS,
  clearance: "secrets-only",
  capabilities: ["admin"],
  wants: "",
  keyedMs: NOW_MS,
  noiseKey: KEY(1),
  sealingKey: KEY(2),
  signingKey: KEY(3),
  former: [{ noiseKey: KEY(4), sealingKey: KEY(5), signingKey: KEY(6), untilMs: NOW_MS }],
} as const;

const TOKEN = {
  key: KEY(7),
  kind: "ai",
  clearance: "internal",
  capabilities: ["secret-list"],
  names: "ci-*",
  uses: 2,
  madeMs: NOW_MS,
  untilMs: NOW_MS + 1,
  admitted: ["0198c2f4-0000-7000-8000-00000000000b"],
} as const;

/** The second signature of a certificate is that of the keys that it is about. */
const AGENT_SEED = new Uint8Array(new ArrayBuffer(32)).fill(8);

function certificate(made: Certificate, { sign }: Origin): Uint8Array {
  const said = certificateStatement(made);
  return sealCertificate(said, [sign(said), suite.ed25519Sign(AGENT_SEED, said)]);
}

/** What becomes of an installation with such a certificate; null if nothing does. */
function takenBy(bytes: Uint8Array, record: Installation): string | null {
  const one = verified(suite, { certificate: bytes, acceptedMs: NOW_MS });
  const next = one === null ? "malformed" : withCertificate(record, one);
  return typeof next === "string" ? null : textOf(next);
}

const CERTIFICATES = "packages/core-ipc/src/install/certified.test.ts";
const AGENT_KEYS = {
  noiseKey: KEY(11),
  sealingKey: KEY(12),
  signingKey: suite.ed25519PublicKey(AGENT_SEED),
};

const ADMISSION: Artefact = {
  title: "admission by a token",
  heading: "sesame admission v1\n",
  make: (origin) => {
    const { installation, publicKey: token } = origin;
    const who = { name: "ci-1", kind: "ai", clearance: "internal", wants: "" } as const;
    return certificate(
      { form: "admission", body: { installation, token, ...who, ...AGENT_KEYS } },
      origin,
    );
  },
  read: (bytes, { installation: id, keys }) => {
    const tokens = keys.map((key) => ({ ...TOKEN, key }));
    return takenBy(bytes, { id, rootKey: KEY(0), serial: 0, identities: [OPERATOR], tokens });
  },
  json: false,
  boundTo: "installation",
  outlived: {
    file: CERTIFICATES,
    title: "[ENROL-25] a token lets in what the record says of it, and nothing else",
  },
  early: {
    file: CERTIFICATES,
    title: "[ENROL-25] a token lets in what the record says of it, and nothing else",
  },
  replayed: {
    file: CERTIFICATES,
    title: "[ENROL-26] what came in by a token and was revoked does not come in again",
  },
};

const ROTATION: Artefact = {
  title: "rotation of an identity's keys",
  heading: "sesame rotation v1\n",
  make: (origin) => {
    const { installation, publicKey: present } = origin;
    const dates = { madeMs: NOW_MS, untilMs: NOW_MS + 1 };
    const body = { installation, present, ...dates, ...AGENT_KEYS };
    return certificate({ form: "rotation", body }, origin);
  },
  read: (bytes, { installation: id, keys }) => {
    const identities = keys.map((signingKey, i) => ({
      ...OPERATOR,
      name: `ci-${i}`,
      kind: "ai" as const,
      signingKey,
      former: [],
    }));
    return takenBy(bytes, { id, rootKey: KEY(0), serial: 0, identities, tokens: [] });
  },
  json: false,
  boundTo: "installation",
  outlived: {
    file: CERTIFICATES,
    title:
      "[ENROL-30] a rotation is taken when it is made, not later and not before the present keys",
  },
  early: {
    file: CERTIFICATES,
    title:
      "[ENROL-30] a rotation is taken when it is made, not later and not before the present keys",
  },
  replayed: {
    file: CERTIFICATES,
    title: "[ENROL-30] the present key of an active identity alone gives it new keys",
  },
};

const ENROLMENT: Artefact = {
  title: "request to be enrolled",
  heading: "sesame enrolment v1\n",
  make: ({ session, publicKey, sign }) => {
    const wanted = { ...WANTED, signingKey: publicKey };
    const signature = sign(enrolmentProof(session, { ...wanted, noiseKey: KEY(1) }));
    return encode(MESSAGES["agent.enroll"].params, { ...wanted, signature });
  },
  read: (bytes, { session, keys }) => {
    const { signature, ...wanted } = decode(MESSAGES["agent.enroll"].params, bytes);
    const applicant = { ...wanted, noiseKey: KEY(1) };
    const proof = enrolmentProof(session, applicant);
    const isProved =
      keys.some((key) => toHex(key) === toHex(wanted.signingKey)) &&
      suite.ed25519Verify(wanted.signingKey, proof, signature);
    return isProved ? textOf(applicant) : null;
  },
  json: false,
  boundTo: "session",
  outlived: { none: "it ends with its session" },
  early: { none: "it is made within its session" },
  replayed: {
    file: "test/e2e/enrolment.test.ts",
    title: "[ENROL-3] a key asks for one thing; asking again changes nothing",
  },
};

const WANTED = {
  name: "ci",
  kind: "ai",
  clearance: "internal",
  wants: "secret-use:ci/**",
  sealingKey: KEY(2),
} as const;

const LIFT: Artefact = {
  title: "end of a panic",
  heading: "sesame panic lift v1\n",
  make: ({ installation, session, sign }) =>
    encode(MESSAGES["vault.lift-by-root"].params, {
      signature: sign(
        liftStatement({ installation: idOf(installation), session, challenge: KEY(8) }),
      ),
    }),
  read: (bytes, { installation, session, keys }) =>
    underAny(keys, (key) => {
      const { signature } = decode(MESSAGES["vault.lift-by-root"].params, bytes);
      const lift = { installation: idOf(installation), session, challenge: KEY(8) };
      return suite.ed25519Verify(key, liftStatement(lift), signature) ? textOf(lift) : null;
    }),
  json: false,
  boundTo: "session",
  outlived: {
    file: "packages/daemon-secrets/src/root-proof.test.ts",
    title: "[PANIC-7] a challenge is answered once, in its time, while its panic holds",
  },
  early: { none: "it answers a challenge" },
  replayed: {
    file: "packages/daemon-secrets/src/root-proof.test.ts",
    title: "[PANIC-7] a challenge is answered once, in its time, while its panic holds",
  },
};

const DELEGATOR = "0198c2f4-0000-7000-8000-00000000000b";
const DELEGATEE = "0198c2f4-0000-7000-8000-00000000000c";

const GRANT: Artefact = {
  title: "grant",
  heading: "sesame grant v1\n",
  make: ({ installation, sign }) =>
    encodeGrant(
      signGrant(
        draftGrant(
          {
            installation,
            delegator: DELEGATOR,
            delegatee: DELEGATEE,
            parent: null,
            scope: parseScope("secret-use:ci/**"),
            kind: "ai",
          },
          { wallMs: NOW_MS, random: (length) => new Uint8Array(length).fill(7) },
        ),
        sign,
      ),
    ),
  read: (bytes, { installation, keys }) =>
    underAny(keys, (signingKey) => {
      const party = { scope: enrolledScope(["admin", "delegate"]), signingKey, revoked: false };
      const trust = { installation, party: () => party, verifier: suite };
      const verdict = resolveChain([decodeGrant(bytes)], trust, NOW_MS);
      return verdict.allowed ? textOf(verdict) : null;
    }),
  json: false,
  boundTo: "installation",
  outlived: {
    file: "packages/core-authority/src/chain.test.ts",
    title: "[AUTH-18] a grant counts from its date of issue, within the tolerance, to its end",
  },
  early: {
    file: "packages/core-authority/src/ledger.test.ts",
    title: "[AUTH-18] what is not valid by now is not registered",
  },
  replayed: {
    file: "packages/core-authority/src/ledger.test.ts",
    title: "[AUTH-30] a grant that was registered never comes back, remembered or forgotten",
  },
};

const CHECKPOINT: Artefact = {
  title: "checkpoint of the audit log",
  heading: "sesame audit checkpoint v1",
  make: ({ installation, sign }) => {
    const reach = { sequence: 256, hash: toHex(KEY(9)), timeMs: NOW_MS };
    const signature = sign(statement(idOf(installation), reach));
    return encode(checkpointSchema, checkpointOf(reach, signature));
  },
  read: (bytes, { installation, keys }) =>
    underAny(keys, (publicKey) => {
      const checkpoint = decode(checkpointSchema, bytes);
      const owner = { installationId: idOf(installation), publicKey };
      return isSignedCheckpoint(suite, owner, checkpoint) ? textOf(checkpoint) : null;
    }),
  json: false,
  boundTo: "installation",
  outlived: { none: "what a log held at a time stays so" },
  early: { none: "its time is said, not believed" },
  replayed: {
    file: "packages/core-audit/src/verify.test.ts",
    title: "[AUDIT-27] a log rewritten with the signing key contradicts its anchors",
  },
};

const RULES = Buffer.from(
  JSON.stringify({ mode: "enforce", rules: [{ name: "a", demand: { approval: true } }] }),
);

const POLICY: Artefact = {
  title: "policy",
  heading: dsse(POLICY_TYPE),
  make: (origin) => {
    const stamp = { installation: origin.installation, version: 7, createdMs: NOW_MS };
    return envelope(POLICY_TYPE, stampPolicy(RULES, stamp), origin);
  },
  read: (bytes, { installation, keys }) =>
    textOf(openPolicy(suite, bytes, { installation, keys }).policy),
  json: true,
  boundTo: "installation",
  outlived: {
    file: "packages/core-policy/src/bundle.test.ts",
    title: "[POLICY-8] only a higher version, signed just now, follows",
  },
  early: {
    file: "packages/core-policy/src/bundle.test.ts",
    title: "[POLICY-8] only a higher version, signed just now, follows",
  },
  replayed: {
    file: "test/e2e/policy.test.ts",
    title: "[POLICY-8] what is old, stale or from the future leaves the one before in force",
  },
};

const EXPORT: Artefact = {
  title: "export of the audit log",
  heading: dsse(EXPORT_TYPE),
  make: (origin) => envelope(EXPORT_TYPE, RULES, origin),
  read: (bytes, { keys }) =>
    toHex(openEnvelope(suite, bytes, { payloadType: EXPORT_TYPE, keys }).payload),
  json: true,
  boundTo: {
    file: "test/interop/audit-export.test.ts",
    title: "[AUDIT-36] signed by others, or as something else: refused",
  },
  outlived: { none: "what a log held at a time stays so" },
  early: { none: "its time is said, not believed" },
  replayed: { none: "an older export holds less, and says up to where" },
};

const IN_FORCE: Artefact = {
  title: "policy as an owner keeps it",
  heading: dsse("application/vnd.sesame.policy-in-force.v1+json"),
  make: (origin) => {
    const stamp = { installation: origin.installation, version: 7, createdMs: NOW_MS };
    const type = "application/vnd.sesame.policy-in-force.v1+json";
    return envelope(type, stampPolicy(RULES, stamp), origin);
  },
  read: (bytes, { installation, keys }) =>
    underAny(keys, (publicKey) =>
      fromFolder(bytes, (kept) => {
        const { policy } = new PolicyKeeper({
          suite,
          clock: { wallMs: () => NOW_MS, monotonicMs: () => 0 },
          kept,
          own: () => ({ signingKey: publicKey, former: [] }),
          seed: () => KEY(0),
          installation: () => ({
            id: installation,
            rootKey: KEY(0),
            serial: 0,
            identities: [],
            tokens: [],
          }),
        });
        return policy === null ? null : textOf(policy);
      }),
    ),
  json: true,
  boundTo: "installation",
  outlived: { none: "it stays in force until the next one" },
  early: { none: "it is kept once it is in force" },
  replayed: {
    file: "test/e2e/policy.test.ts",
    title: "[POLICY-11] a policy that was removed, or put back, is missed by the vaults",
  },
};

export const ARTEFACTS: readonly Artefact[] = [
  RECORD,
  ENROLMENT,
  LIFT,
  ADMISSION,
  ROTATION,
  GRANT,
  CHECKPOINT,
  POLICY,
  IN_FORCE,
  EXPORT,
];

/** What else in the sources has the form of a heading, and what it is. */
export const UNSIGNED: Readonly<Record<string, string>> = {
  "sesame audit entry v1": "hashed: an entry of the audit log",
  "sesame block evidence v1\n": "hashed: entries of the audit log that led to a block",
  "sesame certificates v1\n": "first line of a file with a checksum",
  "sesame fingerprint v1\n": "hashed: what people compare",
  "sesame grants v1\n": "first line of a file with a checksum",
  "sesame grants v2\n": "first line of a file whose frames have checksums",
  "sesame root key v1": "associated data of the box that holds the root key",
  "sesame sealed call v1\n": "prologue of a handshake",
};

/** As `read`, with every refusal of a reader as null; what is no refusal is thrown. */
export function readBy({ read }: Artefact, bytes: Uint8Array, trust: Trust): string | null {
  try {
    return read(bytes, trust);
  } catch (cause) {
    const refusals = [AuthorityError, CryptoError, PolicyError, Violation, Fault];
    if (refusals.some((kind) => cause instanceof kind)) return null;
    throw cause;
  }
}

function inFolder(write: (path: string) => void): Uint8Array {
  const path = join(mkdtempSync(join(tmpdir(), "sesame-")), "artefact");
  try {
    write(path);
    return readFileSync(path);
  } finally {
    rmSync(dirname(path), { recursive: true });
  }
}

function fromFolder<T>(bytes: Uint8Array, read: (path: string) => T): T {
  const path = join(mkdtempSync(join(tmpdir(), "sesame-")), "artefact");
  try {
    writeFileSync(path, bytes, { mode: 0o600 });
    return read(path);
  } finally {
    rmSync(dirname(path), { recursive: true });
  }
}

function envelope(type: string, payload: Uint8Array, { publicKey, sign }: Origin): Uint8Array {
  return Buffer.from(signEnvelope(type, payload, [{ publicKey, sign }]));
}

function underAny(
  keys: readonly Uint8Array[],
  read: (key: Uint8Array) => string | null,
): string | null {
  return keys.map(read).find((found) => found !== null) ?? null;
}

function idOf(uuid: string): Uint8Array {
  return fromHex(uuid.replaceAll("-", "")) ?? new Uint8Array(0);
}

function textOf(value: object): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member instanceof Uint8Array ? toHex(member) : member,
  );
}
