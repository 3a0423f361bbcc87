import { type Argon2Params, KEY_BYTES, type Suite, wipe } from "@sesame/core-crypto";
import { bytes, encode, limits, oneOf, struct, text } from "@sesame/core-types";
import { type Factor, type Header, kdfSchema, VAULT_ID_BYTES } from "./header.ts";
import { deriveKey } from "./keys.ts";

// Under the policy `any` each factor wraps the whole master key. A policy that needs several
// factors gives each a share instead; the wrap of a share is the same.

/** What binds a wrap to its place: nothing of it can be edited or moved to another vault. */
const wrapDataSchema = struct({
  vaultId: bytes(VAULT_ID_BYTES, VAULT_ID_BYTES),
  profile: text(limits.MAX_PROFILE_NAME, "profile-name"),
  kind: oneOf(["password"]),
  id: bytes(8, 8),
  kdf: kdfSchema,
});

type Owner = Pick<Header, "vaultId" | "profile">;

/**
 * Wraps the master key with a password, under a fresh salt and nonce.
 *
 * @param id - 8 bytes; a factor keeps its id when its password or cost changes
 */
export async function wrapWithPassword(
  suite: Suite,
  owner: Owner,
  id: Uint8Array,
  master: Uint8Array,
  password: Uint8Array,
  kdf: Argon2Params,
): Promise<Factor> {
  const bare = {
    kind: "password",
    id,
    kdf,
    salt: suite.randomBytes(16),
    nonce: suite.randomBytes(24),
  } as const;
  const aead = await passwordCipher(suite, owner, bare, password);
  try {
    return { ...bare, wrap: aead.seal(bare.nonce, wrapData(owner, bare), master) };
  } finally {
    aead.destroy();
  }
}

/**
 * Tries a password on every password factor.
 *
 * @returns the factor that it opens and the master key, 32 bytes, which the caller wipes; null if
 *   it opens none: a wrong password and a damaged wrap cannot be told apart
 */
export async function unwrapWithPassword(
  suite: Suite,
  header: Header,
  password: Uint8Array,
): Promise<{ factor: Factor; master: Uint8Array } | null> {
  for (const factor of header.factors) {
    const aead = await passwordCipher(suite, header, factor, password);
    const master = suite.allocSecret(KEY_BYTES);
    const isOpen = aead.openInto(master, factor.nonce, wrapData(header, factor), factor.wrap);
    aead.destroy();
    if (isOpen) return { factor, master };
  }
  return null;
}

async function passwordCipher(
  suite: Suite,
  owner: Owner,
  factor: Pick<Factor, "salt" | "kdf">,
  password: Uint8Array,
): Promise<ReturnType<Suite["xchacha20poly1305"]>> {
  const stretched = await suite.argon2id(password, factor.salt, factor.kdf, KEY_BYTES);
  const key = deriveKey(suite, "wrap", owner.profile, stretched);
  wipe(stretched);
  const aead = suite.xchacha20poly1305(key);
  wipe(key);
  return aead;
}

function wrapData(owner: Owner, { kind, id, kdf }: Pick<Factor, "kind" | "id" | "kdf">) {
  const { vaultId, profile } = owner;
  return encode(wrapDataSchema, { vaultId, profile, kind, id, kdf });
}

/** True if the stored cost is below the configured one in memory or passes. */
export function isWeaker(stored: Argon2Params, configured: Argon2Params): boolean {
  return stored.memoryKiB < configured.memoryKiB || stored.passes < configured.passes;
}

/** The higher of both costs; lanes are no measure of strength, the configured ones are used. */
export function raised(stored: Argon2Params, configured: Argon2Params): Argon2Params {
  return {
    memoryKiB: Math.max(stored.memoryKiB, configured.memoryKiB),
    passes: Math.max(stored.passes, configured.passes),
    lanes: configured.lanes,
  };
}
