import { createPrivateKey, createPublicKey, hash, type KeyObject } from "node:crypto";
import { expectLength, KEY_BYTES } from "./bytes.ts";
import { equalBytes } from "./equal.ts";
import { allocSecret, wipe } from "./secure.ts";

/** Turns the 32-byte keys of one curve into KeyObjects. */
export interface NodeKeys {
  private(secretKey: Uint8Array): KeyObject;
  /** Throws where the bytes are no public key of the curve. */
  public(publicKey: Uint8Array): KeyObject;
  publicOf(secretKey: Uint8Array): Uint8Array;
}

/** `curve` is the last byte of the object identifier 1.3.101.n: RFC 8410 §3. */
export function nodeKeys(curve: 110 | 112): NodeKeys {
  // PKCS #8 and SubjectPublicKeyInfo up to the 32 bytes of the key: RFC 8410 §4, §7.
  const pkcs8 = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, curve, 4, 34, 4, 32);
  const spki = Uint8Array.of(48, 42, 48, 5, 6, 3, 43, 101, curve, 3, 33, 0);
  // Importing a private key costs as much as using it. The digest shows whether the array still
  // holds the key that was imported: a wiped or reused array must not act as its former key.
  const imported = new WeakMap<Uint8Array, { digest: Uint8Array; key: KeyObject }>();

  function privateKey(secretKey: Uint8Array): KeyObject {
    expectLength(secretKey, KEY_BYTES, "secret key");
    const digest = hash("blake2s256", secretKey, "buffer");
    const known = imported.get(secretKey);
    if (known !== undefined && equalBytes(known.digest, digest)) return known.key;
    const der = allocSecret(pkcs8.length + KEY_BYTES);
    der.set(pkcs8);
    der.set(secretKey, pkcs8.length);
    const key = createPrivateKey({ key: Buffer.from(der.buffer), format: "der", type: "pkcs8" });
    wipe(der);
    imported.set(secretKey, { digest, key });
    return key;
  }

  return {
    private: privateKey,
    public(publicKey) {
      expectLength(publicKey, KEY_BYTES, "public key");
      const key = Buffer.concat([spki, publicKey]);
      return createPublicKey({ key, format: "der", type: "spki" });
    },
    publicOf(secretKey) {
      const der = createPublicKey(privateKey(secretKey)).export({ format: "der", type: "spki" });
      return new Uint8Array(der.subarray(spki.length));
    },
  };
}
