import { addon, coded } from "./load.ts";

/** How well the memory of secrets is kept, and how much of it there is. */
export interface SecureMemory {
  /**
   * `memfd_secret`: out of reach of /proc/PID/mem, debuggers and core dumps, even root's.
   * `mlock`: never swapped or dumped, but readable by whoever may trace the process.
   * `none`: nothing can be locked, and {@link allocSecure} throws.
   */
  readonly kind: "memfd_secret" | "mlock" | "none";
  /** Locked bytes, whole pages; RLIMIT_MEMLOCK counts them. */
  readonly bytes: number;
  readonly allocations: number;
}

/** What may be done with the pages of an allocation. */
export type SecureAccess = "none" | "ro" | "rw";

const KINDS = ["none", "mlock", "memfd_secret"] as const;
const ACCESS = { none: 0, ro: 1, rw: 2 } as const satisfies Record<SecureAccess, number>;

/**
 * Zeroed memory for a secret, outside the JavaScript heap: locked, left out of core dumps and of
 * children, between guard pages, and wiped when it is freed, collected, or the process exits.
 * Up to 1024 bytes it shares its page with others. Wrap it in no Buffer method that copies, and
 * do not move it with transfer(): the copy is in ordinary memory.
 *
 * @param length up to 2^30 bytes; 0 gives an ordinary empty array.
 * @throws `ERR_SESAME_LOCKED_MEMORY` where RLIMIT_MEMLOCK is used up (LimitMEMLOCK= of a unit);
 * `EMFILE` and `ENFILE`; `ERR_INVALID_ARG_VALUE`.
 */
export function allocSecure(length: number): Uint8Array {
  return new Uint8Array(length === 0 ? new ArrayBuffer(0) : addon().allocSecure(length));
}

/**
 * Wipes the memory and gives it back. Every view of it is empty from now on. A second call does
 * nothing. No asynchronous operation may be using it. Ends the process (SIGABRT) if something
 * has written outside the bounds of the allocation.
 *
 * @param bytes as {@link allocSecure} returned it, not a part of it.
 * @throws `ERR_INVALID_ARG_VALUE` for any other array.
 */
export function freeSecure(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (byteLength === 0 && buffer.byteLength === 0) return;
  if (byteLength !== buffer.byteLength) {
    throw coded("ERR_INVALID_ARG_VALUE", "expected the whole of an allocation, not a part");
  }
  addon().freeSecure(buffer);
}

/**
 * Sets what may be done with an allocation of more than 1024 bytes, which has pages of its own.
 * A forbidden access by JavaScript ends the process (SIGSEGV), one by the kernel is `EFAULT`.
 *
 * @throws `EINVAL` for a smaller allocation; `ERR_INVALID_ARG_VALUE` for one that was freed, and
 * for any other array.
 */
export function protectSecure(bytes: Uint8Array, access: SecureAccess): void {
  addon().protectSecure(bytes.buffer, ACCESS[access]);
}

/**
 * Zeroes the stack below the caller. After calls into libraries that were given a key: their local
 * variables stay until something else is written there.
 */
export function clearStack(): void {
  addon().clearStack();
}

/** The state of this process; finds out by an allocation where there was none yet. */
export function secureMemory(): SecureMemory {
  const { kind, bytes, allocations } = addon().secureMemory();
  return { kind: KINDS[kind] ?? "none", bytes, allocations };
}
