import { KEY_BYTES } from "./bytes.ts";
import { type AllocSecret, wipe } from "./secure.ts";

/** Keeps 32-byte keys side by side in secure pages. */
export interface KeySlab {
  /** A slot with a copy of `key`; its owner gives it back. */
  take(key: Uint8Array): Uint8Array;
  /** Wipes the slot and lends it to the next key. */
  giveBack(slot: Uint8Array): void;
}

// With the 16-byte canary that sodium_malloc adds, this fills one page of 4 KiB.
const SLOTS = 127;

/** A secure allocation of its own costs each key several pages, of which few may be locked. */
export function keySlab(allocSecret: AllocSecret): KeySlab {
  const free: Uint8Array[] = [];

  function grow(): Uint8Array {
    const pages = allocSecret(SLOTS * KEY_BYTES);
    for (let slot = 1; slot < SLOTS; slot += 1) {
      free.push(pages.subarray(slot * KEY_BYTES, (slot + 1) * KEY_BYTES));
    }
    return pages.subarray(0, KEY_BYTES);
  }

  return {
    take(key) {
      const slot = free.pop() ?? grow();
      slot.set(key);
      return slot;
    },
    giveBack(slot) {
      wipe(slot);
      free.push(slot);
    },
  };
}
