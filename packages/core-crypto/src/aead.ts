import { expectLength, TAG_BYTES } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { type AllocSecret, allocSecret as allocPlain, wipe } from "./secure.ts";
import type { Aead } from "./suite.ts";

/** What a provider brings: the cipher alone, called with lengths that fit. */
export interface Cipher {
  readonly nonceBytes: number;
  encrypt(out: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): void;
  /** False if not authentic; `out` may then hold anything. */
  decrypt(out: Uint8Array, nonce: Uint8Array, ad: Uint8Array, sealed: Uint8Array): boolean;
  wipeKey(): void;
}

/**
 * The contract of Aead around a provider's cipher: the same checks for all of them. Opened
 * plaintexts lie in memory of `allocSecret`.
 */
export function aeadOf(cipher: Cipher, allocSecret: AllocSecret = allocPlain): Aead {
  let alive = true;

  function expectUsable(nonce: Uint8Array): void {
    // A provider may have given the key's memory to another key by now.
    if (!alive) throw new CryptoError("key-destroyed", "the key was destroyed");
    expectLength(nonce, cipher.nonceBytes, "nonce");
  }

  function sealInto(out: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plain: Uint8Array): void {
    expectUsable(nonce);
    expectLength(out, plain.length + TAG_BYTES, "output");
    cipher.encrypt(out, nonce, ad, plain);
  }

  function openInto(
    out: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    sealed: Uint8Array,
  ): boolean {
    expectUsable(nonce);
    if (sealed.length >= TAG_BYTES) {
      expectLength(out, sealed.length - TAG_BYTES, "output");
      if (cipher.decrypt(out, nonce, ad, sealed)) return true;
    }
    wipe(out);
    return false;
  }

  return {
    sealInto,
    openInto,
    seal(nonce, ad, plaintext) {
      const out = new Uint8Array(plaintext.length + TAG_BYTES);
      sealInto(out, nonce, ad, plaintext);
      return out;
    },
    open(nonce, ad, sealed) {
      expectUsable(nonce);
      if (sealed.length < TAG_BYTES) return null;
      const out = allocSecret(sealed.length - TAG_BYTES);
      return openInto(out, nonce, ad, sealed) ? out : null;
    },
    destroy() {
      if (!alive) return;
      alive = false;
      cipher.wipeKey();
    },
  };
}
