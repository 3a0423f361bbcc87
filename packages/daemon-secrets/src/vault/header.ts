import { equalBytes, isArgon2Params, type Suite } from "@sesame/core-crypto";
import { blake3DeriveKey } from "@sesame/core-crypto/blake3";
import {
  bytes,
  encode,
  fromHex,
  type Infer,
  limits,
  list,
  oneOf,
  struct,
  text,
  toHex,
  uint,
} from "@sesame/core-types";

/** Version of docs/VAULT.md that this release reads and writes. */
export const FORMAT_VERSION = 1;
/** Bytes of a vault's id. */
export const VAULT_ID_BYTES = 16;
/** Bytes of the longest header file. */
export const MAX_HEADER_BYTES = 65_536;
/** Factors of one vault; each costs an Argon2id when a password is tried. */
export const MAX_FACTORS = 8;

const FORMAT = "sesame-vault";
const CHECKSUM_CONTEXT = "pds v2 vault-header-checksum";

/** Cost of Argon2id as it is stored. */
export const kdfSchema = struct({ memoryKiB: uint, passes: uint, lanes: uint });

const factorSchema = struct({
  kind: oneOf(["password"]),
  id: bytes(8, 8),
  kdf: kdfSchema,
  salt: bytes(16, 16),
  nonce: bytes(24, 24),
  /** The master key, 32 bytes, and the tag. */
  wrap: bytes(48, 48),
});
export type Factor = Infer<typeof factorSchema>;

const headerSchema = struct({
  vaultId: bytes(VAULT_ID_BYTES, VAULT_ID_BYTES),
  profile: text(limits.MAX_PROFILE_NAME, "profile-name"),
  policy: oneOf(["any"]),
  /** Grows with every replacement; the database remembers the highest. */
  revision: uint,
  createdMs: uint,
  factors: list(factorSchema, MAX_FACTORS),
});
export type Header = Infer<typeof headerSchema>;

/** A header as it lies in its file. */
export type SignedHeader = { readonly header: Header; readonly mac: Uint8Array };

/** HMAC-SHA256 over the canonical bytes, 32 bytes. */
export function headerMac(suite: Suite, headerKey: Uint8Array, header: Header): Uint8Array {
  return suite.hmacSha256(headerKey, encode(headerSchema, header));
}

/** The text of the file: JSON with these fields in this order, two spaces deep, a newline last. */
export function headerText({ header, mac }: SignedHeader): string {
  const file = {
    format: FORMAT,
    version: FORMAT_VERSION,
    vault: toHex(header.vaultId),
    profile: header.profile,
    policy: header.policy,
    revision: header.revision,
    createdMs: header.createdMs,
    factors: header.factors.map(({ kind, id, kdf, salt, nonce, wrap }) => ({
      kind,
      id: toHex(id),
      kdf: { memoryKiB: kdf.memoryKiB, passes: kdf.passes, lanes: kdf.lanes },
      salt: toHex(salt),
      nonce: toHex(nonce),
      wrap: toHex(wrap),
    })),
    mac: toHex(mac),
    checksum: toHex(checksum(header, mac)),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Not a defence: it tells a bad disk from a wrong password. */
function checksum(header: Header, mac: Uint8Array): Uint8Array {
  const body = encode(headerSchema, header);
  const covered = new Uint8Array(body.length + mac.length);
  covered.set(body);
  covered.set(mac, body.length);
  return blake3DeriveKey(CHECKSUM_CONTEXT, covered);
}

/**
 * Reads a header file. Everything is bounded here, before a password is asked for; whether it is
 * genuine shows only under the master key.
 *
 * @returns the header, `"newer"` for a later format, null for anything that is not exactly the
 *   text that `headerText` gives
 */
export function parseHeader(file: string): SignedHeader | "newer" | null {
  try {
    const raw = record(JSON.parse(file));
    if (raw["format"] === FORMAT && Number(raw["version"]) > FORMAT_VERSION) return "newer";
    const mac = hex(raw["mac"]);
    const header = headerOf(raw);
    const isBounded =
      mac.length === 32 &&
      header.factors.length > 0 &&
      header.factors.every((factor) => isArgon2Params(factor.kdf));
    const signed = { header, mac };
    return isBounded && headerText(signed) === file ? signed : null;
  } catch {
    // A syntax error, a field of another type or a value that its schema refuses.
    return null;
  }
}

/** Types and lengths are checked by the schema when the header is encoded again. */
function headerOf(raw: Readonly<Record<string, unknown>>): Header {
  if (!Array.isArray(raw["factors"])) throw new TypeError("not a list");
  return {
    vaultId: hex(raw["vault"]),
    profile: raw["profile"] as Header["profile"],
    policy: raw["policy"] as Header["policy"],
    revision: raw["revision"] as Header["revision"],
    createdMs: raw["createdMs"] as Header["createdMs"],
    factors: raw["factors"].map((item): Factor => {
      const factor = record(item);
      return {
        kind: factor["kind"] as Factor["kind"],
        id: hex(factor["id"]),
        kdf: factor["kdf"] as Factor["kdf"],
        salt: hex(factor["salt"]),
        nonce: hex(factor["nonce"]),
        wrap: hex(factor["wrap"]),
      };
    }),
  };
}

function record(given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given !== "object" || given === null) throw new TypeError("not an object");
  return given as Readonly<Record<string, unknown>>;
}

function hex(given: unknown): Uint8Array {
  const found = typeof given === "string" ? fromHex(given) : null;
  if (found === null) throw new TypeError("not hex");
  return found;
}

/** True if the header was written under this key. */
export function isGenuine(suite: Suite, headerKey: Uint8Array, signed: SignedHeader): boolean {
  return equalBytes(signed.mac, headerMac(suite, headerKey, signed.header));
}
