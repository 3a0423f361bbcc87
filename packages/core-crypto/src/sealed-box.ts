import { type Argon2Params, ARGON2_DEFAULT, isArgon2Params } from "./argon2-params.ts";
import { KEY_BYTES, TAG_BYTES } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { wipe } from "./secure.ts";
import type { Suite } from "./suite.ts";

/** Bytes of the largest secret that fits a box. */
export const MAX_BOXED_BYTES = 4_096;
/** Bytes that a box is longer than its secret. */
export const BOX_OVERHEAD_BYTES = 50 + TAG_BYTES;

// Layout, numbers big-endian:
//   "SPW" | version | memoryKiB: 4 | passes: 1 | lanes: 1 | salt: 16 | nonce: 24 | sealed
// Everything before `sealed` is the header. It is authenticated, and the caller's data after it;
// the header's fixed length keeps the two apart.
const MAGIC = Uint8Array.of(0x53, 0x50, 0x57, 1);
const PARAMS_AT = 4;
const SALT_AT = 10;
const NONCE_AT = 26;
const HEADER_BYTES = 50;

/**
 * Seals a small secret to a password: Argon2id, then XChaCha20-Poly1305 with the header and `ad` as
 * associated data. Throws RangeError above MAX_BOXED_BYTES.
 */
export async function wrapWithPassword(
  suite: Suite,
  password: Uint8Array,
  secret: Uint8Array,
  ad: Uint8Array,
  params: Argon2Params = ARGON2_DEFAULT,
): Promise<Uint8Array> {
  if (secret.length > MAX_BOXED_BYTES) throw new RangeError("the secret is too long for a box");
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  writeParams(header, params);
  header.set(suite.randomBytes(HEADER_BYTES - SALT_AT), SALT_AT);
  const sealed = await withPasswordKey(suite, password, header, params, (aead) =>
    aead.seal(header.subarray(NONCE_AT), join(header, ad), secret),
  );
  return join(header, sealed);
}

/**
 * The secret, or null for a wrong password, other `ad` or a forged box: these cannot be told apart.
 * Throws CryptoError `sealed-box-malformed` for what is no box, and for a cost out of bounds before
 * anything is spent on it.
 *
 * @param least - memory and passes below which a box is refused
 */
export async function unwrapWithPassword(
  suite: Suite,
  password: Uint8Array,
  box: Uint8Array,
  ad: Uint8Array,
  least: Pick<Argon2Params, "memoryKiB" | "passes"> = { memoryKiB: 0, passes: 0 },
): Promise<Uint8Array | null> {
  const sealedBytes = box.length - HEADER_BYTES;
  if (sealedBytes < TAG_BYTES || sealedBytes > MAX_BOXED_BYTES + TAG_BYTES) {
    throw malformed("wrong length");
  }
  if (!MAGIC.every((byte, at) => box[at] === byte)) throw malformed("unknown format or version");
  const params = readParams(box);
  const tooLow = params.memoryKiB < least.memoryKiB || params.passes < least.passes;
  if (tooLow || !isArgon2Params(params)) throw malformed("cost out of bounds");
  // A copy: what was checked must be what is opened after the wait.
  const copy = new Uint8Array(box);
  const header = copy.subarray(0, HEADER_BYTES);
  const sealed = copy.subarray(HEADER_BYTES);
  return withPasswordKey(suite, password, header, params, (aead) =>
    aead.open(header.subarray(NONCE_AT), join(header, ad), sealed),
  );
}

async function withPasswordKey<T>(
  suite: Suite,
  password: Uint8Array,
  header: Uint8Array,
  params: Argon2Params,
  use: (aead: ReturnType<Suite["xchacha20poly1305"]>) => T,
): Promise<T> {
  const key = await suite.argon2id(password, header.subarray(SALT_AT, NONCE_AT), params, KEY_BYTES);
  const aead = suite.xchacha20poly1305(key);
  wipe(key);
  try {
    return use(aead);
  } finally {
    aead.destroy();
  }
}

function writeParams(header: Uint8Array, { memoryKiB, passes, lanes }: Argon2Params): void {
  const view = new DataView(header.buffer, PARAMS_AT);
  view.setUint32(0, memoryKiB);
  view.setUint8(4, passes);
  view.setUint8(5, lanes);
}

function readParams(box: Uint8Array): Argon2Params {
  const view = new DataView(box.buffer, box.byteOffset + PARAMS_AT);
  return { memoryKiB: view.getUint32(0), passes: view.getUint8(4), lanes: view.getUint8(5) };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function malformed(reason: string): CryptoError {
  return new CryptoError("sealed-box-malformed", `not a sealed box: ${reason}`);
}
