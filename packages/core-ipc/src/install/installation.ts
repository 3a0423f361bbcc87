import { equalBytes, type Suite } from "@sesame/core-crypto";
import { BUS_HOST, Fault, fromHex, limits, toHex, type Identity } from "@sesame/core-types";
import { readBounded, replaceOffered } from "../io/files.ts";
import { nextSerial, parseRecord, recordText, rootKeyIn, type Installation } from "./record.ts";

// The installation record: who belongs to this installation, signed by its root key. The first
// line is the signature, over a type prefix and every byte after that line.

const PREFIX = "sesame installation v1\n";
const FIRST_LINE = /^signature = "([0-9a-f]{128})"\n/;
/** Twice what all certificates of one time can add. */
const MAX_BYTES = 16 * 1024 * 1024;

export type { Installation } from "./record.ts";

/**
 * Signs with the root key, under the next serial, and replaces the record.
 *
 * @param wallMs - the present, milliseconds
 * @throws {Fault} data, if it would be too large to be read again
 */
export function saveInstallation(
  suite: Suite,
  path: string,
  installation: Installation,
  rootSeed: Uint8Array,
  wallMs: number = Date.now(),
): void {
  const body = recordText({ ...installation, serial: nextSerial(installation, wallMs) });
  // What cannot be read again would leave the user without an installation.
  if (parseRecord(body) === null) throw new RangeError("the record is not in canonical form");
  const signature = suite.ed25519Sign(rootSeed, signed(body));
  const content = new TextEncoder().encode(`signature = "${toHex(signature)}"\n${body}`);
  if (content.length > MAX_BYTES)
    throw new Fault(
      "data",
      `the record of ${installation.identities.length} identities does not fit in 16 MiB`,
      "`sesame agent revoke` those that are not needed any more",
    );
  replaceOffered(path, content);
}

/**
 * Reads and verifies the record.
 *
 * @returns null if there is no installation
 * @throws {Fault} integrity, if the signature is not right; config, if it is, and another release
 *   wrote the record
 */
export function loadInstallation(suite: Suite, path: string): Installation | null {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return null;
  const text = file.toString("latin1");
  const match = FIRST_LINE.exec(text);
  const body = text.slice(match?.[0].length ?? 0);
  const signature = fromHex(match?.[1] ?? "");
  const installation = parseRecord(body);
  const rootKey = installation?.rootKey ?? rootKeyIn(body);
  const isSigned =
    signature !== null && rootKey !== null && suite.ed25519Verify(rootKey, signed(body), signature);
  if (!isSigned)
    throw new Fault(
      "integrity",
      `${path} is damaged or was changed: its signature does not fit`,
      "restore it from a backup; do not edit it",
    );
  if (installation === null)
    throw new Fault(
      "config",
      `${path} is whole, but another release of sesame wrote it, in a form that this one does not read`,
      "use the release that wrote it; or move CFG away and set up anew: `sesame init`",
    );
  return installation;
}

/** The installation's id as 16 bytes, as the audit log has it. */
export function idBytes({ id }: Installation): Uint8Array {
  return fromHex(id.replaceAll("-", "")) ?? new Uint8Array(16);
}

/** The identity of a name. */
export function identityOf(installation: Installation, name: string): Identity {
  const identity = installation.identities.find((candidate) => candidate.name === name);
  if (identity === undefined)
    throw new Fault("config", `the installation has no identity ${name}`, "run `sesame init`");
  return identity;
}

/** Whose signatures the audit log carries, and which keys signed it before, the earliest first. */
export function logOwnerOf(installation: Installation): {
  readonly installationId: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly formerKeys: readonly Uint8Array[];
} {
  return {
    installationId: idBytes(installation),
    publicKey: identityOf(installation, BUS_HOST).signingKey,
    formerKeys: (installation.logKeys ?? []).map(({ signingKey }) => signingKey),
  };
}

/**
 * What a record becomes, with the keys of the bus host that sign the audit log no more: they stay in
 * it for good, since whoever verifies the log needs them.
 *
 * @throws {Fault} config, if there are too many of them
 */
export function withLogKeys(
  before: Installation,
  after: Installation,
  nowMs: number = Date.now(),
): Installation {
  const { logKeys = [] } = before;
  const { signingKey } = identityOf(before, BUS_HOST);
  if (equalBytes(signingKey, identityOf(after, BUS_HOST).signingKey)) return after;
  if (logKeys.length >= limits.MAX_LOG_KEYS)
    throw new Fault(
      "config",
      `the record holds ${limits.MAX_LOG_KEYS} former keys of the audit log already`,
      "keep the keys that there are, or set up a new installation",
    );
  return { ...after, logKeys: [...logKeys, { signingKey, untilMs: nowMs }] };
}

function signed(body: string): Uint8Array {
  return Buffer.from(PREFIX + body, "latin1");
}
