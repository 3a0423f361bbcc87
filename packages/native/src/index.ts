/**
 * What Linux offers and Node does not, through a small addon without libraries (c/, build.sh).
 * Errors of the kernel are thrown with its name for them as `code`, such as `EACCES`.
 */
export { peerCredentials, peerPidfd, type PeerCredentials, type Pidfd } from "./peer.ts";
export { notify, sdNotify } from "./notify.ts";
export { tryLock, lockHolder } from "./lock.ts";
export { resetSignals, nofile, setNofile, restoreNofile, type Nofile } from "./exec-state.ts";
export {
  allocSecure,
  clearStack,
  freeSecure,
  protectSecure,
  secureMemory,
  type SecureAccess,
  type SecureMemory,
} from "./secure-memory.ts";
export { harden, hardening, threadStates, type Hardening, type ThreadState } from "./harden.ts";
export {
  landlockAbi,
  nodeRules,
  sandboxEnvironment,
  sandboxExec,
  type Access,
  type PathRule,
  type SandboxOptions,
} from "./sandbox.ts";
export { restrictSyscalls, type Denial, type SyscallProfile } from "./syscalls.ts";
export { sealedMemfd } from "./memfd.ts";
export { addonPath, checkNodeVersion } from "./load.ts";
