import { addon } from "./load.ts";

/** Process, user and group at the other end of a Unix socket, as the kernel reports them. */
export interface PeerCredentials {
  /** 0 for a peer in a pid namespace that cannot be seen from here. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A reference to one process that its successor under the same pid cannot take over. */
export interface Pidfd {
  /** False once the process has exited, reaped or not. Throws `EBADF` after close(). */
  alive(): boolean;
  /** Gives the descriptor back; the garbage collector does so too. May be called twice. */
  close(): void;
}

/**
 * Credentials of the peer (SO_PEERCRED, unix(7)), fixed when it connected: a peer that has
 * changed its uid, or has passed the socket on, keeps them. The uid is a statement of trust,
 * the pid a hint (see {@link peerPidfd}).
 *
 * @param fd a connected Unix socket.
 * @throws `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (no Unix socket), `ENOTCONN` (no peer),
 * `ERR_INVALID_ARG_VALUE`.
 */
export function peerCredentials(fd: number): PeerCredentials {
  return addon().peerCredentials(fd);
}

/**
 * A pidfd of the peer (SO_PEERPIDFD, Linux 6.5), close-on-exec; null where the kernel has none.
 * What is read from /proc under the peer's pid is true only if `alive()` still is afterwards.
 *
 * @param fd a connected Unix socket.
 * @throws as {@link peerCredentials}, and `ESRCH` where the peer is gone already; newer kernels
 * then give a pidfd that is not alive.
 */
export function peerPidfd(fd: number): Pidfd | null {
  const handle = addon().peerPidfd(fd);
  if (handle === null) return null;
  return {
    alive: () => addon().pidfdAlive(handle),
    close: () => addon().pidfdClose(handle),
  };
}
