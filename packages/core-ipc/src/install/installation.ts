import { parse, stringify } from "smol-toml";
import type { Suite } from "@sesame/core-crypto";
import {
  CAPABILITIES,
  Fault,
  fromHex,
  IDENTITY_KINDS,
  isIdentityName,
  LEVELS,
  toHex,
  type Capability,
  type Identity,
} from "@sesame/core-types";
import { readBounded, replaceFile } from "../io/files.ts";

// The installation record: who belongs to this installation, signed by its root key. The first
// line is the signature, over a type prefix and every byte after that line.

const PREFIX = new TextEncoder().encode("sesame installation v1\n");
const FIRST_LINE = /^signature = "([0-9a-f]{128})"\n/;
const MAX_BYTES = 4 * 1024 * 1024;

export type Installation = {
  /** UUID, 36 characters. */
  readonly id: string;
  /** Ed25519, 32 bytes. */
  readonly rootKey: Uint8Array;
  readonly identities: readonly Identity[];
};

/** Signs with the root key and replaces the record. */
export function saveInstallation(
  suite: Suite,
  path: string,
  installation: Installation,
  rootSeed: Uint8Array,
): void {
  const body = new TextEncoder().encode(
    stringify({
      version: 1,
      id: installation.id,
      root_key: toHex(installation.rootKey),
      identity: installation.identities.map((identity) => ({
        id: identity.id,
        name: identity.name,
        kind: identity.kind,
        clearance: identity.clearance,
        capabilities: [...identity.capabilities],
        noise_key: toHex(identity.noiseKey),
        sealing_key: toHex(identity.sealingKey),
        signing_key: toHex(identity.signingKey),
      })),
    }),
  );
  const signature = suite.ed25519Sign(rootSeed, join(PREFIX, body));
  const first = new TextEncoder().encode(`signature = "${toHex(signature)}"\n`);
  replaceFile(path, join(first, body));
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
  const damaged = (what: string): Fault =>
    new Fault("integrity", `${path}: ${what}`, "restore it from a backup; do not edit it");
  const match = FIRST_LINE.exec(file.subarray(0, 256).toString("latin1"));
  const signature = match === null ? null : fromHex(match[1] as string);
  if (match === null || signature === null) throw damaged("no signature");
  const body = file.subarray(match[0].length);
  const installation = read(body, damaged);
  if (!suite.ed25519Verify(installation.rootKey, join(PREFIX, body), signature))
    throw damaged("the signature does not fit");
  return installation;
}

/** The identity of a name. */
export function identityOf(installation: Installation, name: string): Identity {
  const identity = installation.identities.find((candidate) => candidate.name === name);
  if (identity === undefined)
    throw new Fault("config", `the installation has no identity ${name}`, "run `sesame init`");
  return identity;
}

function read(body: Uint8Array, damaged: (what: string) => Fault): Installation {
  let table: Readonly<Record<string, unknown>>;
  try {
    table = parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw damaged("not readable");
  }
  const { version, id, root_key: rootKey, identity } = table;
  const key = typeof rootKey === "string" ? fromHex(rootKey) : null;
  if (version !== 1 || typeof id !== "string" || key?.length !== 32 || !Array.isArray(identity))
    throw damaged("not an installation record of version 1");
  return {
    id,
    rootKey: key,
    identities: identity.map((entry) =>
      readIdentity(entry as Readonly<Record<string, unknown>>, damaged),
    ),
  };
}

function readIdentity(
  entry: Readonly<Record<string, unknown>>,
  damaged: (what: string) => Fault,
): Identity {
  const text = (field: string): string => {
    const given = entry[field];
    if (typeof given !== "string") throw damaged(`identity without ${field}`);
    return given;
  };
  const word = <T extends string>(given: string, words: readonly T[]): T => {
    const found = words.find((candidate) => candidate === given);
    if (found === undefined) throw damaged("identity with an unknown word");
    return found;
  };
  const key = (field: string): Uint8Array => {
    const bytes = fromHex(text(field));
    if (bytes?.length !== 32) throw damaged(`identity with a malformed ${field}`);
    return bytes;
  };
  const name = text("name");
  const capabilities = entry["capabilities"];
  if (!isIdentityName(name) || !Array.isArray(capabilities)) throw damaged("malformed identity");
  return {
    id: text("id"),
    name,
    kind: word(text("kind"), IDENTITY_KINDS),
    clearance: word(text("clearance"), LEVELS),
    capabilities: capabilities.map((one): Capability => word(String(one), CAPABILITIES)),
    noiseKey: key("noise_key"),
    sealingKey: key("sealing_key"),
    signingKey: key("signing_key"),
  };
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const out = new Uint8Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}
