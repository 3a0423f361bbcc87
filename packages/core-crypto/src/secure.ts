/** Makes zeroed memory for a secret of `length` bytes. */
export type AllocSecret = (length: number) => Uint8Array;

/** Wipes a secret and gives its memory back; nobody may use it afterwards. */
export type FreeSecret = (secret: Uint8Array) => void;

/**
 * Memory outside the V8 heap. A typed array of 64 bytes or fewer that owns its memory lives inside
 * the heap, where the collector moves it and leaves copies that no `fill(0)` reaches.
 */
export function allocSecret(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Overwrites `bytes` with zeros. */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

/** Moves a secret that a library returned into memory of its own, and wipes the original. */
export function moveSecret(from: Uint8Array): Uint8Array {
  const secret = allocSecret(from.length);
  secret.set(from);
  wipe(from);
  return secret;
}
