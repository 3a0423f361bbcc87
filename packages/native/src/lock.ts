import { addon } from "./load.ts";

/**
 * Takes the write lock of a whole file (fcntl(2), F_SETLK), for as long as this process lives.
 * The lock belongs to the process: it is not inherited, taking it twice succeeds, and closing
 * ANY descriptor of the same file drops it. So open the file once and keep it open.
 *
 * @param fd a file opened for writing.
 * @returns false while another process has it.
 * @throws `EBADF` (closed, or not writable), `ENOLCK`, `ERR_INVALID_ARG_VALUE`.
 */
export function tryLock(fd: number): boolean {
  return addon().tryLock(fd);
}

/**
 * Which other process holds a lock on the file (F_GETLK). Its own lock no process sees.
 *
 * @returns null for none, 0 for a holder that has no pid in this pid namespace.
 * @throws `EBADF`, `ERR_INVALID_ARG_VALUE`.
 */
export function lockHolder(fd: number): number | null {
  return addon().lockHolder(fd);
}
