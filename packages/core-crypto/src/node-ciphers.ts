import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { aeadOf } from "./aead.ts";
import { expectLength, KEY_BYTES, TAG_BYTES } from "./bytes.ts";
import { hchacha20 } from "./hchacha20.ts";
import { allocSecret, wipe } from "./secure.ts";
import type { Aead } from "./suite.ts";

const NAME = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** RFC 8439. The KeyObject is the only copy of the key; OpenSSL wipes it when it is collected. */
export function nodeChacha20poly1305(key: Uint8Array): Aead {
  expectLength(key, KEY_BYTES, "key");
  let held: KeyObject | undefined = createSecretKey(key);
  const live = (): KeyObject => {
    if (held === undefined) throw new Error("cipher used after its key was wiped");
    return held;
  };
  return aeadOf({
    nonceBytes: 12,
    encrypt: (out, nonce, ad, plaintext) => encrypt(live(), out, nonce, ad, plaintext),
    decrypt: (out, nonce, ad, sealed) => decrypt(live(), out, nonce, ad, sealed),
    wipeKey() {
      held = undefined;
    },
  });
}

/** node:crypto has no extended nonces: the subkey is ours. draft-irtf-cfrg-xchacha-03 §2.3 */
export function nodeXchacha20poly1305(key: Uint8Array): Aead {
  expectLength(key, KEY_BYTES, "key");
  const held = allocSecret(KEY_BYTES);
  held.set(key);
  return aeadOf({
    nonceBytes: 24,
    encrypt(out, nonce, ad, plaintext) {
      encrypt(subkeyOf(held, nonce), out, tailOf(nonce), ad, plaintext);
    },
    decrypt: (out, nonce, ad, sealed) =>
      decrypt(subkeyOf(held, nonce), out, tailOf(nonce), ad, sealed),
    wipeKey: () => wipe(held),
  });
}

function subkeyOf(key: Uint8Array, nonce: Uint8Array): KeyObject {
  const subkey = hchacha20(key, nonce.subarray(0, 16));
  const held = createSecretKey(subkey);
  wipe(subkey);
  return held;
}

/** Four zero bytes and the last eight of the extended nonce. */
function tailOf(nonce: Uint8Array): Uint8Array {
  const tail = new Uint8Array(12);
  tail.set(nonce.subarray(16), 4);
  return tail;
}

function encrypt(
  key: KeyObject,
  out: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  plaintext: Uint8Array,
): void {
  const cipher = createCipheriv(NAME, key, nonce, OPTIONS);
  if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plaintext.length });
  out.set(cipher.update(plaintext));
  cipher.final();
  out.set(cipher.getAuthTag(), plaintext.length);
}

function decrypt(
  key: KeyObject,
  out: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  sealed: Uint8Array,
): boolean {
  const decipher = createDecipheriv(NAME, key, nonce, OPTIONS);
  decipher.setAuthTag(sealed.subarray(out.length));
  if (ad.length > 0) decipher.setAAD(ad, { plaintextLength: out.length });
  const plaintext = decipher.update(sealed.subarray(0, out.length));
  try {
    decipher.final();
    out.set(plaintext);
    return true;
  } catch {
    return false;
  } finally {
    wipe(plaintext);
  }
}
