import { addon } from "./load.ts";

/** `bus` accepts connections and makes none, `vault` makes connections and accepts none. */
export type SyscallProfile = "bus" | "vault";

/**
 * What becomes of a system call that is on no list. `errno`: it fails with EPERM or ENOSYS, and
 * the kernel logs it. `kill`: SIGSYS ends the process; shows in tests that the list is complete.
 * `tell`: it fails, and its number is written to stderr.
 */
export type Denial = "errno" | "kill" | "tell";

const PROFILES = { bus: 0, vault: 1 } as const satisfies Record<SyscallProfile, number>;
const DENIALS = { errno: 0, kill: 1, tell: 2 } as const satisfies Record<Denial, number>;

/**
 * Restricts all threads of this process, present and future, to the system calls that a serving
 * daemon needs (c/syscalls.h): no program can be started, no socket but Unix ones made, no other
 * process signalled or looked at. Cannot be undone. A few calls that no daemon ever makes end
 * the process, whatever `denial` says.
 *
 * libuv must not be using io_uring, which {@link sandboxExec} sees to: else it aborts.
 *
 * @throws errors of seccomp(2); `EBUSY` where a thread has a filter that this one has not.
 */
export function restrictSyscalls(profile: SyscallProfile, denial: Denial = "errno"): void {
  addon().restrictSyscalls(PROFILES[profile], DENIALS[denial]);
}
