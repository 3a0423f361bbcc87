import { equalBytes, type Suite } from "@sesame/core-crypto";
import { Denial, Fault, fromHex, toHex, type Identity } from "@sesame/core-types";
import { readBounded, replaceFile } from "../io/files.ts";
import { parseRecord, recordText, type Installation } from "./record.ts";

// The installation record: who belongs to this installation, signed by its root key. The first
// line is the signature, over a type prefix and every byte after that line.

const PREFIX = "sesame installation v1\n";
const FIRST_LINE = /^signature = "([0-9a-f]{128})"\n/;
const MAX_BYTES = 4 * 1024 * 1024;

export type { Installation } from "./record.ts";

/** Signs with the root key and replaces the record. */
export function saveInstallation(
  suite: Suite,
  path: string,
  installation: Installation,
  rootSeed: Uint8Array,
): void {
  const body = recordText(installation);
  const signature = suite.ed25519Sign(rootSeed, signed(body));
  replaceFile(path, new TextEncoder().encode(`signature = "${toHex(signature)}"\n${body}`));
}

/**
 * Reads and verifies the record.
 *
 * @returns null if there is no installation
 * @throws {Fault} integrity, if the signature or the content is not right
 */
export function loadInstallation(suite: Suite, path: string): Installation | null {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return null;
  const text = file.toString("latin1");
  const match = FIRST_LINE.exec(text);
  const body = text.slice(match?.[0].length ?? 0);
  const signature = fromHex(match?.[1] ?? "");
  const installation = match === null || signature === null ? null : parseRecord(body);
  if (
    installation === null ||
    signature === null ||
    !suite.ed25519Verify(installation.rootKey, signed(body), signature)
  )
    throw new Fault(
      "integrity",
      `${path} is damaged or was changed: its signature does not fit`,
      "restore it from a backup; do not edit it",
    );
  return installation;
}

/**
 * Reads the record again, for a daemon that runs.
 *
 * @param own - name of the daemon's identity
 * @throws {Denial} record-refused, unless it is another state of the same installation
 */
export function reloadInstallation(
  suite: Suite,
  path: string,
  inForce: Installation,
  own: string,
): Installation {
  const found = readAgain(suite, path);
  if (found.id !== inForce.id || !equalBytes(found.rootKey, inForce.rootKey))
    throw new Denial("record-refused", "it is another installation's");
  const before = identityOf(inForce, own);
  const after = found.identities.find(({ name }) => name === own);
  if (after === undefined || !equalBytes(after.noiseKey, before.noiseKey))
    throw new Denial("record-refused", `${own} is not in it with its key`);
  return found;
}

function readAgain(suite: Suite, path: string): Installation {
  try {
    const found = loadInstallation(suite, path);
    if (found !== null) return found;
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new Denial("record-refused", "it is damaged or was changed");
  }
  throw new Denial("record-refused", "there is none");
}

/** The identity of a name. */
export function identityOf(installation: Installation, name: string): Identity {
  const identity = installation.identities.find((candidate) => candidate.name === name);
  if (identity === undefined)
    throw new Fault("config", `the installation has no identity ${name}`, "run `sesame init`");
  return identity;
}

function signed(body: string): Uint8Array {
  return Buffer.from(PREFIX + body, "latin1");
}
